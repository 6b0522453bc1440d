"""A bad setting or input of a layer on rows or images says what came, what belongs there, and what to type."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from reference_impls.layers import (
    AvgPool2d,
    BatchNorm1d,
    BatchNorm2d,
    BCEWithLogitsLoss,
    Conv2d,
    Dropout,
    Embedding,
    Flatten,
    LayerNorm,
    LeakyReLU,
    LogSoftmax,
    MaxPool2d,
    Softmax,
    SoftmaxWithLoss,
    Tanh,
)
from tests.refusals import expect_refusal

W = np.ones((4, 2, 3, 3))
IMAGES = np.ones((2, 2, 5, 5))
ONES = np.ones(3)
RNG = np.random.default_rng(0)

BadCall = tuple[Callable[[], Any], type[Exception], list[str]]


def after_forward(layer: Any, x: Any) -> Any:
    layer.forward(x)
    return layer


NO_FORWARD: dict[str, Callable[[], Any]] = {
    "LeakyReLU": LeakyReLU,
    "Tanh": Tanh,
    "Softmax": Softmax,
    "LogSoftmax": LogSoftmax,
    "Dropout": lambda: Dropout(0.5, RNG),
    "Flatten": Flatten,
    "Embedding": lambda: Embedding(np.ones((3, 2))),
    "Conv2d": lambda: Conv2d(W),
    "MaxPool2d": lambda: MaxPool2d(2),
    "AvgPool2d": lambda: AvgPool2d(2),
    "BatchNorm1d": lambda: BatchNorm1d(ONES, ONES),
    "BatchNorm2d": lambda: BatchNorm2d(ONES, ONES),
    "LayerNorm": lambda: LayerNorm(ONES, ONES),
    "BCEWithLogitsLoss": BCEWithLogitsLoss,
}

BAD_CALLS: dict[str, BadCall] = {
    # settings
    "LeakyReLU, slope": (lambda: LeakyReLU(-0.1), ValueError, ["slope is -0.1", "at least 0"]),
    "LeakyReLU, no number": (lambda: LeakyReLU("0.1"), TypeError, ["slope is '0.1'", "pass a float"]),
    "LeakyReLU, boolean": (lambda: LeakyReLU(True), TypeError, ["slope is True, not a number"]),
    "LeakyReLU, infinite": (lambda: LeakyReLU(np.inf), ValueError, ["slope is inf", "finite"]),
    "Softmax, axis": (lambda: Softmax(1.0), TypeError, ["axis is 1.0", "such as -1"]),
    "Softmax, boolean axis": (lambda: LogSoftmax(True), TypeError, ["LogSoftmax: axis is True"]),
    "Dropout, p": (lambda: Dropout(1.5, RNG), ValueError, ["p is 1.5", "from 0 to 1"]),
    "Dropout, nan": (lambda: Dropout(np.nan, RNG), ValueError, ["p is nan"]),
    "Dropout, rng": (lambda: Dropout(0.5, 0), TypeError, ["rng is a int", "np.random.default_rng(0)"]),
    "smoothing": (lambda: SoftmaxWithLoss(label_smoothing=1.5), ValueError, ["label_smoothing is 1.5"]),
    "Embedding, W": (lambda: Embedding(ONES), ValueError, ["W has shape (3,)", "(rows, features)"]),
    "Embedding, padding": (lambda: Embedding(np.ones((3, 2)), 3), ValueError, ["padding_idx is 3", "from 0 to 2"]),
    "Embedding, boolean padding": (lambda: Embedding(np.ones((3, 2)), True), TypeError, ["padding_idx is True"]),
    "Embedding, row -1": (lambda: Embedding(np.ones((3, 2)), -1), ValueError, ["padding_idx is -1", "from 0 to 2"]),
    "Embedding, no integer": (lambda: Embedding(np.ones((3, 2)), 1.0), TypeError, ["padding_idx is 1.0"]),
    "Conv2d, no filter": (lambda: Conv2d(np.ones((0, 2, 3, 3))), ValueError, ["(0, 2, 3, 3)", "at least one filter"]),
    "Conv2d, W": (lambda: Conv2d(np.ones((4, 2))), ValueError, ["W has shape (4, 2)", "kernel columns"]),
    "Conv2d, b": (lambda: Conv2d(W, ONES), ValueError, ["b has shape (3,)", "pass b with shape (4,)"]),
    "Conv2d, dtype of b": (lambda: Conv2d(W, np.ones(4, np.float32)), TypeError, ["b is float32, W is float64"]),
    "Conv2d, stride": (lambda: Conv2d(W, stride=0), ValueError, ["stride is 0", "at least 1"]),
    "Conv2d, padding": (lambda: Conv2d(W, padding=(1, -1)), ValueError, ["padding is (1, -1)", "at least 0"]),
    "Conv2d, no dilation": (lambda: Conv2d(W, dilation=0), ValueError, ["dilation is 0", "at least 1"]),
    "Conv2d, dilation": (lambda: Conv2d(W, dilation=1.5), TypeError, ["dilation is 1.5", "(rows, columns)"]),
    "Conv2d, half a pair": (lambda: Conv2d(W, stride=(1, 2.5)), TypeError, ["stride is (1, 2.5)", "(rows, columns)"]),
    "Conv2d, triple": (lambda: Conv2d(W, stride=(1, 2, 3)), TypeError, ["stride is (1, 2, 3)"]),
    "Conv2d, groups": (lambda: Conv2d(W, groups=3), ValueError, ["groups is 3", "divisor", "4"]),
    "Conv2d, no groups": (lambda: Conv2d(W, groups=0), ValueError, ["groups is 0"]),
    "Conv2d, groups no integer": (lambda: Conv2d(W, groups=2.0), TypeError, ["groups is 2.0", "pass an integer"]),
    "Conv2d, boolean groups": (lambda: Conv2d(W, groups=True), TypeError, ["groups is True"]),
    "MaxPool2d, kernel": (lambda: MaxPool2d(0), ValueError, ["MaxPool2d: kernel is 0"]),
    "MaxPool2d, padding": (lambda: MaxPool2d(3, padding=2), ValueError, ["padding is (2, 2)", "half of the kernel"]),
    "MaxPool2d, padding of rows": (lambda: MaxPool2d(3, padding=(2, 0)), ValueError, ["padding is (2, 0)", "half"]),
    "AvgPool2d, boolean": (lambda: AvgPool2d(True), TypeError, ["AvgPool2d: kernel is True"]),
    "BatchNorm1d, gamma": (lambda: BatchNorm1d(W, W), ValueError, ["gamma has shape (4, 2, 3, 3)", "(channels,)"]),
    "BatchNorm1d, beta": (lambda: BatchNorm1d(ONES, np.ones(2)), ValueError, ["(3,)", "(2,)", "one shape"]),
    "BatchNorm2d, eps": (lambda: BatchNorm2d(ONES, ONES, eps=-1.0), ValueError, ["eps is -1"]),
    "BatchNorm2d, momentum": (lambda: BatchNorm2d(ONES, ONES, momentum=2), ValueError, ["momentum is 2", "to 1"]),
    "BatchNorm2d, no momentum": (lambda: BatchNorm2d(ONES, ONES, momentum=None), TypeError, ["momentum is None"]),
    "LayerNorm, scalar": (lambda: LayerNorm(np.ones(()), np.ones(())), ValueError, ["gamma has shape ()"]),
    # inputs
    "Softmax, no axis": (lambda: Softmax(2).forward(ONES), ValueError, ["x has shape (3,)", "no axis 2"]),
    "Softmax, one axis too far": (lambda: Softmax(1).forward(ONES), ValueError, ["x has shape (3,)", "no axis 1"]),
    "Flatten, scalar": (lambda: Flatten().forward(np.ones(())), ValueError, ["no batch axis", "x.reshape(1, 1)"]),
    "Embedding, range": (
        lambda: Embedding(np.ones((3, 2))).forward(np.array([[0, 1], [3, -1]])),
        ValueError,
        ["index 3 at (1, 0)", "from 0 to 2"],
    ),
    "Embedding, negative": (
        lambda: Embedding(np.ones((3, 2))).forward(np.array(-1)),
        ValueError,
        ["index -1 at ()"],
    ),
    "Embedding, floats": (
        lambda: Embedding(np.ones((3, 2))).forward(ONES),
        TypeError,
        ["indices have dtype float64", "indices.astype(np.int64)"],
    ),
    "Conv2d, one image": (
        lambda: Conv2d(W).forward(IMAGES[0]),
        ValueError,
        ["x has shape (2, 5, 5)", "(batch, channels, rows, columns)", "x[np.newaxis]"],
    ),
    "Conv2d, rows": (
        lambda: Conv2d(W).forward(np.ones((2, 50))),
        ValueError,
        ["x has shape (2, 50)", "(batch, channels, rows, columns); reshape x"],
    ),
    "Conv2d, channels": (
        lambda: Conv2d(W, groups=2).forward(IMAGES),
        ValueError,
        ["x has 2 channels", "in 2 groups takes 4"],
    ),
    "Conv2d, dtype": (
        lambda: Conv2d(W).forward(IMAGES.astype(np.float32)),
        TypeError,
        ["x is float32, W is float64"],
    ),
    "Conv2d, too small": (
        lambda: Conv2d(W, dilation=3).forward(IMAGES),
        ValueError,
        ["images have size (5, 5)", "window spans (7, 7)", "more padding"],
    ),
    "Conv2d, too small by one": (
        lambda: Conv2d(W, dilation=3, padding=1).forward(np.ones((1, 2, 4, 4))),
        ValueError,
        ["images have size (6, 6)", "window spans (7, 7)"],
    ),
    "MaxPool2d, too small": (lambda: MaxPool2d((1, 6)).forward(IMAGES), ValueError, ["window spans (1, 6)"]),
    "AvgPool2d, integers": (lambda: AvgPool2d(2).forward(IMAGES.astype(int)), TypeError, ["x is int64"]),
    "BatchNorm1d, images": (
        lambda: BatchNorm1d(ONES, ONES).forward(IMAGES),
        ValueError,
        ["(2, 2, 5, 5)", "(batch, channels) or (batch, channels, length), with 3 channels"],
    ),
    "BatchNorm1d, dtype": (
        lambda: BatchNorm1d(ONES, ONES).forward(np.ones((2, 3), np.float32)),
        TypeError,
        ["x is float32, gamma is float64"],
    ),
    "LayerNorm, dtype": (
        lambda: LayerNorm(ONES, ONES).forward(np.ones((2, 3), np.float32)),
        TypeError,
        ["x is float32, gamma is float64"],
    ),
    "LayerNorm, dtype of beta": (
        lambda: LayerNorm(ONES, np.ones(3, np.float32)),
        TypeError,
        ["beta is float32, gamma is float64"],
    ),
    "BatchNorm2d, rows": (lambda: BatchNorm2d(ONES, ONES).forward(np.ones((2, 3))), ValueError, ["x has shape (2, 3)"]),
    "BatchNorm2d, channels": (lambda: BatchNorm2d(ONES, ONES).forward(IMAGES), ValueError, ["with 3 channels"]),
    "BatchNorm1d, a single row": (
        lambda: BatchNorm1d(ONES, ONES).forward(np.ones((1, 3))),
        ValueError,
        ["single value a channel", "larger batch", "BatchNorm1d.eval()"],
    ),
    "LayerNorm, axes": (
        lambda: LayerNorm(np.ones(2), np.ones(2)).forward(W),
        ValueError,
        ["x has shape (4, 2, 3, 3)", "whose last axes are (2,)"],
    ),
    "BCEWithLogits, shape": (
        lambda: BCEWithLogitsLoss().forward(np.ones((3, 1)), ONES),
        ValueError,
        ["target has shape (3,), logits has shape (3, 1)"],
    ),
    # cotangents
    "Conv2d, cotangent": (
        lambda: after_forward(Conv2d(W), IMAGES).backward(IMAGES),
        ValueError,
        ["cotangent has shape (2, 2, 5, 5)", "(2, 4, 3, 3)"],
    ),
    "MaxPool2d, cotangent": (
        lambda: after_forward(MaxPool2d(2), IMAGES).backward(IMAGES),
        ValueError,
        ["pass a cotangent of shape (2, 2, 2, 2)"],
    ),
    "Embedding, cotangent": (
        lambda: after_forward(Embedding(np.ones((3, 2))), np.array([0, 1])).backward(np.ones(2)),
        ValueError,
        ["pass a cotangent of shape (2, 2)"],
    ),
}


def test_numbers_of_numpy_are_numbers_and_a_list_is_a_pair() -> None:
    assert LeakyReLU(np.float32(0.25)).slope == 0.25
    assert LeakyReLU(np.int64(2)).slope == 2.0
    assert MaxPool2d([2, 3]).windows.kernel == (2, 3)


def test_integers_of_numpy_are_integers() -> None:
    two = np.int32(2)
    assert Conv2d(W, groups=two, stride=two).groups == 2
    assert MaxPool2d(two).windows.kernel == (2, 2)
    assert Embedding(np.ones((3, 2)), two).padding_idx == 2
    assert Softmax(two).axis == 2


@pytest.mark.parametrize("make", NO_FORWARD.values(), ids=NO_FORWARD.keys())
def test_backward_before_forward_says_what_to_call(make: Callable[[], Any]) -> None:
    layer = make()
    name = type(layer).__name__
    with pytest.raises(RuntimeError, match=rf"{name}: backward was called before forward; call {name}\.forward"):
        layer.backward(np.ones(3))


@pytest.mark.parametrize(("bad_call", "error", "words"), BAD_CALLS.values(), ids=BAD_CALLS.keys())
def test_a_bad_call_says_what_came_what_belongs_and_what_to_type(
    bad_call: Callable[[], Any], error: type[Exception], words: list[str]
) -> None:
    expect_refusal(bad_call, error, words)
