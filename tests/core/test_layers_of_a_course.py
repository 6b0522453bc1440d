"""Layers as courses and ports write them: what cannot be checked says what to type, what is not checked is told."""

from typing import Any, NamedTuple

import numpy as np
import pytest
import torch
from torch import nn

import gradcheck_kit as gk
from gradcheck_kit.cli import main
from gradcheck_kit.engine import UNPAIRED
from gradcheck_kit.subject import UsageError
from tests.textbook import Chain

Array = np.ndarray[Any, Any]
GENERATOR = np.random.default_rng(0)
X = GENERATOR.normal(size=(4, 3))


class Affine:
    """Its gradient is kept under a name that nobody can guess."""

    def __init__(self) -> None:
        self.W, self.unread, self.mean = np.ones((3, 2)), np.ones(7), 0.0

    def forward(self, x: Array) -> Array:
        self.x = x
        return x @ self.W

    def backward(self, cotangent: Array) -> Any:
        self.slope_of_weights = 3 * self.x.T @ cotangent  # three times too large
        return cotangent @ self.W.T


class Spelled(Affine):
    def backward(self, cotangent: Array) -> Any:
        self.dW = self.x.T @ cotangent
        return cotangent @ self.W.T


class Outer:
    def __init__(self) -> None:
        self.layers = [Affine()]

    def forward(self, x: Array) -> Array:
        return self.layers[0].forward(x)

    def backward(self, cotangent: Array) -> Any:
        return self.layers[0].backward(cotangent)


class Scaled(Affine):
    """A plain number: a setting, which stays what it is."""

    def __init__(self, factor: float = 2.0) -> None:
        self.factor = factor

    def forward(self, x: Array) -> Array:
        return self.factor * x

    def backward(self, cotangent: Array) -> Any:
        return self.factor * cotangent


class Unmovable(Affine):
    """A forward that takes its own numbers alone: they cannot be moved, so nothing is known of them."""

    def forward(self, x: Array) -> Array:
        assert np.all(self.W == 1)
        return super().forward(x)


@pytest.mark.parametrize(
    ("layer", "told"),
    [(Affine(), ["W"]), (Outer(), ["layers[0].W"]), (Spelled(), []), (Unmovable(), [])],
    ids=lambda value: type(value).__name__,
)
def test_an_array_that_the_forward_reads_without_a_gradient_is_told_as_not_checked(layer: Any, told: list[str]) -> None:
    """It would pass for a parameter that was checked. What the forward does not read is no parameter."""
    report = gk.check(layer, X)
    assert [item for item in report.not_asked if UNPAIRED in item] == [f"{name} ({UNPAIRED})" for name in told]
    searched = gk.explore(layer, x=("n", 3), max_examples=2)
    assert [item for item in searched.not_asked if UNPAIRED in item] == [f"{name} ({UNPAIRED})" for name in told]
    assert all(item.array for item in searched.left_out), "of a search, a question is asked in one example or another"
    inner = layer.layers[0] if isinstance(layer, Outer) else layer
    assert np.all(inner.W == 1)


def test_a_plain_number_of_a_layer_does_not_widen_its_gradients() -> None:
    assert gk.check(Scaled(), X.astype(np.float32)).not_asked == gk.check(Scaled(), X).not_asked
    assert UNPAIRED not in " ".join(gk.check(Scaled(), X).not_asked)


class Loss:
    def forward(self, x: Array) -> Any:
        self.x = x
        return np.square(x).mean()

    def backward(self) -> Array:
        return 2 * self.x / self.x.size


class TwoOutputs:
    """`factor` spoils the part of the second output."""

    def __init__(self, factor: float = 1.0) -> None:
        self.factor = factor

    def forward(self, x: Array) -> Any:
        self.x = x
        return x**2, np.sin(x)

    def pulled(self, of_square: Any, of_sine: Any) -> Array:
        return np.asarray(2 * self.x * of_square + self.factor * np.cos(self.x) * of_sine)


