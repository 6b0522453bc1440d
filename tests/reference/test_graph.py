"""The graph: order, accumulation, memory, depth, recording, and what a bad call is told."""

import gc
import subprocess
import sys
import weakref
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from reference_impls.autograd import (
    Add,
    Broadcast,
    Exp,
    Function,
    ReLU,
    SoftmaxCrossEntropy,
    Square,
    SumTo,
    Variable,
    gradients,
    no_grad,
)


def gradient(variable: Variable) -> Any:
    assert variable.grad is not None
    return variable.grad.data


@pytest.fixture
def no_collector() -> Iterator[None]:
    """What is freed in here is freed by reference counts alone."""
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


# --- values ---


def test_the_textbooks_chain_has_the_textbooks_derivative() -> None:
    x = Variable(0.5)
    y = Square()(Exp()(Square()(x)))
    y.backward()
    assert gradient(x) == 3.297442541400256
    assert y.data == pytest.approx(np.exp(0.25) ** 2)


def test_a_variable_used_twice_gets_the_sum_of_both_ways() -> None:
    x = Variable(3.0)
    (x + x).backward()
    assert gradient(x) == 2.0
    (x + x + x).backward()
    assert gradient(x) == 3.0


def test_a_diamond_is_walked_once_per_function() -> None:
    """y = 2 · x⁴; a walk that met the shared square twice would double its gradient."""
    x = Variable(2.0)
    a = Square()(x)
    (Square()(a) + Square()(a)).backward()
    assert gradient(x) == 8 * 2.0**3


def uneven_diamond() -> tuple[Variable, Variable]:
    """y = a + exp(exp(exp(a))) with a = x²: one way is three functions longer."""
    x = Variable(0.25)
    a = Square()(x)
    return x, a + Exp()(Exp()(Exp()(a)))


def uneven_derivative() -> float:
    a = 0.25**2
    e1, e2, e3 = np.exp(a), np.exp(np.exp(a)), np.exp(np.exp(np.exp(a)))
    return float((1 + e1 * e2 * e3) * 2 * 0.25)


def test_a_generation_counts_the_functions_on_the_longest_way_from_a_leaf() -> None:
    x = Variable(2.0)
    assert [y.generation for y in (x, x * x, x * x + x, (x * x + x) * x)] == [0, 1, 2, 3]


def test_ways_of_unequal_length_meet_before_going_on() -> None:
    x, y = uneven_diamond()
    y.backward()
    assert gradient(x) == pytest.approx(uneven_derivative(), rel=1e-14)


def test_without_generations_the_unequal_ways_go_wrong() -> None:
    """The planted bug: functions in the order they were met. It is what the generations are for."""
    x, y = uneven_diamond()
    met = [y]
    while met:
        variable = met.pop()
        if variable.creator is not None:
            variable.creator.generation = 0
            met += variable.creator.inputs
    try:
        y.backward()
    except KeyError:
        return  # a's square had its turn before all cotangents of a were there
    assert gradient(x) != pytest.approx(uneven_derivative(), rel=1e-3)


def test_a_second_backward_replaces_and_does_not_double() -> None:
    x = Variable(3.0)
    y = x * x
    y.backward()
    y.backward()
    assert gradient(x) == 6.0
    (5.0 * x).backward()
    assert gradient(x) == 5.0
    x.clear_grad()
    assert x.grad is None


def test_intermediate_gradients_are_kept_only_when_asked_for() -> None:
    x = Variable(3.0)
    a = x * x
    y = a * a
    y.backward()
    assert (a.grad, y.grad) == (None, None)
    y.backward(retain_grads=True)
    assert (gradient(x), gradient(a), gradient(y)) == (108.0, 18.0, 1.0)


def test_gradients_of_intermediate_variables_and_of_the_output_itself() -> None:
    x = Variable(3.0)
    a = x * x
    y = a * a
    da, dx, dy = gradients(y, [a, x, y])
    assert (da.data, dx.data, dy.data) == (18.0, 108.0, 1.0)
    assert (x.grad, a.grad, y.grad) == (None, None, None)


def test_a_leaf_is_its_own_derivative() -> None:
    x = Variable(3.0)
    x.backward()
    assert gradient(x) == 1.0


def test_gradients_can_be_taken_along_a_cotangent_that_is_a_variable() -> None:
    """Twice reverse is forward: the derivative of the VJP with respect to its cotangent is the JVP."""
    x = Variable(np.array([1.0, 2.0, 3.0]))
    cotangent = Variable(np.ones(3))
    (dx,) = gradients(x * x * x, [x], cotangent, create_graph=True)
    (jvp,) = gradients(dx, [cotangent], np.array([1.0, -1.0, 2.0]))
    np.testing.assert_allclose(jvp.data, 3 * x.data**2 * [1.0, -1.0, 2.0])


