"""`explore`: draw examples until one fails, make it small, report."""

import math
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any

from gradcheck_kit.arguments import integer
from gradcheck_kit.checks import batch, directional
from gradcheck_kit.exploration.attribution import telling_example, with_causes
from gradcheck_kit.exploration.axes import Axes, arrays_and_constants
from gradcheck_kit.exploration.construction import Construction
from gradcheck_kit.exploration.demands import Demands
from gradcheck_kit.exploration.dependence import dependence
from gradcheck_kit.exploration.figures import with_figures
from gradcheck_kit.exploration.literals import literal, to_paste
from gradcheck_kit.exploration.own_dtype import OwnDtypeError
from gradcheck_kit.exploration.passing import over_all
from gradcheck_kit.exploration.reduction import Reduction
from gradcheck_kit.exploration.structure import Example, Structure, structures
from gradcheck_kit.exploration.trial import BESIDE, Outcome, Trial, tried
from gradcheck_kit.report import Cost, Exploration, Report
from gradcheck_kit.subject import UsageError

SIMPLIFICATIONS = 300  # examples tried to make a failing one smaller
RAISING = 25  # examples that raise, and none that does not: the axes do not fit
OBSTACLES = 3  # named in a report


class _EndError(Exception):
    """An example failed, or the time is spent: there is nothing more to draw."""


