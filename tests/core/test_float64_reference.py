"""A subject in few digits is judged beside its own forward in float64, where that is the same function."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch
from torch import Tensor, nn

import gradcheck_kit as gk
from gradcheck_kit.verdict import Verdict
from reference_impls.layers import Affine
from reference_impls.networks import MLP
from tests.mutants.relu_network import AffineOfFirstInput
from tests.refusals import expect_refusal

ROOT = Path(__file__).resolve().parents[2]
Values = npt.NDArray[Any]
PASS, FAIL, INCONCLUSIVE = Verdict.PASS, Verdict.FAIL, Verdict.INCONCLUSIVE
X = np.random.default_rng(3).normal(size=(4, 3)).astype(np.float32)
T = torch.tensor(X)


# ---------------------------------------------------------------- what is judged beside float64


class DictLayer:
    """y = tanh(W·x + b), every gradient `factor` times the right one."""

    def __init__(self, factor: float = 1.0) -> None:
        self.factor = np.float32(factor)
        self.params = {"W": X + np.float32(1), "b": -X}
        self.grads: dict[str, Values] = {}

    def forward(self, x: Values) -> Values:
        self.x, self.y = x, np.tanh(self.params["W"] * x + self.params["b"])
        return self.y

    def backward(self, u: Values) -> Values:
        inner = self.factor * u * (1 - self.y**2)
        self.grads = {"W": inner * self.x, "b": inner}
        return inner * self.params["W"]


class Scaled(torch.autograd.Function):
    """x³, the gradient `factor` times the right one."""

    factor = 1.0

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        ctx.save_for_backward(x)
        return x**3

    @staticmethod
    def backward(ctx: Any, u: Tensor) -> Tensor:  # type: ignore[override]
        (x,) = ctx.saved_tensors
        return Scaled.factor * (3 * u * x**2)


class Network(nn.Module):
    """With running statistics, a buffer of its own, and a parameter that is held fixed."""

    def __init__(self) -> None:
        super().__init__()
        with torch.random.fork_rng():
            torch.manual_seed(0)
            self.first, self.norm, self.last = nn.Linear(3, 4, bias=False), nn.BatchNorm1d(4), nn.Linear(4, 2)
        self.last.bias.requires_grad_(False)
        self.register_buffer("scale", torch.tensor([1.0, 1 / 3]))

    def forward(self, x: Tensor) -> Any:
        return Scaled.apply(self.last(torch.tanh(self.norm(self.first(x))))) * self.scale


def sin_vjp(factor: float = 1.0) -> Callable[[Values, Values], Values]:
    return lambda u, x: (u * np.cos(x)) * u.dtype.type(factor)


cos_vjp = sin_vjp()


def scaled_mlp(factor: float = 1.0) -> MLP:
    class Off(MLP):
        def backward(self, cotangent: Any = None) -> Any:
            return super().backward(cotangent) * np.float32(factor)

    return Off([3, 4, 2], np.random.default_rng(0), dtype=np.float32)


@contextmanager
def torch_factor(factor: float) -> Iterator[None]:
    before, Scaled.factor = Scaled.factor, factor
    try:
        yield
    finally:
        Scaled.factor = before


def _torch(target: Callable[[], Any]) -> Callable[..., gk.Report]:
    def examine(factor: float = 1.0, **options: Any) -> gk.Report:
        with torch_factor(factor):
            return gk.examine(target(), T, **options)

    return examine


JUDGED: dict[str, Callable[..., gk.Report]] = {
    "torch function": _torch(lambda: lambda x: Scaled.apply(x.sin())),
    "autograd function": _torch(lambda: Scaled),
    "module": _torch(Network),
    "NumPy function": lambda factor=1.0, **o: gk.examine(np.sin, X, vjp=sin_vjp(factor), names=["x"], **o),
    "NumPy layer": lambda factor=1.0, **o: gk.examine(DictLayer(factor), X, **o),
    "MLP, whose params are its layers' arrays": lambda factor=1.0, **o: gk.examine(scaled_mlp(factor), X, **o),
}


@pytest.mark.parametrize("name", JUDGED)
def test_a_float32_subject_is_judged_beside_float64_far_more_sharply(name: str) -> None:
    wide, native = JUDGED[name](), JUDGED[name](reference="native")
    assert wide.verdict is PASS, wide
    assert (wide.reference, wide.dtype) == ("float64", "float32")
    assert (native.reference, native.dtype) == ("native", "float32")
    assert wide.resolution is not None
    assert wide.resolution < 1e-4
    assert native.verdict is not FAIL
    if native.resolution is not None:
        assert wide.resolution < native.resolution


@pytest.mark.parametrize("name", JUDGED)
@pytest.mark.parametrize("factor", [1 + 1e-4, 1 - 1e-4])
def test_a_factor_of_a_ten_thousandth_fails(name: str, factor: float) -> None:
    assert JUDGED[name](factor).verdict is FAIL


@pytest.mark.parametrize("name", ["NumPy function", "NumPy layer", "torch function", "autograd function"])
@pytest.mark.parametrize("factor", [1 + 1e-5, 1 - 1e-5])
def test_a_hundred_units_in_the_last_place_fail_where_the_backward_itself_is_sharp(name: str, factor: float) -> None:
    assert JUDGED[name](factor).verdict is FAIL


@pytest.mark.parametrize("name", JUDGED)
def test_insisting_on_float64_changes_nothing_where_it_is_the_default(name: str) -> None:
    assert JUDGED[name](reference="float64").findings == JUDGED[name]().findings


def test_the_module_and_its_buffers_stay_float32_and_as_they_were() -> None:
    module = Network()
    before = {name: tensor.clone() for name, tensor in module.state_dict().items()}
    assert gk.check(module, T)
    for name, tensor in module.state_dict().items():
        assert tensor.dtype == before[name].dtype
        assert torch.equal(tensor, before[name])


def test_a_float64_subject_has_no_need_of_a_reference() -> None:
    for options in ({}, {"reference": "native"}):
        report = gk.examine(np.sin, X.astype(np.float64), vjp=sin_vjp(), names=["x"], **options)
        assert report.reference == "native"
        assert report.verdict is PASS


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_the_coarser_formats_are_judged_beside_float64_too(dtype: str) -> None:
    report = gk.examine(lambda x: x.sin() * x, T.to(getattr(torch, dtype)))
    assert (report.verdict, report.reference, report.dtype) == (PASS, "float64", dtype)


# ---------------------------------------------------------------- what cannot be evaluated in float64


def refuses(x: Values) -> Values:
    if x.dtype != np.float32:
        raise TypeError("float32 only\nand a second line")
    return np.sin(x)


def overflows(x: Values) -> Values:
    """The square root of the square, or in float16, where the square overflows, a constant with slope 1 beside it."""
    with np.errstate(over="ignore"):
        square = x * x
    return np.where(np.isinf(square), x, -3 * x).astype(x.dtype)


@dataclass(frozen=True)
class Unfit:
    """A right backward of a forward that is no longer the same in float64, and why."""

    forward: Callable[[Values], Values]
    told: str
    vjp: Callable[[Values, Values], Values] = cos_vjp
    x: Values = field(default_factory=lambda: X)


LARGE = np.linspace(300, 500, 5).astype(np.float16)
UNFIT = {
    "refuses": Unfit(refuses, "does not take float64 (TypeError: float32 only)"),
    "returns float32": Unfit(lambda x: np.sin(x).astype(np.float32), "returns float32"),
    "casts at the start": Unfit(lambda x: np.sin(x.astype(np.float32)), "returns float32"),
    "another function": Unfit(overflows, "another function", lambda u, x: +u, LARGE),
    "another shape": Unfit(
        lambda x: x if x.dtype == np.float32 else np.append(x, x, 0), "another shape", lambda u, x: +u
    ),
    "casts at the start and back": Unfit(
        lambda x: np.sin(x.astype(np.float32)).astype(x.dtype), "casts to fewer digits inside"
    ),
    "casts in the middle": Unfit(
        lambda x: np.sin((x * 1.25).astype(np.float32).astype(x.dtype) * x.dtype.type(0.8)),
        "casts to fewer digits inside",
    ),
    "casts at the end": Unfit(lambda x: np.sin(x).astype(np.float32).astype(x.dtype), "casts to fewer digits inside"),
    "casts before a mean": Unfit(
        lambda x: np.mean((x * 1.25).astype(np.float32).astype(x.dtype), axis=1) * x.dtype.type(0.8),
        "casts to fewer digits inside",
        lambda u, x: np.repeat(u[:, None], x.shape[1], 1) / x.dtype.type(x.shape[1]),
        np.random.default_rng(5).normal(size=(3, 400)).astype(np.float32),
    ),
    "half the outputs cast and more": Unfit(
        lambda x: np.append(np.sin(x.astype(np.float32)).astype(x.dtype), np.sin(x)[:1]),
        "casts to fewer digits inside",
        lambda u, x: (u[:-3].reshape(x.shape) + np.append(u[-3:], 0 * u[:9]).reshape(x.shape)) * np.cos(x),
    ),
}


@pytest.mark.parametrize("name", UNFIT)
@pytest.mark.parametrize("seed", range(4))
def test_a_right_gradient_of_a_forward_unfit_for_float64_passes_natively(name: str, seed: int) -> None:
    case = UNFIT[name]
    report = gk.examine(case.forward, case.x, vjp=case.vjp, names=["x"], seed=seed)
    assert report.verdict is PASS, report
    assert report.reference == "native"


@pytest.mark.parametrize("name", UNFIT)
def test_a_wrong_gradient_of_a_forward_unfit_for_float64_never_passes(name: str) -> None:
    case = UNFIT[name]
    report = gk.examine(case.forward, case.x, vjp=lambda u, x: -case.vjp(u, x), names=["x"])
    assert report.verdict is FAIL, report


@pytest.mark.parametrize("name", UNFIT)
def test_insisting_on_float64_where_it_is_unfit_is_a_usage_error_that_says_why(name: str) -> None:
    case = UNFIT[name]
    with pytest.raises(gk.UsageError, match="reference='float64' cannot be used") as caught:
        gk.examine(case.forward, case.x, vjp=case.vjp, names=["x"], reference="float64")
    assert case.told in str(caught.value)
    assert "\n" not in str(caught.value)


def one_hot(x: Values) -> Values:
    return np.eye(x.shape[1], dtype=x.dtype)[x.argmax(1)]


# Functions that change as little as a cast one does, or as much, and are float64 functions all the same.
INNOCENT: dict[str, tuple[Callable[[Values], Values], Callable[[Values, Values], Values], Values]] = {
    "floor": (np.floor, lambda u, x: 0 * u, X),
    "floor of integers, which jumps at once": (np.floor, lambda u, x: 0 * u, np.arange(6, dtype=np.float32)),
    "rounded large numbers": (np.rint, lambda u, x: 0 * u, 1e4 * X),
    "one-hot": (one_hot, lambda u, x: 0 * u, X),
    "one-hot beside a sine": (
        lambda x: np.append(one_hot(x), np.sin(x[:1])),
        lambda u, x: np.append(u[-3:] * np.cos(x[0]), 0 * u[:9]).reshape(x.shape),
        X,
    ),
    "a constant": (np.ones_like, lambda u, x: 0 * u, X),
    "zero inputs": (np.sin, cos_vjp, 0 * X),
    "saturated": (np.tanh, lambda u, x: u / np.cosh(x) ** 2, 8 + abs(X)),
    "small on a large constant": (lambda x: x.dtype.type(1e8) + x * x, lambda u, x: 2 * u * x, X),
    "dead units": (lambda x: np.maximum(x - 1, 0), lambda u, x: u * (x > 1), X),
    "ties": (
        lambda x: x.max(1),
        lambda u, x: u[:, None] * (np.arange(3) == x.argmax(1)[:, None]),
        np.ones((4, 3), np.float32),
    ),
    "steep": (lambda x: np.sin(1000 * x), lambda u, x: u * 1000 * np.cos(1000 * x), X),
    "scale-free": (
        lambda x: x / np.sqrt((x * x).sum()),
        lambda u, x: (u - x * (u * x).sum() / (x * x).sum()) / np.sqrt((x * x).sum()),
        X,
    ),
}
IN_HALF = ("floor", "one-hot", "one-hot beside a sine", "a constant", "dead units", "ties", "scale-free")


@pytest.mark.parametrize(
    ("name", "dtype"), [(name, "float32") for name in INNOCENT] + [(name, "float16") for name in IN_HALF]
)
@pytest.mark.parametrize("seed", range(3))
def test_a_forward_that_does_not_cast_is_not_said_to(name: str, seed: int, dtype: str) -> None:
    forward, vjp, x = INNOCENT[name]
    report = gk.examine(forward, x.astype(dtype), vjp=vjp, names=["x"], reference="float64", seed=seed)
    assert report.reference == "float64"
    assert report.verdict is not FAIL, report


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_a_layer_that_computes_in_float32_inside_has_no_float64_forward(dtype: str) -> None:
    report = gk.examine(lambda x: torch.tanh(x.float() * 1.3).to(x.dtype), T.to(getattr(torch, dtype)))
    assert (report.verdict, report.reference) == (PASS, "native")


def test_a_plain_subject_pays_one_forward_for_it_and_a_doubtful_one_two() -> None:
    calls: list[Values] = []

    def counted(forward: Callable[[Values], Values]) -> Callable[[Values], Values]:
        return lambda x: (calls.append(x), forward(x))[1]

    def wide(forward: Callable[[Values], Values], x: Values = X) -> int:
        calls.clear()
        gk.examine(counted(forward), x, vjp=cos_vjp, names=["x"], questions=["contract"])
        return sum(x.dtype == np.float64 for x in calls)

    visits = 2  # another point first, then its own
    assert wide(np.exp) == visits + 1
    assert wide(np.floor) == visits + 2
    assert wide(np.exp, X.astype(np.float64)) == 2  # its own two: no reference, nothing to ask


# ---------------------------------------------------------------- another function as the reference


def test_a_function_may_be_the_reference_and_is_named() -> None:
    def exact(x: Values) -> Values:
        assert x.dtype == np.float64
        return np.sin(x)

    report = gk.examine(refuses, X, vjp=sin_vjp(), names=["x"], reference=exact)
    assert (report.verdict, report.reference) == (PASS, "exact")
    assert report.resolution is not None
    assert report.resolution < 1e-4
    assert gk.examine(refuses, X, vjp=sin_vjp(1 + 1e-4), names=["x"], reference=exact).verdict is FAIL


def test_the_reference_of_a_layer_is_given_its_parameters_by_name() -> None:
    seen: set[str] = set()

    def formula(x: Values, *, W: Values, b: Values) -> Values:
        seen.update(str(array.dtype) for array in (x, W, b))
        return np.tanh(W * x + b)

    report = gk.examine(DictLayer(), X, reference=formula)
    assert (report.verdict, report.reference) == (PASS, "formula")
    assert seen == {"float64"}
    assert gk.examine(DictLayer(1 + 1e-4), X, reference=formula).verdict is FAIL


def test_the_reference_of_a_module_is_given_its_parameters_by_name() -> None:
    def formula(x: Tensor, *, weight: Tensor, bias: Tensor) -> Tensor:
        return x @ weight.T + bias

    with torch.random.fork_rng():
        module = nn.Linear(3, 2)
    report = gk.examine(module, T, reference=formula, names=["x"])
    assert (report.verdict, report.reference) == (PASS, "formula"), report


def test_a_reference_that_is_another_function_is_a_usage_error() -> None:
    with pytest.raises(gk.UsageError, match="another function"):
        gk.examine(np.sin, X, vjp=sin_vjp(), names=["x"], reference=np.cos)


@pytest.mark.parametrize("reference", ["nonsense", "", "Float64", 3, 1.5, True])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_reference_that_is_none_is_a_usage_error_that_says_what_to_type(reference: Any, dtype: str) -> None:
    expect_refusal(
        lambda: gk.examine(np.sin, X.astype(dtype), vjp=sin_vjp(), names=["x"], reference=reference),
        gk.UsageError,
        ("reference", "'float64'", "'native'", "function"),
    )


# ---------------------------------------------------------------- a state of its own


def test_a_layer_that_keeps_its_first_input_is_wrong_in_float32_too_and_not_short_of_digits() -> None:
    """Its copy in float64 keeps the first input that it sees: that must not be the point, where it would be right."""
    for seed in range(10):
        generator = np.random.default_rng(seed)
        W, b, x = (generator.normal(size=shape).astype(np.float32) for shape in ((4, 3), (3,), (5, 4)))
        report = gk.examine(AffineOfFirstInput(W, b), x, seed=seed)
        assert report.verdict is FAIL, f"seed {seed}\n{report}"
        assert gk.examine(Affine(W, b), x, seed=seed), f"seed {seed}"


def test_a_forward_that_raises_without_a_word_in_float64_is_differentiated_as_it_is() -> None:
    def single(x: torch.Tensor) -> torch.Tensor:
        if x.dtype is torch.float64:
            raise ValueError
        return x.sin()

    report = gk.examine(single, torch.linspace(0.1, 1.0, 5))
    assert report.verdict is gk.Verdict.PASS
    assert report.reference == "native"
