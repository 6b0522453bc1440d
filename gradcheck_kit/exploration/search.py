"""`explore`: draw examples until one fails, make it small, report."""

import math
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from gradcheck_kit.checks import batch, directional
from gradcheck_kit.exploration.axes import Axes, arrays_and_constants
from gradcheck_kit.exploration.construction import Construction
from gradcheck_kit.exploration.figures import with_figures
from gradcheck_kit.exploration.literals import literal, to_paste
from gradcheck_kit.exploration.reduction import Reduction
from gradcheck_kit.exploration.structure import Example, Structure, structures
from gradcheck_kit.exploration.trial import Outcome, Trial, tried
from gradcheck_kit.provenance import generator_of
from gradcheck_kit.report import Cost, Exploration, Finding, Report
from gradcheck_kit.subject import UsageError
from gradcheck_kit.verdict import Verdict

SIMPLIFICATIONS = 300  # examples tried to make a failing one smaller
RAISING = 25  # examples that raise, and none that does not: the axes do not fit
OBSTACLES = 3  # named in a report


class _FoundError(Exception):
    """An example failed: there is nothing more to draw."""


class _Search:
    """Examples on trial, each once, and what became of them."""

    def __init__(self, construction: Construction, arrays: Mapping[str, Axes], seed: int) -> None:
        self.construction, self.arrays, self.seed = construction, arrays, seed
        self.trials: dict[Structure, Trial] = {}
        self.forward = self.vjp = 0
        self.found: tuple[Example, Trial] | None = None

    def trial(self, example: Example) -> Trial:
        trial = tried(self.construction, example, self.seed)
        if trial.report is not None:
            self.forward += trial.report.cost.forward
            self.vjp += trial.report.cost.vjp
        return trial

    def visit(self, structure: Structure) -> Trial:
        """The trial of one structure; ends the search where it fails, or where nothing but exceptions is met."""
        if structure not in self.trials:
            self.trials[structure] = self.trial(structure.example(self.arrays))
        trial = self.trials[structure]
        if trial.outcome is Outcome.FAILED:
            self.found = structure.example(self.arrays), trial
            raise _FoundError
        if (
            trial.outcome is Outcome.RAISED
            and len(self.trials) >= RAISING
            and self.count(Outcome.RAISED) == len(self.trials)
        ):
            raise UsageError(
                f"{self.construction.title} raised on each of {len(self.trials)} drawn inputs, such as "
                f"{trial.obstacle} (at {trial.where}); do the axes fit? Arrays that share an axis name have the same "
                "length there; gk.axes(..., within=(low, high)) keeps values inside a domain"
            )
        return trial

    def count(self, outcome: Outcome) -> int:
        return sum(trial.outcome is outcome for trial in self.trials.values())

    def obstacles(self) -> tuple[str, ...]:
        met = Counter(t.obstacle for t in self.trials.values() if t.outcome in (Outcome.UNDECIDED, Outcome.RAISED))
        shown = tuple(f"{what} ({count})" for what, count in met.most_common(OBSTACLES))
        others = sum(met.values()) - sum(count for _, count in met.most_common(OBSTACLES))
        return (*shown, f"others ({others})") if others else shown

    def summary(self) -> Exploration:
        return Exploration(
            len(self.trials),
            self.count(Outcome.PASSED),
            self.count(Outcome.UNDECIDED),
            self.count(Outcome.RAISED),
            self.obstacles(),
        )


def explore(
    target: Any,
    /,
    *,
    max_examples: int = 200,
    seed: int = 0,
    vjp: Callable[..., Any] | None = None,
    **axes: Any,
) -> Report:
    """Search for an input at which the backward of `target` is wrong, and make it small. Needs Hypothesis.

        gk.explore(layer, x=("n", 3))
        gk.explore(Affine, x=("n", 3), W=(3, "m"), b=("m",))

    Hypothesis draws the lengths of named axes (0, 1, 2, 3, 4, 5, 7, 16, 17, 32), the dtype (float64, float32), the
    layout of what a constructor is given, and for each array the kind of its values: ordinary, large, tiny, integers
    with ties and zeros, one tie, sparse, equal rows, … Values come from a drawn seed. The first example that fails is
    reduced while it fails in the same way: fewer rows, more zeros, fewer digits.

    At an exact tie (a kink) the backward may return any mixture of the gradients on the two sides; anything else of a
    hand-written backward fails there. Where several kinks meet at one point an example is undecided, as it is where
    a forward leaves its domain; undecided examples are counted, and are no failure.

    Args:
        target: what `check` takes, but not at one point; or a class or factory (a function that does not take all the
            names): it is given what it has parameters for, the forward of what it returns is given the rest.
        max_examples: how many examples are drawn at most; a failing one is reduced by at most 300 more.
        seed: where everything random comes from; the same seed repeats the search exactly.
        vjp: for a function: `vjp(cotangent, *inputs)`, as for `check`.
        axes: for each input by name: a tuple of axes, `gk.axes(...)` for integers or for values within bounds, or
            anything else to be passed on as it is. A name that only a layer's parameter has sets that parameter, in
            a copy of the layer.

    Returns:
        FAIL: the report of the reduced example, with the input and lines to paste in `.exploration`. PASS: every input
        was resolved in some example and none failed; `.resolution` is the least sharp of the passing examples.
        INCONCLUSIVE: none failed, and an input was never resolved.

    Raises:
        UsageError: the target, an axis or an option cannot be used, every drawn input raised, Hypothesis is not
            installed, or the call is made inside a Hypothesis test (which draws inputs itself).
    """
    if isinstance(max_examples, bool) or not isinstance(max_examples, int) or max_examples < 1:
        raise UsageError(f"max_examples={max_examples!r}; pass a positive integer")
    generator_of(seed)
    if vjp is not None and not callable(vjp):
        raise UsageError(f"vjp is a {type(vjp).__name__}; pass a function vjp(cotangent, *inputs)")
    arrays, constants = arrays_and_constants(axes)
    fixed = frozenset(name for name, array in arrays.items() if array.fixed)
    construction = Construction(target, vjp, tuple(axes), constants, fixed)
    search = _Search(construction, arrays, seed)
    started = time.perf_counter()
    with construction.session():
        _draw(search, max_examples)
        report = _nothing_found(search) if search.found is None else _reduced(search, *search.found, constants)
    return replace(report, cost=Cost(search.forward, search.vjp, time.perf_counter() - started))