class OneForEach(TwoOutputs):
    def backward(self, of_square: Array, of_sine: Array) -> Array:
        return self.pulled(of_square, of_sine)


class ZeroByDefault(TwoOutputs):
    def backward(self, dh: Array, dc: Any = 0) -> Array:
        return self.pulled(dh, dc)


class NoneByDefault(TwoOutputs):
    def backward(self, dh: Array, dc: Any = None) -> Array:
        return self.pulled(dh, 0.0 if dc is None else dc)


class OneTuple(TwoOutputs):
    def backward(self, cotangents: tuple[Array, Array], weight: float = 1.0) -> Array:
        return weight * self.pulled(*cotangents)


class OneTupleAndACache(TwoOutputs):
    def backward(self, cotangents: tuple[Array, Array], cache: Any = None) -> Array:
        return self.pulled(*cotangents)


class OneTupleAndANumber(TwoOutputs):
    def backward(self, cotangents: tuple[Array, Array], noise: float = 0.0) -> Array:
        return self.pulled(*cotangents) + noise


class OneTupleAndASetting(TwoOutputs):
    def backward(self, cotangents: tuple[Array, Array], dtype: Any = None) -> Array:
        return self.pulled(*cotangents).astype(dtype or float)


class Pair(NamedTuple):
    square: Array
    sine: Array


class Named(TwoOutputs):
    def forward(self, x: Array) -> Pair:
        return Pair(*super().forward(x))

    def backward(self, cotangents: Pair) -> Array:
        return self.pulled(cotangents.square, cotangents.sine)


ONE_TUPLE = [OneTuple, OneTupleAndACache, OneTupleAndANumber, OneTupleAndASetting, Named]


@pytest.mark.parametrize("layer", [OneForEach, ZeroByDefault, NoneByDefault, *ONE_TUPLE])
def test_the_cotangents_of_two_outputs_are_given_as_the_backward_takes_them(layer: Any) -> None:
    assert gk.examine(layer(), X).verdict is gk.Verdict.PASS
    assert gk.examine(layer(1.001), X).verdict is gk.Verdict.FAIL


def test_a_function_s_vjp_is_given_the_named_tuple_that_the_function_returns() -> None:
    def wave(x: Array) -> Pair:
        return Pair(x**2, np.sin(x))

    def vjp(u: Pair, x: Array) -> Array:
        return 2 * x * u.square + np.cos(x) * u.sine

    assert gk.check(wave, X, vjp=vjp)
    assert not gk.examine(wave, X, vjp=lambda u, x: vjp(Pair(u.sine, u.square), x))


class ThreeForTwo(TwoOutputs):
    def backward(self, of_square: Array, of_sine: Array, of_a_third: Array) -> Array:
        return self.pulled(of_square, of_sine) + of_a_third


class All(Affine):
    def backward(self, cotangent: Array) -> Any:
        return cotangent @ self.W.T, self.x.T @ cotangent


class Called:
    def __call__(self, x: Array) -> Array:
        self.x = x
        return x**2

    def backward(self, cotangent: Array) -> Array:
        return 2 * self.x * cotangent


def affine_forward(x: Array, w: Array) -> Any:
    return x @ w, (x, w)


def affine_backward(cotangent: Array, cache: Any) -> Any:
    x, w = cache
    return cotangent @ w.T, x.T @ cotangent


class Doubled(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: torch.Tensor, factor: float) -> torch.Tensor:
        ctx.factor = factor
        return x * factor

    @staticmethod
    def backward(ctx: Any, *cotangents: torch.Tensor) -> Any:
        return 2 * cotangents[0] * ctx.factor, None


TENSOR = torch.tensor(X)
W = np.ones((3, 2))


