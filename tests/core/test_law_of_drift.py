"""How far two right training runs may drift apart, and how their distance is measured."""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from gradcheck_kit.side_by_side.distance import distance
from gradcheck_kit.side_by_side.envelope import drift, loss_drift
from gradcheck_kit.space import FORMATS

Values = npt.NDArray[Any]


@pytest.mark.parametrize("u", [FORMATS[name].unit_roundoff for name in FORMATS])
def test_the_law_scales_with_the_unit_and_grows_as_the_root_of_the_steps(u: float) -> None:
    assert drift(2 * u, 100) == 2 * drift(u, 100)
    grown = [drift(u, step) - drift(u, 0) for step in (1, 4, 16, 10_000)]
    assert [g / grown[0] for g in grown] == pytest.approx([1, 2, 4, 100])
    assert drift(u, 0) > 0


def test_a_loss_may_differ_by_what_its_slope_makes_of_the_law() -> None:
    u = FORMATS["float64"].unit_roundoff
    assert loss_drift(u, 100, 0.5, 0.0) == drift(u, 100)
    assert loss_drift(u, 100, -7.0, 0.0) == pytest.approx(7 * drift(u, 100))
    assert loss_drift(u, 100, 1.0, 40.0) == pytest.approx(41 * drift(u, 100))
    assert loss_drift(u, 100, 1.0, None) > loss_drift(u, 100, 1.0, 40.0)
    assert not loss_drift(u, 100, 1.0, math.nan) >= 0
    assert all(loss_drift(u, 100, loss, 0.0) == drift(u, 100) for loss in (math.inf, -math.inf, math.nan))


def test_the_distance_is_that_of_each_tensor_and_the_norm_of_all() -> None:
    one: Mapping[str, Values] = {"a": np.array([3.0, 0.0]), "b": np.array([[4.0]])}
    apart, whole, _ = distance(one, {"a": np.array([3.0, 2.0]), "b": np.array([[1.0]])})
    assert apart == {"a": 2.0, "b": 3.0}
    assert whole == 5.0
