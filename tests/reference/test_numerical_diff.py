"""numerical_diff agrees with backward, to the accuracy of its scheme."""

from typing import Any

import numpy as np
import pytest

from reference_impls.autograd import Variable, gradients, numerical_diff


def cube(x: Variable) -> Variable:
    return (x * x * x).sum()


@pytest.mark.parametrize(("scheme", "digits"), [("forward", 1e-6), ("central", 1e-9)])
def test_numerical_diff_agrees_with_backward_to_its_schemes_accuracy(scheme: Any, digits: float) -> None:
    x = Variable(np.array([[1.0, -0.5], [0.25, 2.0]]))
    (exact,) = gradients(cube(x), [x])
    found = numerical_diff(cube, x, scheme=scheme)
    np.testing.assert_allclose(found, exact.data, rtol=digits)
    assert (found.shape, found.dtype) == (x.shape, x.dtype)


@pytest.mark.parametrize(("scheme", "order"), [("forward", 1), ("central", 2)])
def test_truncation_falls_with_the_order_of_the_scheme(scheme: Any, order: int) -> None:
    x = Variable(1.0)
    wide, narrow = (abs(numerical_diff(cube, x, h, scheme=scheme) - 3.0) for h in (2.0**-6, 2.0**-7))
    assert wide / narrow == pytest.approx(2**order, rel=0.02)


def test_central_differences_of_a_parabola_have_no_truncation_at_any_step() -> None:
    x = Variable(1.5)
    assert numerical_diff(lambda x: x * x, x, 0.5) == 3.0
    assert numerical_diff(lambda x: x * x, x, 0.5, scheme="forward") == 3.5


def test_numerical_diff_leaves_x_and_its_gradient_alone() -> None:
    x = Variable(np.array([1.0, 2.0]))
    x.data.flags.writeable = False
    numerical_diff(cube, x)
    assert x.grad is None


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(("scheme", "root"), [("forward", 2), ("central", 3)])
def test_the_step_left_out_is_a_root_of_the_unit_roundoff(scheme: Any, root: int, dtype: Any) -> None:
    seen = []

    def watched(x: Variable) -> Variable:
        seen.append(float(x.data))
        return x

    numerical_diff(watched, Variable(np.zeros((), dtype)), scheme=scheme)
    roundoff = float(np.finfo(dtype).eps) / 2
    assert max(seen) == dtype(roundoff ** (1 / root))
    assert min(seen) == (-max(seen) if scheme == "central" else 0.0)


def test_a_result_of_one_element_is_as_good_as_a_scalar() -> None:
    assert numerical_diff(lambda x: (x * x).reshape(1, 1), Variable(np.array([1.5])), 0.5) == [3.0]