@pytest.mark.parametrize(
    ("call", "told"),
    [
        pytest.param(lambda: gk.check(Loss(), X), "Loss.backward is called as backward(cotangent)", id="loss"),
        pytest.param(lambda: gk.check(ThreeForTwo(), X), "the forward returned 2 outputs", id="two outputs"),
        pytest.param(lambda: gk.check(All(), X), "stands beside it, as self.dW or in self.grads", id="all returned"),
        pytest.param(lambda: gk.check(Called(), X), "write `forward = __call__`", id="called"),
        pytest.param(
            lambda: gk.check(affine_forward, X, W, vjp=affine_backward), "lambda u, *x: backward(u", id="cache"
        ),
        pytest.param(lambda: gk.check(nn.Linear, TENSOR), "Linear is a class; pass an instance", id="module class"),
        pytest.param(lambda: gk.check(nn.Linear(3, 2), X), "torch.from_numpy(input)", id="array"),
    ],
)
def test_what_cannot_be_checked_so_says_what_to_type(call: Any, told: str) -> None:
    with pytest.raises(UsageError) as caught:
        call()
    assert told in str(caught.value)


@pytest.mark.filterwarnings("ignore:.*should not be instantiated:DeprecationWarning")
def test_an_instance_of_an_autograd_function_is_told_to_be_its_class() -> None:
    with pytest.raises(UsageError, match="pass the class itself, Doubled"):
        gk.check(Doubled(), TENSOR, 2.0)


def test_a_backward_that_takes_the_cache_of_its_forward_is_checked_as_the_error_says() -> None:
    def of(backward: Any) -> gk.Report:
        return gk.examine(lambda *x: affine_forward(*x)[0], X, W, vjp=lambda u, *x: backward(u, affine_forward(*x)[1]))

    assert of(affine_backward)
    assert not of(lambda u, cache: (affine_backward(u, cache)[0], 2 * affine_backward(u, cache)[1]))


def test_the_apply_of_an_autograd_function_is_reported_by_the_names_of_the_function() -> None:
    report = gk.examine(Doubled.apply, TENSOR, 2.0)
    assert (report.subject, [f.input for f in report.findings if not f.verdict]) == ("Doubled", ["x"])
    assert report.to_dict()["findings"] == gk.examine(Doubled, TENSOR, 2.0).to_dict()["findings"]


def test_a_report_shows_as_a_line_in_a_log_and_whole_in_a_notebook() -> None:
    """The one line is what pytest shows of `assert gk.examine(...)`."""
    report = gk.examine(Doubled, TENSOR, 2.0)
    assert repr(report) == "<Report FAIL Doubled: the backward pass is wrong (x)>"
    shown: list[str] = []

    class Printer:
        text = staticmethod(shown.append)

    report._repr_pretty_(Printer(), cycle=False)
    assert shown == [str(report)]


class Halved:
    def forward(self, x: Array) -> Array:
        return 2 * x

    def backward(self, cotangent: Array) -> Array:
        return cotangent


def test_the_lines_that_repeat_a_search_import_their_target_and_fail_alike() -> None:
    """A class goes by its own name, which a fresh interpreter has to know."""
    report = gk.explore(Halved, x=("n", 3), max_examples=3)
    assert report.exploration is not None
    lines = report.exploration.lines
    assert [line for line in lines if line.startswith("from ")] == [f"from {__name__} import Halved"]
    with pytest.raises(gk.GradientCheckError, match="Halved: the backward pass is wrong"):
        exec("\n".join(lines), {})


class Made:
    """Draws its own weights by sizes, as most courses write it; `dtype` says in which dtype, `factor` spoils dW."""

    def __init__(self, n: int, m: int, dtype: str = "float64", factor: float = 1.0) -> None:
        self.W = np.random.randn(n, m).astype(dtype)  # noqa: NPY002 - as courses write it
        self._factor = self.W.dtype.type(factor)

    def forward(self, x: Array) -> Array:
        self.x = x
        return x @ self.W

    def backward(self, cotangent: Array) -> Array:
        self.dW = self.x.T @ cotangent * self._factor
        return cotangent @ self.W.T


class Stacked(Chain):
    def __init__(self) -> None:
        super().__init__(Made(3, 4), Made(4, 2))


