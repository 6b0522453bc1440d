"""What every reference layer promises: kept dtypes, untouched arguments, fresh gradients."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from reference_impls.layers import (
    Add,
    Affine,
    AvgPool2d,
    BatchNorm1d,
    BatchNorm2d,
    BCELoss,
    BCEWithLogitsLoss,
    Conv2d,
    Dropout,
    Flatten,
    LayerNorm,
    LeakyReLU,
    LogSoftmax,
    MaxPool2d,
    MSELoss,
    Mul,
    ReLU,
    Sigmoid,
    Softmax,
    SoftmaxWithLoss,
    Tanh,
)

FLOAT_TYPES = [np.float16, np.float32, np.float64]


class Call:
    """One layer, float inputs and the cotangent's shape, for the promises that all the layers share."""

    def __init__(self, make: Callable[[Any], Any], shapes: list[tuple[int, ...]], output: tuple[int, ...]):
        self.make = make
        self.shapes = shapes
        self.output = output

    def inputs(self, dtype: Any) -> list[np.ndarray]:
        rng = np.random.default_rng(7)
        return [rng.uniform(0.1, 0.9, shape).astype(dtype) for shape in self.shapes]

    def cotangent(self, dtype: Any) -> np.ndarray:
        return np.asarray(np.random.default_rng(8).uniform(0.5, 2.0, self.output), dtype)


def affine(dtype: Any) -> Affine:
    return Affine(np.arange(10.0).reshape(5, 2).astype(dtype), np.ones(2, dtype))


def convolution(dtype: Any) -> Conv2d:
    W = np.random.default_rng(0).uniform(-1, 1, (4, 1, 3, 2)).astype(dtype)
    return Conv2d(W, np.ones(4, dtype), stride=(1, 2), padding=1, dilation=(2, 1), groups=2)


def norm(cls: Any, *shape: int) -> Callable[[Any], Any]:
    return lambda dtype: cls(np.linspace(0.5, 2, np.prod(shape)).reshape(shape).astype(dtype), np.ones(shape, dtype))


