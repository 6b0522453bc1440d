"""`examine` and `check`: the questions in order, until the answer is known."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from gradcheck_kit.adapters import resolve
from gradcheck_kit.arguments import RESOLUTION, as_integer, as_resolution, integer
from gradcheck_kit.checks import (
    adjoint,
    batch,
    contract,
    determinism,
    directional,
    double_backward,
    frozen_subsets,
    kink,
    layout,
    linearity,
    poison,
    purity,
    vmap,
)
from gradcheck_kit.checks.examination import Examination, NotAskedError
from gradcheck_kit.preparation import prepared
from gradcheck_kit.provenance import Budget, Meter, coarsest, environment_now, generator_of
from gradcheck_kit.report import Cost, Finding, GradientCheckError, LeftOut, Report
from gradcheck_kit.reproduction.lines import expect_place, reproduction
from gradcheck_kit.sources import Watch, source_of
from gradcheck_kit.subject import BudgetSpentError, MalformedGradientError, Subject, UsageError
from gradcheck_kit.verdict import DEFAULT_REQUIRE, Verdict

QUESTIONS: dict[str, Callable[[Examination], list[Finding]]] = {
    module.QUESTION: module.ask
    for module in (
        contract,
        purity,
        determinism,
        linearity,
        layout,
        directional,
        batch,
        adjoint,
        poison,
        frozen_subsets,
        vmap,
        double_backward,
    )
}
"""Every question in the order asked: an answer other than PASS makes the later ones meaningless.

