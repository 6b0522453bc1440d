"""What single layers promise beyond the table: ties, modes, running statistics, repeated indices, adjoint windows."""

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn import functional

import gradcheck_kit as gk
from reference_impls.layers import (
    AvgPool2d,
    BatchNorm1d,
    BatchNorm2d,
    BCEWithLogitsLoss,
    Conv2d,
    Dropout,
    Embedding,
    LayerNorm,
    LeakyReLU,
    LogSoftmax,
    MaxPool2d,
    Softmax,
    SoftmaxWithLoss,
    Tanh,
)
from reference_impls.layers.summation import sum_over
from reference_impls.layers.windows import Windows
from reference_impls.networks import MLP

FLOAT_TYPES = [np.float16, np.float32, np.float64]
every_dtype = pytest.mark.parametrize("dtype", FLOAT_TYPES)


def generator(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


# --- windows ---


@given(
    st.tuples(st.integers(1, 3), st.integers(1, 3)),
    st.tuples(st.integers(1, 4), st.integers(1, 4)),
    st.tuples(st.integers(0, 2), st.integers(0, 2)),
    st.tuples(st.integers(1, 3), st.integers(1, 3)),
    st.integers(0, 2**32 - 1),
)
def test_adding_windows_up_is_the_adjoint_of_cutting_them(
    kernel: Any, stride: Any, padding: Any, dilation: Any, seed: int
) -> None:
    windows, rng = Windows.checked("Windows", kernel, stride, padding, dilation), generator(seed)
    x = rng.integers(-4, 5, (2, 3, 8, 7)).astype(float)
    cut = windows.cut(windows.pad(x))
    w = rng.integers(-4, 5, cut.shape).astype(float)
    assert np.sum(cut * w) == np.sum(x * windows.add(w, x.shape))  # of small integers, so exactly


def test_a_cut_is_a_view_and_its_elements_lie_where_the_formula_says() -> None:
    windows = Windows.checked("Windows", (2, 3), (3, 2), 0, (2, 1))
    x = generator().normal(size=(1, 2, 8, 9))
    cut = windows.cut(x)
    assert np.shares_memory(cut, x)
    assert cut.shape == (1, 2, 2, 3, 2, 4)
    for i, j, p, q in np.ndindex(*cut.shape[2:]):
        np.testing.assert_array_equal(cut[:, :, i, j, p, q], x[:, :, 3 * p + 2 * i, 2 * q + j])


# --- convolution and pooling ---


def test_conv2d_keeps_the_callers_arrays_as_its_parameters() -> None:
    W, b = np.ones((1, 1, 2, 2)), np.zeros(1)
    layer = Conv2d(W, b)
    assert layer.params["W"] is W
    assert layer.params["b"] is b
    assert Conv2d(W).params.keys() == {"W"}
    W *= 2
    np.testing.assert_array_equal(layer.forward(np.ones((1, 1, 2, 2))), [[[[8.0]]]])


@every_dtype
def test_of_equal_elements_the_first_gets_the_whole_gradient(dtype: Any) -> None:
    layer = MaxPool2d(2, stride=1)
    layer.forward(np.zeros((1, 1, 2, 3), dtype))
    np.testing.assert_array_equal(layer.backward(np.array([[[[3, 5]]]], dtype)), [[[[3, 5, 0], [0, 0, 0]]]])


def test_padding_never_wins_over_negative_numbers() -> None:
    layer = MaxPool2d(3, stride=1, padding=1)
    np.testing.assert_array_equal(layer.forward(np.full((1, 1, 2, 2), -7.0)), np.full((1, 1, 2, 2), -7.0))
    np.testing.assert_array_equal(layer.backward(np.ones((1, 1, 2, 2))), [[[[4, 0], [0, 0]]]])


@pytest.mark.parametrize("place", range(4))
def test_nan_wins_in_max_pooling_and_takes_the_gradient(place: int) -> None:
    x = np.arange(4.0)
    x[place] = np.nan
    layer = MaxPool2d(2)
    assert np.isnan(layer.forward(x.reshape(1, 1, 2, 2))).all()
    np.testing.assert_array_equal(layer.backward(np.ones((1, 1, 1, 1))).ravel(), np.eye(4)[place])


def test_an_infinite_cotangent_stays_with_the_winner() -> None:
    layer = MaxPool2d(2)
    layer.forward(np.arange(4.0).reshape(1, 1, 2, 2))
    np.testing.assert_array_equal(layer.backward(np.full((1, 1, 1, 1), np.inf)).ravel(), [0, 0, 0, np.inf])


@pytest.mark.parametrize("kernel", [(20, 20), (1, 257), (50, 50)])
def test_a_window_of_more_elements_than_a_byte_counts_knows_its_winner(kernel: tuple[int, int]) -> None:
    layer = MaxPool2d(kernel)
    for place in (-1, -2, -3, -4):
        x = np.zeros((1, 1, *kernel))
        x[0, 0, -1, place] = 1
        layer.forward(x)
        np.testing.assert_array_equal(layer.backward(np.ones((1, 1, 1, 1))), x)


def test_float16_columns_are_added_up_in_float32() -> None:
    """A row by itself NumPy adds up in float32 anyway."""
    np.testing.assert_array_equal(sum_over(np.ones((10_000, 2), np.float16), 0), [10_000, 10_000])


def test_float16_means_are_added_up_in_float32() -> None:
    layer = AvgPool2d(64)
    assert layer.forward(np.full((1, 1, 64, 64), 100, np.float16)) == np.float16(100)
    np.testing.assert_allclose(layer.backward(np.full((1, 1, 1, 1), 4096, np.float16)), 1)


# --- norms ---


@pytest.mark.parametrize("momentum", [0.0, 0.1, 1.0])
@pytest.mark.parametrize(
    ("norm", "twin", "shape"),
    [(BatchNorm1d, torch.nn.BatchNorm1d, (4, 3, 2)), (BatchNorm2d, torch.nn.BatchNorm2d, (4, 3, 2, 2))],
)
def test_running_statistics_follow_torchs_over_several_batches(
    norm: Any, twin: Any, shape: Any, momentum: float
) -> None:
    rng = generator()
    layer = norm(np.ones(3), np.zeros(3), momentum=momentum)
    module = twin(3, momentum=momentum, dtype=torch.float64)
    for _ in range(4):
        x = 2 + 3 * rng.normal(size=shape)
        layer.forward(x)
        module(torch.tensor(x))
    for name, running in layer.buffers.items():
        np.testing.assert_allclose(running, getattr(module, name).numpy(), rtol=1e-14)
    out = layer.eval().forward(x)
    np.testing.assert_allclose(out, module.eval()(torch.tensor(x)).detach().numpy(), rtol=1e-13)


def test_only_a_training_batch_with_rows_moves_the_running_statistics() -> None:
    layer = BatchNorm1d(np.ones(2), np.zeros(2))
    layer.forward(np.zeros((0, 2)))
    layer.eval().forward(np.full((5, 2), 3.0))
    np.testing.assert_array_equal(layer.buffers["running_mean"], [0, 0])
    np.testing.assert_array_equal(layer.buffers["running_var"], [1, 1])
    running = layer.buffers["running_mean"]
    layer.train().forward(np.full((5, 2), 3.0))
    assert layer.buffers["running_mean"] is running
    np.testing.assert_allclose(running, 0.3)


def test_a_batch_without_channels_has_nothing_to_normalise() -> None:
    layer = BatchNorm1d(np.ones(0), np.ones(0))
    assert layer.forward(np.ones((3, 0))).shape == (3, 0)


def test_a_single_number_normalised_by_itself_is_the_shift_and_has_no_gradient() -> None:
    layer = LayerNorm(np.array([2.0]), np.array([0.5]))
    np.testing.assert_array_equal(layer.forward(np.array([[3.0], [-7.0]])), [[0.5], [0.5]])
    np.testing.assert_array_equal(layer.backward(np.ones((2, 1))), [[0.0], [0.0]])


def test_backward_belongs_to_the_mode_of_its_forward() -> None:
    rng = generator()
    x, u = rng.normal(size=(5, 2)), rng.normal(size=(5, 2))
    layer = BatchNorm1d(np.ones(2), np.zeros(2))
    layer.forward(x)
    of_training = layer.backward(u)
    np.testing.assert_array_equal(layer.eval().backward(u), of_training)
    layer.forward(x)
    np.testing.assert_allclose(layer.train().backward(u), u / np.sqrt(layer.buffers["running_var"] + 1e-5))


def test_float16_statistics_are_those_of_float32() -> None:
    x = np.full((4096, 1), 300, np.float16)  # whose sum of squares is far beyond float16
    x[::2] = 100
    layer = BatchNorm1d(np.ones(1, np.float16), np.zeros(1, np.float16))
    np.testing.assert_allclose(np.abs(layer.forward(x)), 1, rtol=1e-3)


# --- dropout ---


def test_dropout_keeps_its_share_scales_it_and_sends_the_gradient_the_same_way() -> None:
    layer = Dropout(0.25, generator())
    out = layer.forward(np.ones(10_000))
    assert set(np.unique(out)) == {0.0, 1 / 0.75}
    assert np.mean(out > 0) == pytest.approx(0.75, abs=0.02)
    np.testing.assert_array_equal(layer.backward(np.ones(10_000)), out)
    assert (layer.forward(np.ones(10_000)) != out).any()


def test_dropout_draws_from_its_generator_alone_and_only_in_training() -> None:
    first, second = Dropout(0.5, generator(3)), Dropout(0.5, generator(3))
    x = np.ones((4, 5))
    np.testing.assert_array_equal(first.eval().forward(x), x)
    np.testing.assert_array_equal(first.train().forward(x), second.forward(x))


@every_dtype
@pytest.mark.parametrize(("p", "expected"), [(0.0, 1), (1.0, 0)])
def test_dropout_of_nothing_or_everything(p: float, expected: int, dtype: Any) -> None:
    layer = Dropout(p, generator())
    np.testing.assert_array_equal(layer.forward(np.ones(50, dtype)), np.full(50, expected, dtype))
    np.testing.assert_array_equal(layer.backward(np.ones(50, dtype)), np.full(50, expected, dtype))


def test_a_check_leaves_the_layers_generator_where_it_was() -> None:
    layer = Dropout(0.5, generator())
    before = layer.rng.bit_generator.state
    assert gk.check(layer, generator(1).normal(size=(4, 5)))
    assert layer.rng.bit_generator.state == before


# --- embedding ---


@every_dtype
def test_repeated_indices_accumulate_beyond_what_float16_counts(dtype: Any) -> None:
    layer = Embedding(np.zeros((3, 2), dtype))
    layer.forward(np.full(4096, 1))
    assert layer.backward(np.ones((4096, 2), dtype)) is None
    np.testing.assert_array_equal(layer.grads["W"], [[0, 0], [4096, 4096], [0, 0]])
    assert layer.grads["W"].dtype == dtype


@pytest.mark.parametrize("padding_idx", [None, 0, 2])
@pytest.mark.parametrize("shape", [(), (0,), (7,), (3, 4)])
def test_embedding_equals_torchs_with_and_without_a_padding_row(shape: Any, padding_idx: int | None) -> None:
    rng = generator()
    W, indices = rng.normal(size=(3, 2)), rng.integers(0, 3, shape)
    layer = Embedding(W, padding_idx)
    weight = torch.tensor(W, requires_grad=True)
    out = functional.embedding(torch.tensor(indices), weight, padding_idx)
    np.testing.assert_array_equal(layer.forward(indices), out.detach().numpy())
    u = rng.normal(size=out.shape)
    layer.backward(u)
    (expected,) = torch.autograd.grad(out, weight, torch.tensor(u))
    np.testing.assert_allclose(layer.grads["W"], expected.numpy(), rtol=1e-14)


def test_a_looked_up_row_shares_no_memory_with_the_table() -> None:
    layer = Embedding(np.ones((3, 2)))
    assert not np.shares_memory(layer.forward(np.array(1)), layer.params["W"])


# --- activations, softmax, losses ---


def test_leaky_relu_has_the_slope_at_zero_as_torch() -> None:
    layer = LeakyReLU(0.5)
    np.testing.assert_array_equal(layer.forward(np.array([-2.0, 0.0, 2.0, np.nan])), [-1, 0, 2, np.nan])
    np.testing.assert_array_equal(layer.backward(np.array([2.0, 2.0, 2.0, 2.0])), [1, 1, 2, 1])


@every_dtype
def test_tanh_and_softmax_do_not_overflow(dtype: Any) -> None:
    np.testing.assert_array_equal(Tanh().forward(np.array([-1e4, 0, 1e4], dtype)), np.array([-1, 0, 1], dtype))
    x = np.array([1e4, -1e4], dtype)
    np.testing.assert_array_equal(Softmax().forward(x), np.array([1, 0], dtype))
    np.testing.assert_array_equal(LogSoftmax().forward(x), np.array([0, -2e4], dtype))


@every_dtype
def test_the_loss_of_logits_is_finite_and_has_a_gradient_where_the_sigmoid_is_saturated(dtype: Any) -> None:
    layer = BCEWithLogitsLoss("sum")
    assert layer.forward(np.array([-1e4, 1e4], dtype), np.array([1, 0])) == dtype(2e4)
    np.testing.assert_array_equal(layer.backward(), np.array([-1, 1], dtype))


def test_smoothing_of_integer_labels_equals_smoothed_labels() -> None:
    logits, labels = generator().normal(size=(5, 4)), np.array([0, 3, 1, 1, 2])
    smooth, plain = SoftmaxWithLoss(label_smoothing=0.3), SoftmaxWithLoss()
    targets = 0.7 * np.eye(4)[labels] + 0.3 / 4
    assert smooth.forward(logits, labels) == pytest.approx(plain.forward(logits, targets), rel=1e-14)
    np.testing.assert_allclose(smooth.backward(), plain.backward(), rtol=1e-13)


# --- modes ---


def test_train_and_eval_return_the_layer_and_a_network_passes_them_on() -> None:
    layer = Tanh()
    assert layer.training
    assert layer.eval() is layer
    assert not layer.training
    assert layer.train() is layer
    assert layer.training
    network = MLP([3, 2, 2], generator())
    assert network.eval() is network
    assert not any(layer.training for layer in network.layers)
    assert network.train() is network
    assert all(layer.training for layer in network.layers)