CALLS = {
    "Add": Call(lambda _: Add(), [(3, 2), (3, 2)], (3, 2)),
    "Add, broadcast": Call(lambda _: Add(), [(3, 1), (4, 1, 2)], (4, 3, 2)),
    "Add, 0-d": Call(lambda _: Add(), [(), ()], ()),
    "Mul": Call(lambda _: Mul(), [(3, 2), (3, 2)], (3, 2)),
    "Mul, broadcast": Call(lambda _: Mul(), [(2,), (3, 1)], (3, 2)),
    "Mul, 0-d": Call(lambda _: Mul(), [(), ()], ()),
    "ReLU": Call(lambda _: ReLU(), [(3, 2)], (3, 2)),
    "ReLU, 0-d": Call(lambda _: ReLU(), [()], ()),
    "LeakyReLU": Call(lambda _: LeakyReLU(), [(3, 2)], (3, 2)),
    "LeakyReLU, 0-d": Call(lambda _: LeakyReLU(), [()], ()),
    "Tanh": Call(lambda _: Tanh(), [(3, 2)], (3, 2)),
    "Tanh, 0-d": Call(lambda _: Tanh(), [()], ()),
    "Dropout, evaluation": Call(lambda _: Dropout(0.5, np.random.default_rng(0)).eval(), [(3, 2)], (3, 2)),
    "Dropout, 0-d": Call(lambda _: Dropout(0.5, np.random.default_rng(0)).eval(), [()], ()),
    "Softmax": Call(lambda _: Softmax(), [(3, 4)], (3, 4)),
    "Softmax, first axis": Call(lambda _: Softmax(0), [(3, 4)], (3, 4)),
    "LogSoftmax": Call(lambda _: LogSoftmax(1), [(3, 4, 2)], (3, 4, 2)),
    "Flatten": Call(lambda _: Flatten(), [(3, 2, 4)], (3, 8)),
    "Flatten, no rows": Call(lambda _: Flatten(), [(0, 2, 4)], (0, 8)),
    "Flatten, rows of one": Call(lambda _: Flatten(), [(3,)], (3, 1)),
    "Conv2d": Call(convolution, [(3, 2, 5, 4)], (3, 4, 3, 3)),
    "Conv2d, no images": Call(convolution, [(0, 2, 5, 4)], (0, 4, 3, 3)),
    "MaxPool2d": Call(lambda _: MaxPool2d(3, stride=2, padding=1), [(2, 2, 5, 4)], (2, 2, 3, 2)),
    "MaxPool2d, no images": Call(lambda _: MaxPool2d(2), [(0, 2, 5, 4)], (0, 2, 2, 2)),
    "AvgPool2d": Call(lambda _: AvgPool2d(3, stride=2, padding=1), [(2, 2, 5, 4)], (2, 2, 3, 2)),
    "AvgPool2d, image alone": Call(
        lambda _: AvgPool2d((2, 3), stride=1, padding=(1, 0), count_include_pad=False), [(2, 2, 3, 4)], (2, 2, 4, 2)
    ),
    "BatchNorm1d": Call(norm(BatchNorm1d, 3), [(5, 3)], (5, 3)),
    "BatchNorm1d, length": Call(norm(BatchNorm1d, 3), [(2, 3, 4)], (2, 3, 4)),
    "BatchNorm1d, no rows": Call(norm(BatchNorm1d, 3), [(0, 3)], (0, 3)),
    "BatchNorm2d, evaluation": Call(lambda dtype: norm(BatchNorm2d, 3)(dtype).eval(), [(2, 3, 2, 2)], (2, 3, 2, 2)),
    "LayerNorm": Call(norm(LayerNorm, 2, 3), [(4, 2, 3)], (4, 2, 3)),
    "LayerNorm, no batch": Call(norm(LayerNorm, 3), [(3,)], (3,)),
    "Sigmoid": Call(lambda _: Sigmoid(), [(3, 2)], (3, 2)),
    "Sigmoid, 0-d": Call(lambda _: Sigmoid(), [()], ()),
    "Affine": Call(affine, [(3, 5)], (3, 2)),
    "Affine, one row": Call(affine, [(1, 5)], (1, 2)),
    "Affine, no rows": Call(affine, [(0, 5)], (0, 2)),
    "Affine, images": Call(affine, [(3, 5, 1, 1)], (3, 2)),
    "SoftmaxWithLoss": Call(lambda _: SoftmaxWithLoss(), [(3, 4), (3, 4)], ()),
    "SoftmaxWithLoss, sum": Call(lambda _: SoftmaxWithLoss("sum"), [(3, 4), (3, 4)], ()),
    "SoftmaxWithLoss, smoothing": Call(lambda _: SoftmaxWithLoss(label_smoothing=0.1), [(3, 4), (3, 4)], ()),
    "BCEWithLogitsLoss": Call(lambda _: BCEWithLogitsLoss(), [(3, 2), (3, 2)], ()),
    "BCEWithLogitsLoss, 0-d": Call(lambda _: BCEWithLogitsLoss("sum"), [(), ()], ()),
    "MSELoss": Call(lambda _: MSELoss(), [(3, 2), (3, 2)], ()),
    "MSELoss, 0-d": Call(lambda _: MSELoss(), [(), ()], ()),
    "BCELoss": Call(lambda _: BCELoss(), [(3, 2), (3, 2)], ()),
    "BCELoss, sum, 0-d": Call(lambda _: BCELoss("sum"), [(), ()], ()),
}


every_call = pytest.mark.parametrize("call", CALLS.values(), ids=CALLS.keys())


every_dtype = pytest.mark.parametrize("dtype", FLOAT_TYPES)


def gradients(layer: Any, cotangent: Any) -> list[np.ndarray]:
    result = layer.backward(cotangent)
    return [*(result if isinstance(result, tuple) else (result,)), *layer.grads.values()]