def test_newtons_method_finds_a_minimum_with_second_derivatives() -> None:
    x = Variable(2.0)
    for _ in range(10):
        (slope,) = gradients(x**4 - 2.0 * x**2, [x], create_graph=True)
        (curvature,) = gradients(slope, [x])
        x = Variable(x.data - slope.data / curvature.data)
    assert x.data == pytest.approx(1.0, abs=1e-15)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_data_and_gradients_keep_the_dtype_with_python_numbers_beside_them(dtype: Any) -> None:
    x = Variable(np.ones((), dtype))
    y = (2.0 * x + 1) ** 2 / 3 - Exp()(x)
    y.backward()
    assert (y.dtype, gradient(x).dtype) == (dtype, dtype)


class TwiceInFloat64(Function):
    def forward(self, *arrays: Any) -> Any:
        return 2 * arrays[0].astype(np.float64)


def test_a_function_that_computes_in_another_dtype_returns_that_of_its_inputs() -> None:
    assert TwiceInFloat64()(Variable(np.ones(2, np.float32))).dtype == np.float32


def test_numbers_alone_make_a_float64_constant() -> None:
    total = Add()(1, 2.5)
    assert (total.data, total.dtype, total.requires_grad) == (3.5, np.float64, False)


def test_arrays_beside_a_variable_are_constants_on_either_side() -> None:
    x, constant = Variable(np.ones(3)), np.arange(3.0)
    for y in (constant * x, x * constant, constant + x * constant, -(constant - x) * constant):
        y.sum().backward()
        np.testing.assert_array_equal(gradient(x), constant)


def test_relu_blocks_at_the_kink_and_lets_nan_and_infinity_through() -> None:
    x = Variable(np.array([-1.0, 0.0, 2.0, np.nan]))
    y = ReLU()(x)
    y.backward(np.array([np.inf, np.inf, np.inf, 1.0]))
    np.testing.assert_array_equal(y.data, [0.0, 0.0, 2.0, np.nan])
    np.testing.assert_array_equal(gradient(x), [0.0, 0.0, np.inf, 1.0])


def test_a_power_of_zero_has_gradient_zero_even_at_zero() -> None:
    x = Variable(0.0)
    (x**0).backward()
    assert gradient(x) == 0.0


def test_softmax_cross_entropy_of_huge_logits_is_finite() -> None:
    logits = Variable(np.array([[1e4, -1e4], [-1e4, 1e4]]))
    loss = SoftmaxCrossEntropy(np.array([0, 0]))(logits)
    loss.backward()
    assert loss.data == pytest.approx(1e4)
    np.testing.assert_allclose(gradient(logits), [[0, 0], [-0.5, 0.5]])


def test_the_cross_entropy_of_no_rows_is_nan_and_has_an_empty_gradient() -> None:
    logits = Variable(np.ones((0, 3)))
    loss = SoftmaxCrossEntropy(np.zeros(0, np.int64))(logits)
    loss.backward()
    assert np.isnan(loss.data)
    assert gradient(logits).shape == (0, 3)


# --- what belongs to the user ---


def test_gradients_share_no_memory_with_each_other_or_with_what_was_passed() -> None:
    x, y = Variable(np.ones(3)), Variable(np.ones(3))
    cotangent = np.arange(3.0)
    (x + y).backward(cotangent)
    gradient(x)[:] = 7.0
    np.testing.assert_array_equal(gradient(y), [0, 1, 2])
    np.testing.assert_array_equal(cotangent, [0, 1, 2])
    x.backward(cotangent)
    assert not np.shares_memory(gradient(x), cotangent)


def test_results_share_no_memory_with_their_inputs() -> None:
    x = Variable(np.ones((2, 3)))
    for y in (x.reshape(3, 2), x.T, x.sum(()), SumTo((2, 3))(x), Broadcast((2, 3))(x)):
        assert not np.shares_memory(y.data, x.data)


def test_a_variable_holds_the_very_array_so_that_an_optimizer_can_move_it() -> None:
    array = np.ones(3)
    assert Variable(array).data is array


def test_a_backward_that_raises_leaves_every_gradient_as_it_was() -> None:
    class Broken(Square):
        def backward(self, cotangent: Variable) -> tuple[Variable]:
            raise ZeroDivisionError

    x, z = Variable(2.0), Variable(1.0)
    (x * z).backward()
    with pytest.raises(ZeroDivisionError):
        (Broken()(x) + z).backward()
    assert (gradient(x), gradient(z)) == (1.0, 2.0)
    assert (x * x).creator is not None, "recording is on again"


