"""What the questions are given: the subject's outputs at its point, and the forward that is differentiated."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from gradcheck_kit.adapters.reference import forward_of
from gradcheck_kit.checks.examination import Examination, Reference, another_point, widened
from gradcheck_kit.checks.reference import FLOAT64, in_float64
from gradcheck_kit.provenance import Meter, coarsest
from gradcheck_kit.space import Array, Arrays, copies_of
from gradcheck_kit.subject import BudgetSpentError, Forward, UsageError
from gradcheck_kit.verdict import DEFAULT_REQUIRE, REQUIRE_BESIDE_FLOAT64


def prepared(
    meter: Meter, generator: np.random.Generator, require: float | None, reference: str | Callable[..., Any] | None
) -> Examination:
    """The subject's outputs at its point and what will be differentiated.

    Args:
        meter: of the subject.
        generator: the source of every random number.
        require: the resolution that a PASS must reach; None for the default of the dtype.
        reference: as for `gradcheck_kit.examine`.

    Raises:
        UsageError: `reference` is none, or cannot be evaluated here.
        Exception: whatever the forward raises at the point.
    """
    subject, library = meter.subject, meter.subject.library
    _visit_elsewhere(subject.forward, another_point(subject, generator))
    outputs = dict(subject.forward(copies_of(library, subject.point)))
    dtype = coarsest(subject, outputs)
    wide = _reference(meter, generator, outputs, dtype, reference)
    demand = DEFAULT_REQUIRE[dtype] if wide is None else REQUIRE_BESIDE_FLOAT64[dtype]
    return Examination(subject, outputs, generator, require or demand, wide)


def _reference(
    meter: Meter,
    generator: np.random.Generator,
    outputs: Mapping[str, Array],
    dtype: str,
    wanted: str | Callable[..., Any] | None,
) -> Reference | None:
    """What is differentiated in the subject's place; None for its own forward."""
    subject = meter.subject
    if wanted == "native" or (wanted is None and (dtype == FLOAT64 or subject.reference is None)):
        return None
    if wanted is None or wanted == FLOAT64:
        forward, name = subject.reference, FLOAT64
    else:
        forward, name = forward_of(wanted, subject), getattr(wanted, "__name__", "reference")
    if subject.reference is not None:  # a copy with a state of its own, whose backward may be asked as well
        _visit_elsewhere(meter.counted(subject.reference), widened(subject.library, another_point(subject, generator)))
    found: Reference | str = "it has no float64 forward"
    if forward is not None:
        found = in_float64(subject, outputs, meter.counted(forward), generator, name)
    if isinstance(found, Reference):
        return found
    if wanted is None:
        return None
    raise UsageError(f"reference={name!r} cannot be used for {subject.name}: {found}")


def _visit_elsewhere(forward: Forward, elsewhere: Arrays) -> None:
    """A first forward at another point: a backward that keeps what the first forward saved is then wrong at ours."""
    try:
        forward(elsewhere)
    except BudgetSpentError:
        raise
    except Exception:
        return  # another point may lie outside the domain; the given one is asked next