class _Search:
    """Examples on trial, each once, and what became of them."""

    def __init__(self, construction: Construction, arrays: Mapping[str, Axes], seed: int) -> None:
        self.construction, self.arrays, self.seed = construction, arrays, seed
        self.trials: dict[Structure, Trial] = {}
        self.forward = self.vjp = 0
        self.demands, self._started = construction.demands, time.perf_counter()
        self.found: tuple[Example, Trial] | None = None

    def trial(self, example: Example) -> Trial:
        trial = tried(self.construction, example, self.seed)
        if trial.report is not None:
            self.forward += trial.report.cost.forward
            self.vjp += trial.report.cost.vjp
        return trial

    def trial_elsewhere(self, example: Example) -> Trial:
        """Of an example that nobody drew: one that cannot even be called tells nothing."""
        try:
            return self.trial(example)
        except (UsageError, OwnDtypeError) as error:
            return Trial(Outcome.RAISED, obstacle=str(error))

    def visit(self, structure: Structure) -> Trial:
        """The trial of one structure; ends the search where it fails, or where nothing but exceptions is met."""
        if structure.dtype not in self.construction.dtypes:
            structure = replace(structure, dtype=self.construction.dtypes[0])
        if structure not in self.trials:
            if self.trials and self.spent():
                raise _EndError
            try:
                self.trials[structure] = self.trial(structure.example(self.arrays))
            except OwnDtypeError:  # from now on the construction knows its dtype
                return self.visit(structure)
            self.demands.progress(len(self.trials))
        trial = self.trials[structure]
        if trial.outcome is Outcome.FAILED:
            self.found = structure.example(self.arrays), trial
            raise _EndError
        if (
            trial.outcome is Outcome.RAISED
            and len(self.trials) >= RAISING
            and self.count(Outcome.RAISED) == len(self.trials)
        ):
            raise self.nothing_but_exceptions(trial)
        return trial

    def nothing_but_exceptions(self, trial: Trial) -> UsageError:
        """Every example raised, as this one did."""
        each = "the only drawn input" if len(self.trials) == 1 else f"each of {len(self.trials)} drawn inputs"
        return UsageError(
            f"{self.construction.title} raised on {each}, such as "
            f"{trial.obstacle} (at {trial.where}); do the axes fit? Arrays that share an axis name have the same "
            "length there; gk.axes(..., within=(low, high)) keeps values inside a domain"
        )

    def exceptions_beside(self, trial: Trial) -> UsageError:
        """No check came to its end, and this example itself went through: its axes fit."""
        raised = trial.obstacle.removeprefix(BESIDE)
        return UsageError(
            f"no check of {self.construction.title} came to its end: forward and backward returned at a drawn input, "
            f"and later in its check one raised {raised} (at {trial.where}). A check calls them many times, at points "
            "close by too: let each call depend on its arguments alone, or keep away from the edge of the domain with "
            "gk.axes(..., within=(low, high))"
        )

    def spent(self) -> bool:
        """Whether the time is over."""
        return self.demands.seconds is not None and time.perf_counter() - self._started >= self.demands.seconds

    def count(self, outcome: Outcome) -> int:
        return sum(trial.outcome is outcome for trial in self.trials.values())

    def obstacles(self) -> tuple[str, ...]:
        met = Counter(t.obstacle for t in self.trials.values() if t.outcome in (Outcome.UNDECIDED, Outcome.RAISED))
        shown = tuple(f"{what} ({count})" for what, count in met.most_common(OBSTACLES))
        others = sum(met.values()) - sum(count for _, count in met.most_common(OBSTACLES))
        return (*shown, f"others ({others})") if others else shown

    def nothing_found(self) -> Report:
        """The report over all examples, none of which failed."""
        trials = list(self.trials.values())
        if all(trial.report is None for trial in trials):
            beside = next((trial for trial in trials if trial.outcome is Outcome.UNDECIDED), None)
            raise self.nothing_but_exceptions(trials[0]) if beside is None else self.exceptions_beside(beside)
        return over_all(trials, self.summary())

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
    hand-written backward fails there, and so does a NaN of any, which is no mixture. Where several kinks meet at one
    point an example is undecided, as it is where a forward leaves its domain; undecided examples are counted, and are
    no failure.

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
        FAIL: the report of the reduced example, with the input and lines to paste in `.exploration`, and in its `cause`
        and `condition` what the failure depends on, where examples beside it leave one answer: a batch of one, an axis
        of one, a shape that is square or is not, a length from which on it is wrong, an exact tie. PASS: every input
        was resolved in some example and none failed; `.resolution` is the least sharp of the passing examples.
        INCONCLUSIVE: none failed, and an input was never resolved.

    Raises:
        UsageError: the target, an axis or an option cannot be used, every drawn input raised, Hypothesis is not
            installed, or the call is made inside a Hypothesis test (which draws inputs itself).
    """
    return searched(target, axes, Demands(), max_examples=max_examples, seed=seed, vjp=vjp)


def searched(
    target: Any,
    axes: Mapping[str, Any],
    demands: Demands,
    *,
    max_examples: int = 200,
    seed: int = 0,
    vjp: Callable[..., Any] | None = None,
) -> Report:
    """As `explore`, with demands on every example."""
    max_examples, seed = integer("max_examples", max_examples, 1), integer("seed", seed, 0)
    if vjp is not None and not callable(vjp):
        raise UsageError(f"vjp is a {type(vjp).__name__}; pass a function vjp(cotangent, *inputs)")
    arrays, constants = arrays_and_constants(axes)
    fixed = frozenset(name for name, array in arrays.items() if array.fixed)
    construction = Construction(target, vjp, tuple(axes), constants, fixed, demands)
    search = _Search(construction, arrays, seed)
    started = time.perf_counter()
    with construction.session():
        _draw(search, max_examples)
        report = search.nothing_found() if search.found is None else _reduced(search, *search.found, constants)
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

    @hypothesis.seed(search.seed)
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
    except _EndError:
        return


def _reduced(search: _Search, example: Example, trial: Trial, constants: Mapping[str, Any]) -> Report:
    """The report of the smallest example that fails as the one that was found does."""
    seen = {id(example): trial}
    alike = {trial.failure}
    if trial.failure[0] == batch.QUESTION:  # what one row of several shows, differences show at that row, with a place
        alike.add((directional.QUESTION, trial.failure[1], None))

    def fails(candidate: Example) -> bool:
        if search.spent() or candidate.dtype not in search.construction.dtypes:
            return False
        try:
            seen[id(candidate)] = again = search.trial(candidate)
        except OwnDtypeError:
            return False
        kept.append(candidate)
        return again.outcome is Outcome.FAILED and again.failure in alike

    kept: list[Example] = []  # so that no id is used twice
    reduction = Reduction(example, search.arrays, fails, SIMPLIFICATIONS)
    best = reduction.run()
    final = seen[id(best)]
    if final.report is None or final.call is None:
        raise AssertionError("a trial that failed has a report")
    question = final.failure[0]
    found = dependence(best, search.arrays, partial(_fails_alike, search, final))
    explored = replace(
        search.summary(),
        simplified=reduction.tried,
        inputs={name: literal(array).to_dict() for name, array in best.arrays.items()},
        lines=to_paste(search.construction, best, final.call, constants, question, search.seed),
        cause=None if found is None else found.slug,
        condition="" if found is None else found.sentence,
    )
    telling = telling_example(search.arrays, example.dtype, search.seed)
    made = partial(search.construction.subject, final.call)
    shown = with_figures(final.report, made, search.construction.demands.options(search.seed))
    search.forward += shown.cost.forward - final.report.cost.forward
    search.vjp += shown.cost.vjp - final.report.cost.vjp
    report, attributions = with_causes(shown, telling, search.trial_elsewhere(telling))
    if not attributions:
        report, attributions = with_causes(report, example, trial)
    return replace(report, exploration=replace(explored, attributions=attributions), reproduction=None)


def _fails_alike(search: _Search, final: Trial, candidate: Example) -> bool | None:
    """Whether an example fails in the same input; None where it fails otherwise, raises or is undecided.

    A larger batch that fails for what it says of a single row is right at its own length.
    """
    trial = search.trial_elsewhere(candidate)
    if trial.outcome is Outcome.PASSED:
        return False
    if trial.outcome is not Outcome.FAILED or trial.failure[1] != final.failure[1]:
        return None
    single = trial.failure[0] == batch.QUESTION and trial.findings_that_fail[0].cause == batch.OF_ONE
    return final.failure[0] == batch.QUESTION if single else True