def _draw(search: _Search, max_examples: int) -> None:
    """Until one fails or there are enough. Hypothesis shrinks nothing: dropping rows and digits keeps what fails."""
    try:
        import hypothesis
    except ImportError as error:
        raise UsageError("gk.explore needs Hypothesis; pip install 'gradcheck-kit[explore]'") from error
    if hypothesis.currently_in_test_context():
        raise UsageError(
            "gk.explore inside a Hypothesis test would nest two searches; draw the inputs in the test and call "
            "gk.check, or call gk.explore in a test of its own"
        )

    @hypothesis.seed(int(search.seed))
    @hypothesis.settings(
        max_examples=max_examples,
        database=None,
        deadline=None,
        derandomize=False,
        print_blob=False,
        report_multiple_bugs=False,
        backend="hypothesis",
        verbosity=hypothesis.Verbosity.quiet,
        phases=(hypothesis.Phase.generate, hypothesis.Phase.target),
        suppress_health_check=list(hypothesis.HealthCheck),
    )
    @hypothesis.given(structures(search.arrays, search.construction.dtypes))
    def draw(structure: Structure) -> None:
        excess = search.visit(structure).excess
        if excess > 1.0:  # below, it is rounding noise, which has no slope to climb
            hypothesis.target(math.log10(excess), label="discrepancy over bound")

    try:
        draw()
    except _FoundError:
        return


def _nothing_found(search: _Search) -> Report:
    """One finding for every input, over all the examples."""
    reports = [t.report for t in search.trials.values() if t.report is not None]
    if not reports:
        example = next(iter(search.trials.values()))
        raise UsageError(
            f"{search.construction.title} raised on every drawn input, such as {example.obstacle} (at {example.where})"
        )
    sharpest: dict[str, list[float]] = {}
    for report in (t.report for t in search.trials.values() if t.outcome is Outcome.PASSED):
        for finding in () if report is None else report.findings:
            if finding.input is not None and finding.resolution is not None:
                sharpest.setdefault(finding.input, []).append(finding.resolution)
    names = dict.fromkeys(f.input for report in reports for f in report.findings if f.input is not None)
    findings = [_over_all(name, sharpest.get(name, [])) for name in names] or [_over_all(None, [])]
    return replace(
        reports[0],
        findings=tuple(findings),
        require=max(report.require for report in reports),
        dtype=" and ".join(dict.fromkeys(report.dtype for report in reports)),
        reference=reports[0].reference,
        not_asked=(),
        exploration=search.summary(),
    )


def _over_all(name: str | None, resolutions: list[float]) -> Finding:
    if resolutions:
        message = f"the gradient of {name} agrees in {len(resolutions)} examples"
        return Finding(directional.QUESTION, Verdict.PASS, message, name, resolution=max(resolutions))
    message = f"no example decided the gradient of {name or 'any input'}; pass other axes, or a domain with gk.axes"
    return Finding(directional.QUESTION, Verdict.INCONCLUSIVE, message, name)


def _reduced(search: _Search, example: Example, trial: Trial, constants: Mapping[str, Any]) -> Report:
    """The report of the smallest example that fails as the one that was found does."""
    seen = {id(example): trial}
    alike = {trial.failure}
    if trial.failure[0] == batch.QUESTION:  # what one row of several shows, differences show at that row, with a place
        alike.add((directional.QUESTION, trial.failure[1], None))

    def fails(candidate: Example) -> bool:
        seen[id(candidate)] = again = search.trial(candidate)
        kept.append(candidate)
        return again.outcome is Outcome.FAILED and again.failure in alike

    kept: list[Example] = []  # so that no id is used twice
    reduction = Reduction(example, search.arrays, fails, SIMPLIFICATIONS)
    best = reduction.run()
    final = seen[id(best)]
    if final.report is None or final.call is None:
        raise AssertionError("a trial that failed has a report")
    question = final.failure[0]
    explored = replace(
        search.summary(),
        simplified=reduction.tried,
        inputs={name: literal(array).to_dict() for name, array in best.arrays.items()},
        lines=to_paste(search.construction, best, final.call, constants, question, search.seed),
    )
    report = with_figures(final.report, search.construction.subject(final.call), {"seed": search.seed})
    search.forward += report.cost.forward - final.report.cost.forward
    search.vjp += report.cost.vjp - final.report.cost.vjp
    return replace(report, exploration=explored, reproduction=None)