@every_call
@every_dtype
def test_output_and_gradients_keep_dtype_and_shape(call: Call, dtype: Any) -> None:
    layer, inputs = call.make(dtype), call.inputs(dtype)
    output = layer.forward(*inputs)
    assert output.dtype == dtype
    assert output.shape == call.output
    result = layer.backward(call.cotangent(dtype))
    pulled_back = result if isinstance(result, tuple) else (result,)
    for gradient, value in zip(pulled_back, inputs, strict=False):
        assert isinstance(gradient, np.ndarray)
        assert (gradient.dtype, gradient.shape) == (value.dtype, value.shape)
    assert layer.grads.keys() == layer.params.keys()
    for name, value in layer.params.items():
        assert (layer.grads[name].dtype, layer.grads[name].shape) == (value.dtype, value.shape)


@every_call
def test_a_cotangent_of_another_dtype_or_a_python_float_leaves_float32_as_it_is(call: Call) -> None:
    layer = call.make(np.float32)
    layer.forward(*call.inputs(np.float32))
    cotangents: list[Any] = [np.ones(call.output, np.float64), np.ones(call.output, np.float16)]
    if call.output == ():
        cotangents += [1.0, 1, np.float64(1)]
    for cotangent in cotangents:
        assert {gradient.dtype for gradient in gradients(layer, cotangent)} == {np.dtype(np.float32)}


@every_call
def test_read_only_inputs_parameters_and_cotangents_are_enough(call: Call) -> None:
    layer, inputs, cotangent = call.make(np.float64), call.inputs(np.float64), call.cotangent(np.float64)
    arguments = [*inputs, cotangent, *layer.params.values()]
    before = [argument.copy() for argument in arguments]
    for argument in arguments:
        argument.flags.writeable = False
    layer.forward(*inputs)
    layer.backward(cotangent)
    for argument, copy in zip(arguments, before, strict=True):
        np.testing.assert_array_equal(argument, copy)


@every_call
def test_gradients_share_no_memory_with_anything(call: Call) -> None:
    layer, inputs, cotangent = call.make(np.float64), call.inputs(np.float64), call.cotangent(np.float64)
    output = layer.forward(*inputs)
    first, second = gradients(layer, cotangent), gradients(layer, cotangent)
    arrays = [*inputs, np.asarray(output), cotangent, *layer.params.values(), *first, *second]
    for i, gradient in enumerate(arrays):
        for other in arrays[i + 1 :]:
            if any(gradient is one or other is one for one in first + second):
                assert not np.shares_memory(gradient, other)


@every_call
def test_a_second_backward_overwrites_and_does_not_accumulate(call: Call) -> None:
    layer, cotangent = call.make(np.float64), call.cotangent(np.float64)
    layer.forward(*call.inputs(np.float64))
    for first, second in zip(gradients(layer, cotangent), gradients(layer, cotangent), strict=True):
        np.testing.assert_array_equal(first, second)


@every_call
def test_backward_is_linear_in_its_cotangent(call: Call) -> None:
    layer, cotangent = call.make(np.float64), call.cotangent(np.float64)
    layer.forward(*call.inputs(np.float64))
    # By a power of two, whose products are exact: where a difference cancels, rounding would show.
    for once, fourfold in zip(gradients(layer, cotangent), gradients(layer, -4 * cotangent), strict=True):
        np.testing.assert_allclose(fourfold, -4 * once, rtol=1e-14)


@every_call
def test_strided_and_fortran_inputs_give_the_same_results(call: Call) -> None:
    inputs, cotangent = call.inputs(np.float64), call.cotangent(np.float64)
    expected_layer = call.make(np.float64)
    expected_output = expected_layer.forward(*inputs)
    expected = gradients(expected_layer, cotangent)
    for rearrange in (
        lambda a: np.array(a, order="F"),
        lambda a: np.repeat(a, 2, axis=-1)[..., ::2] if a.ndim else a,
    ):
        layer = call.make(np.float64)
        np.testing.assert_allclose(layer.forward(*map(rearrange, inputs)), expected_output, rtol=1e-14)
        for gradient, wanted in zip(gradients(layer, rearrange(cotangent)), expected, strict=True):
            np.testing.assert_allclose(gradient, wanted, rtol=1e-13)