The differences come before the batch: what is wrong at the point itself they explain better, with a place and a cause.
"""

BY_NAME = QUESTIONS | {kink.QUESTION: kink.ask}
"""All of these and those that are asked only by name."""
UNPAIRED = "the forward reads this array, and no gradient is beside it, as dW is beside W"
UNREGISTERED = "the forward reads this tensor that requires a gradient: neither an input nor a parameter of the target"


def examine(  # noqa: PLR0913 - options, by keyword alone
    target: Any,
    *inputs: Any,
    vjp: Callable[..., Any] | None = None,
    wrt: Any = None,
    names: Sequence[str] | None = None,
    seed: int = 0,
    require: float | None = None,
    questions: Sequence[str] | None = None,
    order: int = 1,
    reference: str | Callable[..., Any] | None = None,
    budget: Budget | float | None = None,
    save: str | Path | None = None,
    figures: bool = True,
) -> Report:
    """Check the gradients of `target` at `inputs` and report; never raises for a wrong gradient.

    Args:
        target: a NumPy layer (`forward(*inputs)`, `backward(cotangent)`), a function with `vjp=`, a
            `torch.nn.Module`, a `torch.autograd.Function` subclass, a callable on torch tensors, or a `Subject`.
        inputs: arrays of any shape in float16, bfloat16, float32 or float64; integer and boolean ones are held fixed.
        vjp: for a function: `vjp(cotangent, *inputs)` → gradient or tuple of gradients (None where there is none).
        wrt: the names or positions of the inputs to check; all differentiable ones by default.
        names: names for the inputs; by default those of the forward's signature.
        seed: where every random number of the check comes from; the same seed repeats the check exactly.
        require: the resolution (relative gradient error) that a PASS must have been able to see; by default
            1e-6, 1e-2, 0.1, 0.3 for float64, float32, float16, bfloat16, and 3e-3 for float32 beside a float64 forward.
        questions: the names of the questions to ask, by default all of `gradcheck_kit.engine.QUESTIONS` of this order;
            "kink" is asked only by name.
        order: 2 to ask of the gradient's own gradient too (torch), by the inputs and by the cotangents: the question
            "double-backward".
        reference: what is differentiated where an input has fewer digits than float64: by default the forward in
            float64 if it can be evaluated so; "float64" to insist on that, "native" for the forward as it is, or a
            function of the same inputs (and parameters, by keyword) that is evaluated in float64.
        budget: seconds, or `Budget(seconds=…, evaluations=…)`; a check that runs out of it is INCONCLUSIVE.
        save: a .npz file to write the inputs and parameters to, unless the verdict is PASS; the lines that repeat the
            check (`Report.reproduction`) then load it. Without it they spell at most 256 elements.
        figures: whether numbers to draw (`Report.figures`) are measured unless the verdict is PASS, by at most 120
            forward evaluations for each of at most two inputs.

    Raises:
        UsageError: the target, the inputs or an option cannot be used; the message says what to type instead.
        Exception: whatever the target raises at the given inputs.
    """
    subject = resolve(target, inputs, vjp=vjp, names=names).restricted_to(wrt)
    seed, order = integer("seed", seed, 0), _order(order)
    asked, place = _chosen(questions, order), expect_place(save)
    watch = Watch()
    meter = Meter(watch.over(subject), Budget.of(budget))
    generator, demand = generator_of(seed), None if require is None else _resolution(require)
    answers, examination = _Answers(subject, asked, questions), None
    try:
        with subject.session():
            examination = replace(prepared(meter, generator, demand, reference), figures=figures)
            answers.ask(examination)
    except BudgetSpentError as spent:
        answers.findings.append(_out_of_budget(str(spent)))
    answers.left_out += [LeftOut(name, UNREGISTERED, array=True) for name in subject.strangers()]
    report = _report(subject, answers, examination, seed, Cost(meter.forward, meter.vjp, meter.seconds), watch)
    if report:
        return report
    options = {"wrt": wrt, "seed": seed, "require": demand, "questions": questions, "order": order}
    return replace(report, reproduction=reproduction(subject, {**options, "reference": reference}, place))


def check(  # noqa: PLR0913 - options, by keyword alone
    target: Any,
    *inputs: Any,
    vjp: Callable[..., Any] | None = None,
    wrt: Any = None,
    names: Sequence[str] | None = None,
    seed: int = 0,
    require: float | None = None,
    questions: Sequence[str] | None = None,
    order: int = 1,
    reference: str | Callable[..., Any] | None = None,
    budget: Budget | float | None = None,
    save: str | Path | None = None,
    figures: bool = True,
) -> Report:
    """As `examine`, and raises unless the verdict is PASS.

    Raises:
        GradientCheckError: the verdict is FAIL or INCONCLUSIVE; `.report` holds the report.
        UsageError: as `examine`.
    """
    report = examine(
        target,
        *inputs,
        vjp=vjp,
        wrt=wrt,
        names=names,
        seed=seed,
        require=require,
        questions=questions,
        order=order,
        reference=reference,
        budget=budget,
        save=save,
        figures=figures,
    )
    if not report:
        raise GradientCheckError(report)
    return report


class _Answers:
    """What the questions found, and what was not asked."""

    def __init__(self, subject: Subject, asked: Sequence[str], wanted: Sequence[str] | None) -> None:
        self._subject, self._asked, self._by_name = subject, asked, wanted is not None
        self.findings: list[Finding] = []
        self.left_out = _left_out(asked, subject)

    def ask(self, examination: Examination) -> None:
        """The questions in order, until one has another answer than PASS."""
        lacking: list[str] = []
        for place, name in enumerate(self._asked):
            if not self._concerns(name):
                continue
            if name == directional.QUESTION:
                lacking = examination.forget_first_pull()
            self.findings += [self._told(finding, lacking) for finding in self._found(name, examination)]
            if any(finding.verdict is not Verdict.PASS for finding in self.findings):
                later = [other for other in self._asked[place + 1 :] if self._concerns(other)]
                self.left_out += [LeftOut(other, f"meaningless after {name}") for other in later]
                return

    def _found(self, name: str, examination: Examination) -> list[Finding]:
        try:
            return BY_NAME[name](examination)
        except NotAskedError as reason:
            self.left_out.append(LeftOut(name, str(reason)))
            return []
        except MalformedGradientError as error:
            return [Finding(name, Verdict.FAIL, str(error), cause="malformed-gradient")]

    def _told(self, finding: Finding, lacking: Sequence[str]) -> Finding:
        """A wrong gradient that was never returned is told apart from one that was returned as zeros."""
        if finding.input is None or finding.input not in lacking or finding.verdict is not Verdict.FAIL:
            return finding
        return replace(finding, message=f"{finding.message}\n{contract.missing_gradient(finding.input, self._subject)}")

    def _concerns(self, name: str) -> bool:
        """Nobody who did not ask is told of rules for vmap where there are none."""
        return name != vmap.QUESTION or self._by_name or vmap.applies(self._subject.vectorised)


def _report(
    subject: Subject, answers: _Answers, examination: Examination | None, seed: int, cost: Cost, watch: Watch
) -> Report:
    """`examination` is None where the budget was spent before the first question."""
    dtype = coarsest(subject, {} if examination is None else examination.outputs)
    found = None if examination is None else examination.reference
    return Report(
        subject=subject.name,
        findings=tuple(answers.findings),
        seed=seed,
        cost=cost,
        dtype=dtype,
        device=subject.library.device(subject.point[subject.differentiable[0]]),
        library=subject.library.name,
        require=DEFAULT_REQUIRE[dtype] if examination is None else examination.require,
        reference="native" if found is None else found.name,
        left_out=tuple(answers.left_out),
        environment=environment_now(),
        source=source_of(subject),
        ran=watch.sources,
    )


def _left_out(asked: Sequence[str], subject: Subject) -> list[LeftOut]:
    """Arrays without a gradient, and questions that nobody wanted; a double backward only where there could be one."""
    second = double_backward.QUESTION
    found = [LeftOut(name, UNPAIRED, array=True) for name in subject.unpaired]
    found += [LeftOut(name) for name in QUESTIONS if name not in asked and name not in (second, vmap.QUESTION)]
    return found if second in asked or subject.recorded is None else [*found, LeftOut(second, "order=2")]


def _out_of_budget(spent: str) -> Finding:
    message = f"the budget of {spent} was spent before the answer was known; allow more, or pass a smaller input"
    return Finding("budget", Verdict.INCONCLUSIVE, message, cause="budget")


def _order(order: int) -> int:
    found = as_integer(order)
    if found is None or found not in (1, 2):
        raise UsageError(f"order={order!r}; pass 1 for the gradient, or 2 for its own gradient too")
    return found


def _chosen(questions: Sequence[str] | None, order: int) -> list[str]:
    second = double_backward.QUESTION
    if questions is None:
        return [name for name in QUESTIONS if order == 2 or name != second]
    if not isinstance(questions, str | list | tuple):
        raise UsageError(f"questions={questions!r}; pass a list of names from {', '.join(BY_NAME)}")
    chosen = [questions] if isinstance(questions, str) else list(questions)
    chosen += [second] if order == 2 else []
    for name in chosen:
        if name not in BY_NAME:
            raise UsageError(f"questions={name!r} is no question; choose from {', '.join(BY_NAME)}")
    return [name for name in BY_NAME if name in chosen]


def _resolution(require: float) -> float:
    found = as_resolution(require)
    if found is None:
        raise UsageError(f"require={require!r}; pass {RESOLUTION}")
    return found
