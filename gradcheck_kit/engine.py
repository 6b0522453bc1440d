"""`examine` and `check`: the questions in order, until the answer is known."""

import time
from collections.abc import Callable, Sequence
from typing import Any

from gradcheck_kit.adapters import resolve
from gradcheck_kit.checks import contract, determinism, directional, purity
from gradcheck_kit.checks.examination import Examination
from gradcheck_kit.provenance import Meter, coarsest, environment_now, generator_of
from gradcheck_kit.report import Cost, Finding, GradientCheckError, Report
from gradcheck_kit.subject import UsageError
from gradcheck_kit.verdict import DEFAULT_REQUIRE, Verdict

QUESTIONS: dict[str, Callable[[Examination], list[Finding]]] = {
    module.QUESTION: module.ask for module in (contract, purity, determinism, directional)
}
"""Every question in the order asked: an answer other than PASS makes the later ones meaningless."""


def examine(
    target: Any,
    *inputs: Any,
    vjp: Callable[..., Any] | None = None,
    wrt: Any = None,
    names: Sequence[str] | None = None,
    seed: int = 0,
    require: float | None = None,
    questions: Sequence[str] | None = None,
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
            1e-6, 1e-2, 0.1, 0.3 for float64, float32, float16, bfloat16.
        questions: the names of the questions to ask, by default all of `gradcheck_kit.engine.QUESTIONS`.

    Raises:
        UsageError: the target, the inputs or an option cannot be used; the message says what to type instead.
        Exception: whatever the target raises at the given inputs.
    """
    started = time.perf_counter()
    subject = resolve(target, inputs, vjp=vjp, names=names).restricted_to(wrt)
    asked = _chosen(questions)
    meter = Meter(subject)
    outputs = dict(meter.subject.forward(subject.point))
    dtype = coarsest(subject, outputs)
    demand = DEFAULT_REQUIRE[dtype] if require is None else _positive(require)
    examination = Examination(meter.subject, outputs, generator_of(seed), demand)
    findings: list[Finding] = []
    unasked = [name for name in QUESTIONS if name not in asked]
    for position, name in enumerate(asked):
        findings += QUESTIONS[name](examination)
        if any(finding.verdict is not Verdict.PASS for finding in findings):
            unasked += [f"{later} (meaningless after {name})" for later in asked[position + 1 :]]
            break
    return Report(
        subject=subject.name,
        findings=tuple(findings),
        seed=seed,
        cost=Cost(meter.forward, meter.vjp, time.perf_counter() - started),
        dtype=dtype,
        device=subject.library.device(subject.point[subject.differentiable[0]]),
        library=subject.library.name,
        require=demand,
        not_asked=tuple(unasked),
        environment=environment_now(),
    )


def check(
    target: Any,
    *inputs: Any,
    vjp: Callable[..., Any] | None = None,
    wrt: Any = None,
    names: Sequence[str] | None = None,
    seed: int = 0,
    require: float | None = None,
    questions: Sequence[str] | None = None,
) -> Report:
    """As `examine`, and raises unless the verdict is PASS.

    Raises:
        GradientCheckError: the verdict is FAIL or INCONCLUSIVE; `.report` holds the report.
        UsageError: as `examine`.
    """
    report = examine(target, *inputs, vjp=vjp, wrt=wrt, names=names, seed=seed, require=require, questions=questions)
    if not report:
        raise GradientCheckError(report)
    return report


def _chosen(questions: Sequence[str] | None) -> list[str]:
    if questions is None:
        return list(QUESTIONS)
    chosen = [questions] if isinstance(questions, str) else list(questions)
    for name in chosen:
        if name not in QUESTIONS:
            raise UsageError(f"questions={name!r} is no question; choose from {', '.join(QUESTIONS)}")
    return [name for name in QUESTIONS if name in chosen]


def _positive(require: float) -> float:
    if not isinstance(require, int | float) or not 0.0 < require < 1.0:
        raise UsageError(f"require={require!r}; pass a relative resolution between 0 and 1, such as 1e-6")
    return float(require)