@pytest.mark.parametrize("layer_class", [Add, Mul])
def test_mixed_dtypes_promote_and_each_gradient_keeps_its_inputs(layer_class: Any) -> None:
    layer = layer_class()
    x, y = np.ones(3, np.float32), np.array(2.0)
    assert layer.forward(x, y).dtype == np.float64
    dx, dy = layer.backward(np.ones(3))
    assert (dx.dtype, dx.shape) == (np.float32, (3,))
    assert (dy.dtype, dy.shape) == (np.float64, ())


def test_a_python_float_takes_the_dtype_beside_it() -> None:
    layer = Mul()
    assert layer.forward(np.ones(3, np.float32), 0.1).dtype == np.float32
    assert [gradient.dtype for gradient in layer.backward(np.ones(3))] == [np.float32, np.float32]
    assert layer.forward(2, 0.1).dtype == np.float64


def test_two_python_numbers_make_a_float64() -> None:
    layer = Add()
    total = layer.forward(1, 2)
    assert (total, total.dtype) == (3.0, np.float64)
    assert [dx.dtype for dx in layer.backward(1.0)] == [np.float64, np.float64]


def test_the_same_array_on_both_sides_gets_two_gradients() -> None:
    x = np.array([2.0, 3.0])
    layer = Mul()
    layer.forward(x, x)
    dx, dy = layer.backward(np.ones(2))
    np.testing.assert_array_equal(dx + dy, 2 * x)


def test_relu_has_gradient_zero_at_zero_and_lets_nan_through() -> None:
    layer = ReLU()
    np.testing.assert_array_equal(layer.forward(np.array([-1.0, -0.0, 0.0, 2.0, np.nan])), [0, 0, 0, 2, np.nan])
    np.testing.assert_array_equal(layer.backward(np.array([np.inf, 5.0, 5.0, 5.0, 5.0])), [0, 0, 0, 5, 5])


def test_relu_lets_its_input_be_overwritten_before_backward() -> None:
    layer, x = ReLU(), np.array([-1.0, 1.0])
    layer.forward(x)
    x[:] = -1.0
    np.testing.assert_array_equal(layer.backward(np.ones(2)), [0, 1])


@every_dtype
def test_sigmoid_does_not_overflow_and_is_accurate_in_both_tails(dtype: Any) -> None:
    layer = Sigmoid()
    np.testing.assert_array_equal(layer.forward(np.array([-1000, 0, 1000], dtype)), np.array([0, 0.5, 1], dtype))
    np.testing.assert_array_equal(layer.backward(np.ones(3, dtype)), np.array([0, 0.25, 0], dtype))
    np.testing.assert_allclose(
        layer.forward(np.array([-8, 8], dtype)), [3.353501304664781e-4, 0.9996646498695336], rtol=1e-3
    )
    if dtype is np.float64:
        np.testing.assert_allclose(layer.forward(np.array([-700.0])), np.exp([-700.0]), rtol=1e-15)


@every_dtype
def test_softmax_with_loss_is_finite_at_extreme_logits(dtype: Any) -> None:
    layer = SoftmaxWithLoss("sum")
    logits = np.array([[1e4, -1e4], [1e4, -1e4]], dtype)
    assert layer.forward(logits, np.array([0, 1])) == dtype(2e4)
    np.testing.assert_array_equal(layer.backward(), [[0, 0], [1, -1]])


@pytest.mark.parametrize("label_dtype", [np.bool_, np.uint8, np.int64, np.float16, np.float64])
def test_one_hot_labels_of_any_dtype_equal_integer_labels(label_dtype: Any) -> None:
    logits = np.random.default_rng(0).normal(size=(3, 4)).astype(np.float32)
    layer, labels = SoftmaxWithLoss(), np.array([3, 0, 1])
    loss, gradient = layer.forward(logits, labels), layer.backward()
    np.testing.assert_allclose(layer.forward(logits, np.eye(4)[labels].astype(label_dtype)), loss, rtol=1e-6)
    np.testing.assert_allclose(layer.backward(), gradient, atol=1e-7)


