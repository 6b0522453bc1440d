"""Layers on images: convolution and pooling, with every setting drawn."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from hypothesis import strategies as st
from torch.nn import functional

from reference_impls.layers import AvgPool2d, Conv2d, MaxPool2d
from tests.cases.case import ZEROS, Case, LayerAndInputs, Shape, Twin, Values

Pair = tuple[int, int]
BATCHES = st.sampled_from([0, 1, 2, 3])


def _pairs(low: int, high: int) -> st.SearchStrategy[Pair]:
    return st.tuples(st.integers(low, high), st.integers(low, high))


def _image_size(kernel: Pair, dilation: Pair, padding: Pair, room: Pair) -> Pair:
    """The least image that a window fits into, and some room."""
    rows, columns = (
        max(1, d * (k - 1) + 1 - 2 * p) + more for k, d, p, more in zip(kernel, dilation, padding, room, strict=True)
    )
    return rows, columns


@dataclass(frozen=True)
class Convolution:
    """Settings of a Conv2d; channels and filters are those of one group."""

    batch: int
    groups: int
    channels: int
    filters: int
    kernel: Pair
    stride: Pair
    padding: Pair
    dilation: Pair
    room: Pair
    bias: bool

    @property
    def x(self) -> Shape:
        size = _image_size(self.kernel, self.dilation, self.padding, self.room)
        return self.batch, self.groups * self.channels, *size

    def build(self, values: Values) -> LayerAndInputs:
        filters = self.groups * self.filters
        W = values.real(filters, self.channels, *self.kernel)
        layer = Conv2d(
            W,
            values.real(filters) if self.bias else None,
            stride=self.stride,
            padding=self.padding,
            dilation=self.dilation,
            groups=self.groups,
        )
        return layer, (values.real(*self.x),)

    def twin(self) -> Twin:
        return lambda p: functional.conv2d(
            p["x"], p["W"], p.get("b"), self.stride, self.padding, self.dilation, self.groups
        )


@dataclass(frozen=True)
class Pooling:
    """Settings of a pool; without a stride it is the kernel."""

    batch: int
    channels: int
    kernel: Pair
    stride: Pair | None
    share_of_padding: Pair
    room: Pair
    count_include_pad: bool = True

    @property
    def padding(self) -> Pair:
        rows, columns = (share * k // 4 for share, k in zip(self.share_of_padding, self.kernel, strict=True))
        return rows, columns

    @property
    def x(self) -> Shape:
        return self.batch, self.channels, *_image_size(self.kernel, (1, 1), self.padding, self.room)

    def maximum(self, values: Values) -> LayerAndInputs:
        layer = MaxPool2d(self.kernel, stride=self.stride, padding=self.padding)
        return layer, (values.apart(*self.x),)

    def mean(self, values: Values) -> LayerAndInputs:
        counted = self.count_include_pad
        layer = AvgPool2d(self.kernel, stride=self.stride, padding=self.padding, count_include_pad=counted)
        return layer, (values.real(*self.x),)

    def maximum_twin(self) -> Twin:
        return lambda p: functional.max_pool2d(p["x"], self.kernel, self.stride, self.padding)

    def mean_twin(self) -> Twin:
        counted = self.count_include_pad
        return lambda p: functional.avg_pool2d(
            p["x"], self.kernel, self.stride, self.padding, count_include_pad=counted
        )


_CONVOLUTIONS = st.builds(
    Convolution,
    batch=BATCHES,
    groups=st.integers(1, 3),
    channels=st.integers(1, 3),
    filters=st.integers(1, 2),
    kernel=_pairs(1, 4),
    stride=_pairs(1, 5),
    padding=_pairs(0, 2),
    dilation=_pairs(1, 3),
    room=_pairs(0, 4),
    bias=st.booleans(),
)


def _pools(counts: st.SearchStrategy[bool]) -> st.SearchStrategy[Pooling]:
    return st.builds(
        Pooling,
        batch=BATCHES,
        channels=st.integers(1, 3),
        kernel=_pairs(1, 4),
        stride=st.none() | _pairs(1, 5),
        share_of_padding=_pairs(0, 2),
        room=_pairs(0, 4),
        count_include_pad=counts,
    )


def _built(build: Callable[[Any, Values], LayerAndInputs]) -> Callable[[Values, Any], LayerAndInputs]:
    return lambda values, settings: build(settings, values)


IMAGES = (
    Case("Conv2d", Conv2d, _CONVOLUTIONS, _built(Convolution.build), twin_with=Convolution.twin, batched=1),
    Case(
        "MaxPool2d",
        MaxPool2d,
        _pools(st.just(True)),
        _built(Pooling.maximum),
        twin_with=Pooling.maximum_twin,
        kinks=frozenset({ZEROS}),
        batched=1,
    ),
    Case("AvgPool2d", AvgPool2d, _pools(st.booleans()), _built(Pooling.mean), twin_with=Pooling.mean_twin, batched=1),
)