# --- memory and depth ---


def test_a_graph_is_freed_with_its_output(no_collector: None) -> None:
    x = Variable(2.0)
    y = Exp()(Square()(x)) * x
    assert y.creator is not None
    inner = weakref.ref(y.creator.inputs[0])
    y.backward(retain_grads=True)
    assert inner() is not None
    del y
    assert inner() is None


def test_a_graph_of_gradients_is_freed_with_them(no_collector: None) -> None:
    x = Variable(2.0)
    y = Exp()(x) * x
    (slope,) = gradients(y, [x], create_graph=True)
    (curvature,) = gradients(slope, [x], create_graph=True)
    parts = [weakref.ref(part) for part in (y, slope, curvature)]
    del y, slope, curvature
    assert [part() for part in parts] == [None, None, None]


def test_no_pass_leaves_anything_for_the_collector(no_collector: None) -> None:
    x = Variable(np.ones((4, 3)))
    for _ in range(3):
        loss = SoftmaxCrossEntropy(np.array([0, 1, 2, 0]))(ReLU()(x @ x.T) @ x)
        loss.backward()
    del loss
    assert gc.collect() == 0


def test_the_collector_test_can_fail(no_collector: None) -> None:
    """The planted bug: a function that refers back to its output."""
    y = Exp()(Variable(2.0))
    y.creator.back = y  # type: ignore[union-attr]
    del y
    assert gc.collect() > 0


DEEP = """
import gc, sys
from reference_impls.autograd import Variable, gradients
gc.disable()
x = Variable(1.0)

def chain(length):
    y = x
    for _ in range(length):
        y = -y
    return y

y = chain(100_000)
y.backward()
assert x.grad.data == 1.0
del y
(slope,) = gradients(chain(5_000) * x, [x], create_graph=True)
(curvature,) = gradients(slope, [x])
assert (slope.data, curvature.data) == (2.0, 2.0)
del slope, curvature
assert sys.getrecursionlimit() == 1000
print("deep")
"""


def test_a_graph_100_000_functions_deep_is_built_walked_and_freed() -> None:
    """In a process of its own: what overflows the C stack when it is freed ends the process."""
    done = subprocess.run([sys.executable, "-W", "error", "-c", DEEP], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "deep\n"), done.stderr


# --- recording ---


def test_under_no_grad_nothing_is_recorded() -> None:
    x = Variable(2.0)
    with no_grad():
        y = x * x
    assert (y.creator, y.requires_grad) == (None, False)
    assert (x * x).requires_grad
    with pytest.raises(RuntimeError, match="no_grad"):
        y.backward()


def test_no_grad_ends_with_its_block_also_when_that_raises() -> None:
    x = Variable(2.0)
    with no_grad():
        with pytest.raises(ZeroDivisionError), no_grad():
            raise ZeroDivisionError
        assert (x * x).creator is None, "the inner block restores the outer one"
    with pytest.raises(ZeroDivisionError), no_grad():
        raise ZeroDivisionError
    assert (x * x).creator is not None


def test_constants_are_not_recorded_and_get_no_gradient() -> None:
    x, constant = Variable(2.0), Variable(3.0, requires_grad=False)
    assert (constant * constant).creator is None
    (x * constant).backward()
    assert (gradient(x), constant.grad) == (3.0, None)


class Rounded(Function):
    """Piecewise constant in y: there is no derivative to pass on."""

    def forward(self, *arrays: Any) -> Any:
        return arrays[0] + np.rint(arrays[1])

    def backward(self, cotangent: Variable) -> Any:
        return cotangent, None


def test_an_input_without_a_derivative_gets_no_gradient() -> None:
    x, y = Variable(2.0), Variable(0.7)
    (Rounded()(x, y * y) * 3.0).backward()
    assert (gradient(x), y.grad) == (3.0, None)


@pytest.mark.parametrize("cotangent", [None, np.ones(())], ids=["left out", "an array"])
def test_the_gradient_of_a_linear_function_is_a_constant(cotangent: Any) -> None:
    x = Variable(2.0)
    (slope,) = gradients(x * 3.0, [x], cotangent, create_graph=True)
    assert (slope.data, slope.requires_grad) == (3.0, False)


def test_backward_without_create_graph_records_nothing() -> None:
    x = Variable(2.0)
    (slope,) = gradients(x * x, [x])
    assert slope.creator is None
    assert not slope.requires_grad
