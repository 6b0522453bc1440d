"""Strategies for points: what they draw lies in its domain, and shrinks to something small and plain."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, find, given, settings
from hypothesis import strategies as st

import gradcheck_kit as gk
from gradcheck_kit import strategies as gs
from reference_impls.layers import Affine, ReLU

QUICK = settings(
    derandomize=True, database=None, deadline=None, max_examples=300, suppress_health_check=list(HealthCheck)
)


def apart(values: Any) -> bool:
    """No two equal, and none zero."""
    flat = values.reshape(-1)
    return len(set(flat.tolist())) == flat.size and bool(np.all(flat != 0.0))


def definite(values: Any) -> bool:
    return bool(np.array_equal(values, np.swapaxes(values, -1, -2)) and np.all(np.linalg.eigvalsh(values) > 0.99))


def repeats(values: Any) -> bool:
    return values.size < 2 or len(set(values.reshape(-1).tolist())) < values.size


# Each domain with what every draw fulfils, and where an array of two times three (or so) shrinks to.
DOMAINS: dict[str, tuple[Any, Callable[[Any], bool], Any]] = {
    "regular": (gs.regular(2, 3), apart, [[0.25, 0.5, 0.75], [1.0, 1.25, 1.5]]),
    "anywhere": (gs.anywhere(2, 3), lambda v: bool(np.all((v == 0) | (abs(v) >= 2.0**-10))), np.zeros((2, 3))),
    "away from 0": (gs.away_from(2, 3), lambda v: bool(np.all(abs(v) >= 0.25)), np.ones((2, 3))),
    "away from ±1": (
        gs.away_from(3, kinks=(1.0, -1.0), gap=0.5),
        lambda v: bool(np.all(abs(abs(v) - 1.0) >= 0.5)),
        np.zeros(3),
    ),
    "positive": (gs.positive(2, 3), lambda v: bool(np.all(v >= 0.125)), np.ones((2, 3))),
    "unit interval": (gs.unit_interval(3), lambda v: bool(np.all((v > 0) & (v < 1))), np.full(3, 0.5)),
    "simplex": (gs.simplex(2, 4), lambda v: bool(np.allclose(v.sum(axis=1), 1) and v.min() > 0), np.full((2, 4), 0.25)),
    "definite": (gs.symmetric_positive_definite(2, 3), definite, np.stack([np.eye(3)] * 2)),
    "labels": (gs.labels(4, below=3), lambda v: set(v.tolist()) <= {0, 1, 2}, [0, 0, 0, 0]),
    "repeated": (gs.repeated_indices(4, below=50), repeats, [0, 0, 0, 0]),
    "one-hot": (gs.one_hot(2, 3), lambda v: bool(np.all(np.sort(v, axis=1) == [0, 0, 1])), [[1, 0, 0], [1, 0, 0]]),
    "within": (gk.axes(3, within=(2.0, 3.0)), lambda v: bool(np.all((v > 2) & (v < 3))), np.full(3, 2.5)),
    "above": (gk.axes(3, within=(2.0, math.inf)), lambda v: bool(np.all(v > 2)), np.full(3, 3.0)),
    "below": (gk.axes(3, within=(-math.inf, -2.0)), lambda v: bool(np.all(v < -2)), np.full(3, -3.0)),
}


@pytest.mark.parametrize("name", DOMAINS)
def test_every_draw_lies_in_its_domain(name: str) -> None:
    domain, holds, _ = DOMAINS[name]

    @settings(QUICK, max_examples=50)
    @given(gs.array(domain, dtype=gs.dtypes("float64", "float32")))
    def drawn(values: Any) -> None:
        assert values.dtype.kind == "i" or values.dtype.name in ("float64", "float32")
        assert holds(values.astype(np.float64) if name != "simplex" else values)

    drawn()


@pytest.mark.parametrize("name", DOMAINS)
def test_a_domain_shrinks_to_plain_numbers(name: str) -> None:
    domain, _, simplest = DOMAINS[name]
    assert np.array_equal(find(gs.array(domain), lambda _: True, settings=QUICK), simplest)


def test_a_failing_point_shrinks_to_the_fewest_rows_and_the_plainest_number() -> None:
    point = find(gs.points(x=gs.anywhere("n", 2)), lambda point: bool(np.any(point["x"] > 3.0)), settings=QUICK)
    assert point["x"].shape == (1, 2)
    assert sorted(point["x"].reshape(-1).tolist()) in ([0.0, 4.0], [4.0, 4.0])


SEVERAL = gs.points(
    x=("n", 3), W=(3, "m"), b=("m",), y=gs.labels("n", below="m"), slope=st.floats(0.1, 1.0), mode="mean"
)


@settings(deadline=None)
@given(SEVERAL)
def test_arrays_of_one_point_share_the_lengths_of_their_axes(point: dict[str, Any]) -> None:
    (n, _), (_, m) = point["x"].shape, point["W"].shape
    assert list(point) == ["x", "W", "b", "y", "slope", "mode"]
    assert (point["x"].shape, point["W"].shape, point["b"].shape, point["y"].shape) == ((n, 3), (3, m), (m,), (n,))
    assert np.all(point["y"] < m)
    assert 0.1 <= point["slope"] <= 1.0
    assert point["mode"] == "mean"


@settings(deadline=None)
@given(gs.points(x=("n", 3), dtype="float32", layout="Fortran", scale=1e-3, lengths=(2, 4)))
def test_a_point_comes_in_the_dtype_layout_scale_and_lengths_asked_for(point: dict[str, Any]) -> None:
    x = point["x"]
    assert (x.dtype, x.flags.f_contiguous, x.flags.c_contiguous) == (np.float32, True, False)
    assert 2 <= len(x) <= 4
    assert np.all(abs(x) < 0.1)


def test_every_layout_is_met() -> None:
    for layout, strides in {"C": (24, 8), "Fortran": (8, 16), "step 2": (48, 16)}.items():
        assert find(gs.array(gs.positive(2, 3), layout=layout), lambda _: True, settings=QUICK).strides == strides
    for number in (1.0, 1e-6, 1e3):
        assert find(gs.scales(), lambda scale, wanted=number: scale == wanted, settings=QUICK) == number
    assert find(gs.layouts(), lambda layout: layout != "C", settings=QUICK) == "Fortran"


@settings(deadline=None)
@given(gs.points(x=("n", 3), W=(3, "m"), b=("m",)), st.data())
def test_cotangents_fit_an_output_and_are_never_zero(point: dict[str, Any], data: st.DataObject) -> None:
    layer = Affine(point["W"], point["b"])
    output = layer.forward(point["x"])
    cotangent = data.draw(gs.cotangents(output))
    assert (cotangent.shape, cotangent.dtype) == (output.shape, output.dtype)
    assert apart(cotangent)
    assert layer.backward(cotangent).shape == point["x"].shape


def test_cotangents_of_several_outputs_are_of_their_kind() -> None:
    drawn = find(gs.cotangents({"a": np.zeros(2, np.float32), "b": [np.zeros(())]}), lambda _: True, settings=QUICK)
    assert drawn["a"].tolist() == [0.25, 0.5]
    assert drawn["a"].dtype == np.float32
    assert [part.shape for part in drawn["b"]] == [()]
    assert find(gs.cotangents((2, 1)), lambda _: True, settings=QUICK).shape == (2, 1)


@settings(deadline=None, max_examples=10)
@given(gs.points(x=("n", 3), W=(3, "m"), b=("m",)).filter(lambda point: len(point["x"]) > 1))
def test_a_right_layer_passes_at_drawn_points(point: dict[str, Any]) -> None:
    assert gk.check(Affine(point["W"], point["b"]), point["x"])


@settings(deadline=None, max_examples=10)
@given(gs.array("n", "m"))
def test_a_plain_point_meets_no_kink_of_relu(x: Any) -> None:
    assert gk.check(ReLU(), x)


class ForgetsRepeats:
    """A gather whose backward overwrites where it should add."""

    def __init__(self, indices: Any) -> None:
        self.indices = indices

    def forward(self, x: Any) -> Any:
        self.shape = x.shape
        return x[self.indices]

    def backward(self, cotangent: Any) -> Any:
        gradient = np.zeros(self.shape)
        gradient[self.indices] = cotangent
        return gradient


def test_repeated_indices_find_a_scatter_that_overwrites_and_shrink_to_two_zeros() -> None:
    drawn = gs.points(x=("m",), i=gs.repeated_indices("n", below="m"))
    point = find(drawn, lambda point: not gk.examine(ForgetsRepeats(point["i"]), point["x"]), settings=QUICK)
    assert point["i"].tolist() == [0, 0]
    assert point["x"].tolist() == [0.25]


@pytest.mark.parametrize(
    ("build", "said"),
    [
        (gs.points, "nothing to draw"),
        (lambda: gs.points(x=("n",), dtype="int8"), "dtype='int8'; pass one of float64"),
        (lambda: gs.points(x=("n",), layout="K"), "layout='K'; pass one of C, Fortran, step 2"),
        (lambda: gs.points(x=("n",), lengths=3), "lengths=3; pass the shortest"),
        (lambda: gs.points(x=("n",), y=gs.labels("n", below="m")), "below='m' is no axis of any array; the axes are n"),
        (lambda: gs.points(x=(1.5,)), "1.5 is no axis"),
        (gs.simplex, "no axis to sum over"),
        (lambda: gs.away_from(2, gap=9.0), "leave nothing"),
        (lambda: gs.positive(2, low=-1.0), "pass 0 < low < high"),
        (lambda: gs.cotangents(object()), "is no output"),
    ],
)
def test_what_cannot_be_drawn_is_refused_at_once(build: Callable[[], Any], said: str) -> None:
    with pytest.raises(gk.UsageError, match=said):
        build()


def test_tensors_are_leaves_of_the_dtype_and_on_the_device_asked_for(
    device: str, needs_device: Callable[[str, str], None]
) -> None:
    torch = pytest.importorskip("torch")
    needs_device(device, "drawing tensors")
    drawn = gs.tensors(
        gs.points(x=("n", 3), y=gs.labels("n", below=3), mode="sum"),
        device=device,
        dtype="bfloat16",
        requires_grad=True,
    )
    point = find(drawn, lambda point: len(point["x"]) == 2, settings=QUICK)
    assert (point["x"].dtype, point["x"].device.type, point["x"].is_leaf) == (torch.bfloat16, device, True)
    assert point["x"].requires_grad
    assert point["x"].tolist() == [[0.25, 0.5, 0.75], [1.0, 1.25, 1.5]]
    assert (point["y"].dtype, point["mode"]) == (torch.int64, "sum")
    cotangent = find(gs.cotangents(point["x"]), lambda _: True, settings=QUICK)
    assert (cotangent.dtype, cotangent.device.type) == (torch.bfloat16, device)
    with pytest.raises(gk.UsageError, match="is no floating-point dtype of torch"):
        gs.tensors(drawn, dtype="int64")


def test_an_annotation_of_a_tensor_is_drawn_once_it_is_registered() -> None:
    torch = pytest.importorskip("torch")
    gs.register_types()
    tensor = find(st.from_type(torch.Tensor), lambda _: True, settings=QUICK)
    assert tensor.tolist() == [[0.25]]


def test_the_profiles_are_registered_by_a_call() -> None:
    before = settings.get_current_profile_name()
    kept = {name: settings.get_profile(name) for name in ("ci", "nightly")}
    try:
        gs.register_profiles()
        ci, nightly, dev = (settings.get_profile(name) for name in ("ci", "nightly", "dev"))
        assert (ci.derandomize, ci.deadline, nightly.derandomize) == (True, None, False)
        assert dev.max_examples < ci.max_examples < nightly.max_examples
        assert settings.get_current_profile_name() == before
    finally:
        for name, profile in kept.items():
            settings.register_profile(name, profile)
