"""Hypothesis strategies for points at which gradients are checked; needs Hypothesis.

from hypothesis import given
from gradcheck_kit import strategies as gs

@given(gs.points(x=("n", 3), W=(3, "m"), b=("m",)))
def test_affine(gradcheck, point):
    gradcheck(Affine(point["W"], point["b"]), point["x"])

They are ordinary strategies: `.map`, `.filter`, `.flatmap`, `one_of` and `data.draw` work on them.
"""

try:
    import hypothesis as _hypothesis  # noqa: F401
except ImportError as _error:
    raise ImportError("gradcheck_kit.strategies needs Hypothesis; pip install 'gradcheck-kit[explore]'") from _error

from gradcheck_kit.strategies.domains import (
    Domain,
    anywhere,
    away_from,
    labels,
    one_hot,
    positive,
    regular,
    repeated_indices,
    simplex,
    symmetric_positive_definite,
    unit_interval,
)
from gradcheck_kit.strategies.points import array, cotangents, dtypes, layouts, points, scales
from gradcheck_kit.strategies.profiles import register_profiles
from gradcheck_kit.strategies.tensors import register_types, tensors

__all__ = [
    "Domain",
    "anywhere",
    "array",
    "away_from",
    "cotangents",
    "dtypes",
    "labels",
    "layouts",
    "one_hot",
    "points",
    "positive",
    "register_profiles",
    "register_types",
    "regular",
    "repeated_indices",
    "scales",
    "simplex",
    "symmetric_positive_definite",
    "tensors",
    "unit_interval",
]