def test_soft_labels_that_do_not_sum_to_one_have_the_general_gradient() -> None:
    layer = SoftmaxWithLoss("sum")
    layer.forward(np.zeros((1, 2)), np.array([[3.0, 1.0]]))
    np.testing.assert_allclose(layer.backward(), [[0.5 * 4 - 3, 0.5 * 4 - 1]])


@pytest.mark.parametrize("labels", [np.zeros(0, int), np.zeros((0, 4))], ids=["integer", "soft"])
@every_dtype
def test_softmax_with_loss_of_no_rows_is_nan_or_zero(labels: np.ndarray, dtype: Any) -> None:
    for reduction, expected in (("mean", np.nan), ("sum", 0.0)):
        layer = SoftmaxWithLoss(reduction)
        loss = layer.forward(np.zeros((0, 4), dtype), labels)
        np.testing.assert_array_equal(loss, expected)
        assert type(loss) is dtype
        assert layer.backward().shape == (0, 4)


@pytest.mark.parametrize("loss_class", [MSELoss, BCELoss])
def test_elementwise_losses_of_nothing_are_nan_or_zero(loss_class: Any) -> None:
    nothing = np.zeros((0, 2), np.float32)
    for reduction, expected in (("mean", np.nan), ("sum", 0.0)):
        layer = loss_class(reduction)
        np.testing.assert_array_equal(layer.forward(nothing, nothing), expected)
        assert layer.backward().shape == (0, 2)


@pytest.mark.parametrize("loss_class", [MSELoss, BCELoss, BCEWithLogitsLoss])
def test_a_target_is_cast_to_the_dtype_of_the_prediction(loss_class: Any) -> None:
    prediction, target = np.array([0.1, 0.6], np.float32), np.array([0.3, 0.7])
    ours, expected = loss_class(), loss_class()
    assert type(ours.forward(prediction, target)) is np.float32
    expected.forward(prediction, target.astype(np.float32))
    np.testing.assert_array_equal(ours.backward(), expected.backward())
    assert ours.backward().dtype == np.float32


@every_dtype
def test_bce_clamps_as_torch_does_at_zero_and_one(dtype: Any) -> None:
    layer = BCELoss("sum")
    probability, target = np.array([0, 1, 0, 1], dtype), np.array([1, 0, 0, 1])
    assert layer.forward(probability, target) == 200
    divisor = 1e-12 if dtype is not np.float16 else np.finfo(dtype).tiny
    np.testing.assert_allclose(layer.backward(), np.array([-1, 1, 0, 0]) / divisor, rtol=1e-3)


def test_a_mean_over_more_rows_than_float16_can_count_stays_finite() -> None:
    layer = SoftmaxWithLoss()
    rows = 70_000
    assert layer.forward(np.zeros((rows, 2), np.float16), np.zeros(rows, int)) == np.float16(np.log(2))
    assert np.isfinite(layer.backward(1000.0)).all()


def test_float16_gradients_are_summed_in_float32() -> None:
    rows = 10_000
    layer = Affine(np.ones((1, 1), np.float16), np.zeros(1, np.float16))
    layer.forward(np.ones((rows, 1), np.float16))
    layer.backward(np.ones((rows, 1), np.float16))
    assert layer.grads["b"] == rows
    assert layer.grads["W"] == rows


def test_affine_keeps_the_callers_arrays_as_its_parameters() -> None:
    weights, bias = np.ones((5, 2)), np.zeros(2)
    layer = Affine(weights, bias)
    assert layer.params["W"] is weights
    assert layer.params["b"] is bias
    weights *= 2
    np.testing.assert_array_equal(layer.forward(np.ones((1, 5))), [[10, 10]])


def test_affine_gives_an_image_batch_its_own_shape_back() -> None:
    layer = Affine(np.random.default_rng(0).normal(size=(12, 2)), np.zeros(2))
    x = np.random.default_rng(1).normal(size=(3, 3, 2, 2))
    assert layer.forward(x).shape == (3, 2)
    dx = layer.backward(np.ones((3, 2)))
    np.testing.assert_allclose(dx, np.broadcast_to(layer.params["W"].sum(axis=1).reshape(3, 2, 2), x.shape))
