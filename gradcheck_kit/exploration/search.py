"""`explore`: draw examples until one fails, make it small, report."""

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from gradcheck_kit.arguments import integer
from gradcheck_kit.exploration import smallest
from gradcheck_kit.exploration.axes import arrays_and_constants
from gradcheck_kit.exploration.construction import Construction
from gradcheck_kit.exploration.course import Course, EndError
from gradcheck_kit.exploration.demands import Demands
from gradcheck_kit.exploration.structure import Structure, structures
from gradcheck_kit.report import Cost, Report
from gradcheck_kit.subject import UsageError


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
    """As `explore`, with demands on every example.

    Raises:
        UsageError: as `explore`.
    """
    max_examples, seed = integer("max_examples", max_examples, 1), integer("seed", seed, 0)
    if vjp is not None and not callable(vjp):
        raise UsageError(f"vjp is a {type(vjp).__name__}; pass a function vjp(cotangent, *inputs)")
    arrays, constants = arrays_and_constants(axes)
    fixed = frozenset(name for name, array in arrays.items() if array.fixed)
    construction = Construction(target, vjp, tuple(axes), constants, fixed, demands)
    course = Course(construction, arrays, seed)
    started = time.perf_counter()
    with construction.session():
        _draw(course, max_examples)
        report = course.nothing_found() if course.found is None else smallest.told(course, *course.found, constants)
    return replace(report, cost=Cost(course.forward, course.vjp, time.perf_counter() - started))


def _draw(course: Course, max_examples: int) -> None:
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

    @hypothesis.seed(course.seed)
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
    @hypothesis.given(structures(course.arrays, course.construction.dtypes))
    def draw(structure: Structure) -> None:
        excess = course.visit(structure).excess
        if excess > 1.0:  # below, it is rounding noise, which has no slope to climb
            hypothesis.target(math.log10(excess), label="discrepancy over bound")

    try:
        draw()
    except EndError:
        return