class Mixed:
    """Adds zeros of its own, in float64, to a gradient that should follow its weights' dtype."""

    def __init__(self, W: Array) -> None:
        self.W, self.zeros = W, np.zeros(3)

    def forward(self, x: Array) -> Array:
        self.x = x
        return x @ self.W

    def backward(self, cotangent: Array) -> Array:
        self.dW = self.x.T @ cotangent
        return cotangent @ self.W.T + self.zeros


@pytest.mark.parametrize(
    ("target", "axes", "dtype"),
    [
        pytest.param(Made, {"n": 3, "m": 2}, "float64", id="class"),
        pytest.param(Made, {"n": 3, "m": 2, "dtype": "float32"}, "float32", id="class in float32"),
        pytest.param(lambda: Made(3, 2), {}, "float64", id="factory"),
        pytest.param(Stacked, {}, "float64", id="class of layers"),
        pytest.param(Stacked(), {}, "float64", id="layers inside"),
    ],
)
def test_a_layer_with_weights_of_its_own_is_searched_in_their_dtype_alone(target: Any, axes: Any, dtype: str) -> None:
    """Its gradients are in that dtype, whatever it is given: that is no fault of its backward."""
    report = gk.explore(target, x=("n", 3), max_examples=12, **axes)
    assert (report.verdict, report.dtype) == (gk.Verdict.PASS, dtype)


def test_a_search_in_its_own_dtype_still_finds_the_bug_and_a_wrong_dtype_where_arrays_were_given() -> None:
    spoilt = gk.explore(Made, x=("n", 3), n=3, m=2, dtype="float32", factor=2.0, max_examples=12)
    assert [f.cause for f in spoilt.findings if not f.verdict] == ["constant-factor"]
    mixed = gk.explore(Mixed, x=("n", 3), W=(3, "m"), max_examples=30)
    assert [f.cause for f in mixed.findings if f.verdict is gk.Verdict.FAIL] == ["wrong-dtype"]


def test_a_class_that_lacks_an_argument_is_told_before_anything_is_drawn() -> None:
    with pytest.raises(UsageError, match=r"Made is made with m as well; .* a function without arguments"):
        gk.explore(Made, x=("n", 3), n=3)


def test_recorded_inputs_are_checked_in_the_dtype_in_which_they_were_recorded(
    tmp_path: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    """They were chosen, not drawn: there a gradient in float64 for a float32 input is told."""
    (tmp_path / "made.py").write_text(
        "import numpy as np\n\n\nclass Made:\n    def __init__(self, n):\n        self.W = np.ones((n, 2))\n\n"
        "    def forward(self, x):\n        self.x = x\n        return x @ self.W\n\n"
        "    def backward(self, u):\n        self.dW = self.x.T @ u\n        return u @ self.W.T\n"
    )
    np.savez(tmp_path / "at.npz", x=X.astype(np.float32))
    code = main(["check", f"{tmp_path / 'made.py'}:Made", "--input", str(tmp_path / "at.npz"), "--constant", "n=3"])
    assert (code, "return it as float32" in capsys.readouterr().out) == (1, True)


def value_and_gradient(x: Array) -> tuple[float, Array]:
    """As scipy.optimize takes them with jac=True."""
    return float(np.square(x).sum()), 2 * x


def test_a_function_that_returns_its_gradient_is_told_how_it_is_passed() -> None:
    with pytest.raises(UsageError) as caught:
        gk.check(value_and_gradient, X)
    call = str(caught.value).partition("is passed as ")[2]
    report = eval(call, {"gk": gk, "f": value_and_gradient, "inputs": [X]})
    assert report.verdict is gk.Verdict.PASS


def test_a_forward_with_a_state_is_told_apart_from_a_random_one() -> None:
    class Recurrent:
        def __init__(self) -> None:
            self.h = np.zeros((4, 3))

        def forward(self, x: Array) -> Array:
            self.h = np.tanh(x + self.h)
            return self.h

        def backward(self, cotangent: Array) -> Array:
            return cotangent * (1 - self.h**2)

    assert "keep a state that the next one reads" in str(gk.examine(Recurrent(), X)).replace("\n    ", " ")
