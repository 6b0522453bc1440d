"""Planted bugs, each beside the code that it was made from; and right torch functions that must not be flagged.

A mutant is a pair of subjects at the same random point that differ in the planted bug alone.
"""

# ruff: noqa: PLW0108 - a lambda gives its inputs the names that findings are looked up by
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn import functional

import gradcheck_kit as gk
from reference_impls.layers import Add, Affine, Mul, ReLU, Sigmoid, SoftmaxWithLoss
from reference_impls.layers.layer import Layer
from reference_impls.layers.summation import sum_to_shape

Array = npt.NDArray[Any]
Rng = np.random.Generator
Build = Callable[[Rng], gk.Subject]
Vjp = Callable[..., Any]


@dataclass(frozen=True)
class Mutant:
    """One planted bug.

    Attributes:
        name: what was done to the code.
        right, wrong: generator → the subject without and with the bug.
        question: the question that must catch it.
        input: what the finding must name.
        cause: the slug that it must carry, where the evidence points to a cause.
    """

    name: str
    right: Build
    wrong: Build
    question: str
    input: str
    cause: str | None = None


def _function(
    name: str,
    forward: Callable[..., Any],
    right: Vjp,
    wrong: Vjp,
    draw: Callable[[Rng], tuple[Any, ...]],
    input: str = "x",
    cause: str | None = None,
    question: str = "directional",
) -> Mutant:
    """A NumPy function with a right and a wrong VJP."""
    return Mutant(
        name,
        lambda g: gk.function(forward, *draw(g), vjp=right, name=f"right {name}"),
        lambda g: gk.function(forward, *draw(g), vjp=wrong, name=name),
        question,
        input,
        cause,
    )


def _layer(
    name: str,
    right: Callable[[Rng], Any],
    wrong: Callable[[Rng], Any],
    draw: Callable[[Rng], tuple[Any, ...]],
    input: str = "x",
    cause: str | None = None,
    question: str = "directional",
) -> Mutant:
    """A layer and its wrong version. Both get generators in the same state."""
    return Mutant(
        name,
        lambda g: gk.layer(right(g), *draw(g), name=f"right {name}"),
        lambda g: gk.layer(wrong(g), *draw(g), name=name),
        question,
        input,
        cause,
    )


def _torch(
    name: str,
    right: Callable[[], Any],
    wrong: Callable[[], Any],
    draw: Callable[[Rng], tuple[Any, ...]],
    input: str = "x",
    cause: str | None = None,
    question: str = "directional",
) -> Mutant:
    """A torch module, function or callable, and its wrong version; modules are made from the same torch seed."""

    def build(make: Callable[[], Any], title: str) -> Build:
        def at(g: Rng) -> gk.Subject:
            with torch.random.fork_rng():
                torch.manual_seed(int(g.integers(2**31)))
                target = make()
            return gk.module(target, *map(torch.as_tensor, draw(g)), name=title)

        return at

    return Mutant(name, build(right, f"right {name}"), build(wrong, name), question, input, cause)


def one(*shape: int) -> Callable[[Rng], tuple[Any, ...]]:
    return lambda g: (g.normal(size=shape),)


def two(first: tuple[int, ...], second: tuple[int, ...]) -> Callable[[Rng], tuple[Any, ...]]:
    return lambda g: (g.normal(size=first), g.normal(size=second))


def off_zero(*shape: int) -> Callable[[Rng], tuple[Any, ...]]:
    return lambda g: (g.uniform(0.5, 1.5, shape) * g.choice([-1.0, 1.0], shape),)


def both_signs(*shape: int) -> Callable[[Rng], tuple[Any, ...]]:
    """Off zero, and in every draw some are negative."""
    signs = np.resize([1.0, -1.0], shape)
    return lambda g: (g.uniform(0.5, 1.5, shape) * signs,)


# --- six edits of the reference layers ---


class SigmoidWithoutComplement(Sigmoid):
    def backward(self, cotangent: Array) -> Array:
        return np.asarray(cotangent * self._saved_by_forward())


class AffineAveragesBias(Affine):
    def backward(self, cotangent: Array) -> Array:
        dx = super().backward(cotangent)
        self.grads["b"] = cotangent.mean(axis=0)
        return dx


class ReLUMasksByCotangent(ReLU):
    def backward(self, cotangent: Array) -> Array:
        return np.where(cotangent <= 0, 0.0, cotangent)


class MulDoesNotSwap(Mul):
    def backward(self, cotangent: Any) -> tuple[Array, Array]:
        x, y = self._saved_by_forward()
        return sum_to_shape(cotangent * x, x.shape, x.dtype), sum_to_shape(cotangent * y, y.shape, y.dtype)


class SoftmaxIgnoresCotangent(SoftmaxWithLoss):
    def backward(self, cotangent: Any = 1.0) -> Array:
        return super().backward(1.0)


class AddForgetsToSum(Add):
    def backward(self, cotangent: Any) -> tuple[Array, Array]:
        return cotangent.copy(), cotangent.copy()


def _affine(cls: type[Affine]) -> Callable[[Rng], Affine]:
    return lambda g: cls(g.normal(size=(4, 3)), g.normal(size=3))


REFERENCE_EDITS = (
    _layer("Sigmoid loses its (1 - out) factor", lambda _: Sigmoid(), lambda _: SigmoidWithoutComplement(), one(3, 4)),
    _layer(
        "Affine averages db",
        _affine(Affine),
        _affine(AffineAveragesBias),
        one(5, 4),
        input="b",
        cause="constant-factor",
    ),
    _layer("ReLU masks by the cotangent", lambda _: ReLU(), lambda _: ReLUMasksByCotangent(), off_zero(3, 4)),
    _layer("Mul does not swap its inputs", lambda _: Mul(), lambda _: MulDoesNotSwap(), two((3, 4), (3, 4))),
    _layer(
        "SoftmaxWithLoss ignores its cotangent",
        lambda _: SoftmaxWithLoss(),
        lambda _: SoftmaxIgnoresCotangent(),
        lambda g: (g.normal(size=(5, 4)), g.integers(0, 4, 5)),
        input="logits",
    ),
    _layer(
        "Add forgets to sum over a broadcast axis",
        lambda _: Add(),
        lambda _: AddForgetsToSum(),
        two((4, 3), (3,)),
        input="y",
        cause="wrong-shape",
        question="contract",
    ),
)


# --- layers that keep state, or write where they should not ---


class Square(Layer[Array]):
    """A right layer of one input, to be broken in one place."""

    def forward(self, x: Array) -> Array:
        self._save(x)
        return np.asarray(x**2)

    def backward(self, cotangent: Array) -> Array:
        return np.asarray(2 * self._saved_by_forward() * cotangent)


class SquareOfFirstInput(Square):
    def forward(self, x: Array) -> Array:
        first = self._saved
        output = super().forward(x)
        if first is not None:
            self._save(first)
        return output


class SquareInPlace(Square):
    def forward(self, x: Array) -> Array:
        self._save(x.copy())
        x *= x
        return x.copy()


class SquareOverwritesCotangent(Square):
    def backward(self, cotangent: Array) -> Array:
        cotangent *= 2 * self._saved_by_forward()
        return cotangent.copy()


class SquareNoisyBackward(Square):
    def __init__(self) -> None:
        super().__init__()
        self._rng = np.random.default_rng(0)

    def backward(self, cotangent: Array) -> Array:
        return super().backward(cotangent) * (1 + 1e-9 * self._rng.normal(size=cotangent.shape))


class SquareBackwardOverwritesInput(Square):
    def backward(self, cotangent: Array) -> Array:
        gradient = super().backward(cotangent)
        self._saved_by_forward().fill(0.0)
        return gradient


class ReLUInPlace(ReLU):
    """Overwrites by an idempotent operation, so that a second call changes nothing more."""

    def forward(self, x: Array) -> Array:
        np.maximum(x, 0.0, out=x)
        return super().forward(x)


class AffineAccumulates(Affine):
    def backward(self, cotangent: Array) -> Array:
        before = self.grads
        dx = super().backward(cotangent)
        for name, gradient in before.items():
            self.grads[name] += gradient
        return dx


class AffineWithFirstWeights(Affine):
    def __init__(self, W: Array, b: Array) -> None:
        super().__init__(W, b)
        self._W = W + 0.1

    def backward(self, cotangent: Array) -> Array:
        super().backward(cotangent)
        return np.asarray(cotangent @ self._W.T)


class AffineForgetsBias(Affine):
    def backward(self, cotangent: Array) -> Array:
        dx = super().backward(cotangent)
        self.grads["b"] = np.zeros_like(self.params["b"])
        return dx


def _square(cls: type[Square]) -> Callable[[Rng], Square]:
    return lambda _: cls()


STATEFUL = (
    _layer("backward uses the first forward's input", _square(Square), _square(SquareOfFirstInput), one(7)),
    _layer(
        "forward overwrites its input",
        _square(Square),
        _square(SquareInPlace),
        one(7),
        cause="mutated-input",
        question="purity",
    ),
    _layer(
        "forward applies ReLU in place",
        lambda _: ReLU(),
        lambda _: ReLUInPlace(),
        both_signs(7),
        cause="mutated-input",
        question="purity",
    ),
    _layer(
        "backward overwrites the cotangent",
        _square(Square),
        _square(SquareOverwritesCotangent),
        one(7),
        input="the cotangent of output",
        cause="mutated-cotangent",
        question="purity",
    ),
    _layer(
        "backward overwrites its input",
        _square(Square),
        _square(SquareBackwardOverwritesInput),
        one(7),
        cause="mutated-input",
        question="purity",
    ),
    _layer(
        "backward is random",
        _square(Square),
        _square(SquareNoisyBackward),
        one(7),
        cause="nondeterministic-backward",
        question="determinism",
    ),
    _layer(
        "gradients accumulate over calls",
        _affine(Affine),
        _affine(AffineAccumulates),
        one(5, 4),
        input="W",
        cause="nondeterministic-backward",
        question="determinism",
    ),
    _layer(
        "backward uses a copy of the weights that is out of date",
        _affine(Affine),
        _affine(AffineWithFirstWeights),
        one(5, 4),
    ),
    _layer(
        "a bias without a gradient",
        _affine(Affine),
        _affine(AffineForgetsBias),
        one(5, 4),
        input="b",
        cause="zero-gradient",
    ),
)


# --- functions with a wrong VJP ---


def _sin(x: Array) -> Array:
    return np.sin(x)


def _cos_times(u: Array, x: Array) -> Array:
    return np.asarray(u * np.cos(x))


def _one_wrong_element(u: Array, x: Array) -> Array:
    gradient = _cos_times(u, x)
    gradient[6] *= 1 + 1e-8
    return gradient


def _last_forgotten(u: Array, x: Array) -> Array:
    gradient = _cos_times(u, x)
    gradient[-1] = 0.0
    return gradient


def _poisoned(value: float) -> Vjp:
    def vjp(u: Array, x: Array) -> Array:
        gradient = _cos_times(u, x)
        gradient[2] = value
        return gradient

    return vjp


def _sine(name: str, wrong: Vjp, cause: str | None = None, question: str = "directional") -> Mutant:
    return _function(name, _sin, _cos_times, wrong, one(10), cause=cause, question=question)


def _softmax(x: Array) -> Array:
    e = np.exp(x - x.max(axis=1, keepdims=True))
    return np.asarray(e / e.sum(axis=1, keepdims=True))


def _softmax_vjp(u: Array, x: Array) -> Array:
    p = _softmax(x)
    return np.asarray(p * (u - (u * p).sum(axis=1, keepdims=True)))


def _normalise(x: Array) -> Array:
    centred = x - x.mean(axis=1, keepdims=True)
    return np.asarray(centred / np.sqrt((centred**2).mean(axis=1, keepdims=True) + 1e-5))


def _normalise_vjp(u: Array, x: Array, through_mean: bool = True, through_variance: bool = True) -> Array:
    centred = x - x.mean(axis=1, keepdims=True)
    std = np.sqrt((centred**2).mean(axis=1, keepdims=True) + 1e-5)
    y = centred / std
    gradient = u.copy()
    if through_mean:
        gradient -= u.mean(axis=1, keepdims=True)
    if through_variance:
        gradient -= y * (u * y).mean(axis=1, keepdims=True)
    return np.asarray(gradient / std)


def _gather(x: Array, index: Array) -> Array:
    return x[index]


def _gather_vjp(u: Array, x: Array, index: Array) -> tuple[Array, None]:
    gradient = np.zeros_like(x)
    np.add.at(gradient, index, u)
    return gradient, None


def _gather_assigns(u: Array, x: Array, index: Array) -> tuple[Array, None]:
    gradient = np.zeros_like(x)
    gradient[index] = u
    return gradient, None


def _convolve(x: Array, k: Array) -> Array:
    return np.convolve(x, k, mode="valid")


def _convolve_vjp(u: Array, x: Array, k: Array) -> tuple[Array, Array]:
    return np.convolve(u, k[::-1], mode="full"), np.convolve(x[::-1], u, mode="valid")


def _pool(x: Array) -> Array:
    return x.reshape(-1, 3).max(axis=1)


def _pool_vjp(u: Array, x: Array) -> Array:
    blocks = x.reshape(-1, 3)
    return np.asarray((blocks == blocks.max(axis=1, keepdims=True)) * u[:, None]).reshape(x.shape)


def _gelu(x: Array) -> Array:
    return np.asarray(x * _phi(x))


def _phi(x: Array) -> Array:
    return np.asarray([0.5 * (1 + math.erf(v / math.sqrt(2))) for v in x])


def _gelu_vjp(u: Array, x: Array) -> Array:
    return np.asarray(u * (_phi(x) + x * np.exp(-(x**2) / 2) / math.sqrt(2 * math.pi)))


def _gelu_tanh_vjp(u: Array, x: Array) -> Array:
    c = math.sqrt(2 / math.pi)
    t = np.tanh(c * (x + 0.044715 * x**3))
    return np.asarray(u * (0.5 * (1 + t) + 0.5 * x * (1 - t**2) * c * (1 + 3 * 0.044715 * x**2)))


def _square_matrix(g: Rng) -> tuple[Any, ...]:
    return (g.normal(size=(4, 4)) + 4 * np.eye(4),)


FUNCTIONS = (
    _sine("the sign is flipped", lambda u, x: -_cos_times(u, x), "sign-flip"),
    _sine("twice the gradient", lambda u, x: 2 * _cos_times(u, x), "constant-factor"),
    _sine("1/N of the gradient", lambda u, x: _cos_times(u, x) / len(x), "constant-factor"),
    _sine("wrong by a factor 1 + 1e-8", lambda u, x: (1 + 1e-8) * _cos_times(u, x), "constant-factor"),
    _sine("one element of ten wrong by 1e-8", _one_wrong_element),
    _sine("the last element is forgotten", _last_forgotten),
    _sine("a zero gradient", lambda u, x: np.zeros_like(x), "zero-gradient"),
    _sine("a missing gradient", lambda u, x: None, "zero-gradient"),
    _sine("the cotangent is clamped", lambda u, x: _cos_times(np.clip(u, -1, 1), x)),
    _sine("the cotangent's magnitude is used", lambda u, x: _cos_times(abs(u), x)),
    _sine("the cotangent's norm is clipped", lambda u, x: _cos_times(u / max(1.0, float(np.linalg.norm(u))), x)),
    _sine("a cotangent of ones is assumed", lambda u, x: np.cos(x)),
    _sine("float32 inside a float64 backward", lambda u, x: u * np.cos(x.astype(np.float32)).astype(np.float64)),
    _sine("NaN in the gradient", _poisoned(np.nan), "not-finite", "contract"),
    _sine("infinity in the gradient", _poisoned(np.inf), "not-finite", "contract"),
    _sine(
        "a float32 gradient of a float64 input",
        lambda u, x: _cos_times(u, x).astype(np.float32),
        "wrong-dtype",
        "contract",
    ),
    _sine("a gradient with an axis too many", lambda u, x: _cos_times(u, x)[None], "wrong-shape", "contract"),
    _function(
        "a gradient of 1e-7 with its sign flipped",
        lambda x: 1e-7 * np.sin(x),
        lambda u, x: 1e-7 * _cos_times(u, x),
        lambda u, x: -1e-7 * _cos_times(u, x),
        one(10),
        cause="sign-flip",
    ),
    _function(
        "a gradient of 1e-5 beside values of 1 with its sign flipped",
        lambda x: 1 + 1e-5 * np.sin(x),
        lambda u, x: 1e-5 * _cos_times(u, x),
        lambda u, x: -1e-5 * _cos_times(u, x),
        one(10),
        cause="sign-flip",
    ),
    _function(
        "a float32 gradient wrong by a tenth",
        lambda x: np.sin(x),
        _cos_times,
        lambda u, x: (np.float32(1.1) * _cos_times(u, x)).astype(np.float32),
        lambda g: (g.normal(size=10).astype(np.float32),),
        cause="constant-factor",
    ),
    _function(
        "a gradient for an input that is not used",
        lambda x, y: np.sin(x),
        lambda u, x, y: (_cos_times(u, x), np.zeros_like(y)),
        lambda u, x, y: (_cos_times(u, x), u.copy()),
        two((6,), (6,)),
        input="y",
        cause="should-be-zero",
    ),
    _function(
        "rounding with a straight-through gradient",
        lambda x: np.round(x),
        lambda u, x: np.zeros_like(x),
        lambda u, x: u.copy(),
        lambda g: (g.integers(1, 9, 6) + g.uniform(-0.2, 0.2, 6),),
        cause="should-be-zero",
    ),
    _function(
        "a transposed gradient of a square matrix",
        lambda A, B: A @ B,
        lambda u, A, B: (u @ B.T, A.T @ u),
        lambda u, A, B: ((u @ B.T).T, A.T @ u),
        two((4, 4), (4, 4)),
        input="A",
    ),
    _function(
        "two gradients of equal shape swapped",
        lambda x, y: np.sin(x) * y,
        lambda u, x, y: (u * np.cos(x) * y, u * np.sin(x)),
        lambda u, x, y: (u * np.sin(x), u * np.cos(x) * y),
        two((6,), (6,)),
    ),
    _function(
        "right only for a batch of more than one",
        lambda x: ((x - 1) ** 2).sum() / len(x),
        lambda u, x: u * 2 * (x - 1) / len(x),
        lambda u, x: u * 2 * (x - 1) / len(x) if len(x) > 1 else np.zeros_like(x),
        one(1, 1),
        cause="zero-gradient",
    ),
    _function(
        "a variance with N in the forward and N - 1 in the backward",
        lambda x: x.var(),
        lambda u, x: u * 2 * (x - x.mean()) / x.size,
        lambda u, x: u * 2 * (x - x.mean()) / (x.size - 1),
        one(9),
        cause="constant-factor",
    ),
    _function(
        "one term of the product rule",
        lambda x: x * np.exp(x),
        lambda u, x: u * (1 + x) * np.exp(x),
        lambda u, x: u * np.exp(x),
        one(6),
    ),
    _function(
        "tanh' of the input where the output belongs",
        lambda x: np.tanh(x),
        lambda u, x: u * (1 - np.tanh(x) ** 2),
        lambda u, x: u * (1 - x**2),
        one(6),
    ),
    _function(
        "softmax with the diagonal of its Jacobian",
        _softmax,
        _softmax_vjp,
        lambda u, x: u * _softmax(x) * (1 - _softmax(x)),
        one(3, 4),
    ),
    _function(
        "layer norm with a constant mean",
        _normalise,
        _normalise_vjp,
        lambda u, x: _normalise_vjp(u, x, through_mean=False),
        one(4, 5),
    ),
    _function(
        "layer norm with a constant variance",
        _normalise,
        _normalise_vjp,
        lambda u, x: _normalise_vjp(u, x, through_variance=False),
        one(4, 5),
    ),
    _function(
        "gather assigns where indices repeat",
        _gather,
        _gather_vjp,
        _gather_assigns,
        lambda g: (g.normal(size=5), np.array([3, 0, 3, 1, 3])),
    ),
    _function(
        "a convolution whose kernel is not flipped back",
        _convolve,
        _convolve_vjp,
        lambda u, x, k: (np.convolve(u, k, mode="full"), _convolve_vjp(u, x, k)[1]),
        two((9,), (3,)),
    ),
    _function(
        "a max-pool that shares its gradient out",
        _pool,
        _pool_vjp,
        lambda u, x: np.repeat(u / 3, 3),
        lambda g: (g.permutation(12) + 0.0,),
    ),
    _function(
        "cumsum that adds up from the wrong end",
        lambda x: np.cumsum(x),
        lambda u, x: np.cumsum(u[::-1])[::-1],
        lambda u, x: np.cumsum(u),
        one(7),
    ),
    _function(
        "a bias gradient summed over the wrong axis",
        lambda x, b: x + b,
        lambda u, x, b: (u.copy(), u.sum(axis=0)),
        lambda u, x, b: (u.copy(), u.sum(axis=1)),
        two((5, 5), (5,)),
        input="b",
    ),
    _function(
        "a quadratic form taken for a symmetric one",
        lambda A, x: x @ A @ x,
        lambda u, A, x: (u * np.outer(x, x), u * (A + A.T) @ x),
        lambda u, A, x: (u * np.outer(x, x), u * 2 * A @ x),
        two((4, 4), (4,)),
    ),
    _function(
        "a determinant without the transpose",
        lambda A: np.linalg.det(A),
        lambda u, A: u * np.linalg.det(A) * np.linalg.inv(A).T,
        lambda u, A: u * np.linalg.det(A) * np.linalg.inv(A),
        _square_matrix,
        input="A",
    ),
    _function(
        "the second output's cotangent is ignored",
        lambda x: (np.sin(x), x**2),
        lambda u, x: u[0] * np.cos(x) + u[1] * 2 * x,
        lambda u, x: u[0] * np.cos(x),
        one(6),
    ),
    _function("erf GELU with the derivative of the tanh GELU", _gelu, _gelu_vjp, _gelu_tanh_vjp, one(8)),
    _function(
        "a quotient rule without its sign",
        lambda x, y: x / y,
        lambda u, x, y: (u / y, -u * x / y**2),
        lambda u, x, y: (u / y, u * x / y**2),
        lambda g: (g.normal(size=6), g.uniform(1, 2, 6)),
        input="y",
        cause="sign-flip",
    ),
)


# --- torch ---


class RightExp(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        y = torch.exp(x)
        ctx.save_for_backward(y)
        return y

    @staticmethod
    def backward(ctx: Any, u: Tensor) -> Tensor:
        return u * ctx.saved_tensors[0]


class ExpSavesInput(RightExp):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        ctx.save_for_backward(x)
        return torch.exp(x)


class ExpFlipped(RightExp):
    @staticmethod
    def backward(ctx: Any, u: Tensor) -> Tensor:
        return -u * ctx.saved_tensors[0]


class ExpOverwritesInput(RightExp):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        y = RightExp.forward(ctx, x)
        x.data.mul_(2.0)
        return y


class ExpOverwritesCotangent(RightExp):
    @staticmethod
    def backward(ctx: Any, u: Tensor) -> Tensor:
        return u.mul_(ctx.saved_tensors[0]).clone()


class ExpNan(RightExp):
    @staticmethod
    def backward(ctx: Any, u: Tensor) -> Tensor:
        return u * ctx.saved_tensors[0] * float("nan")


class RightProduct(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, y: Tensor) -> Tensor:
        ctx.save_for_backward(x, y)
        return x * y

    @staticmethod
    def backward(ctx: Any, u: Tensor) -> tuple[Tensor | None, Tensor | None]:
        x, y = ctx.saved_tensors
        return u * y, u * x


class ProductWithoutSecond(RightProduct):
    @staticmethod
    def backward(ctx: Any, u: Tensor) -> tuple[Tensor | None, Tensor | None]:
        return RightProduct.backward(ctx, u)[0], None


class TwoLinears(nn.Module):
    """The first layer's output may be cut out of the graph, scaled on its way back, or cast."""

    def __init__(self, between: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.inner = nn.Linear(4, 3, dtype=torch.float64)
        self.outer = nn.Linear(3, 2, dtype=torch.float64)
        self.between = between

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.outer(self.between(torch.tanh(self.inner(x))))
        return out


class Temperature(nn.Module):
    def __init__(self, read: Callable[[Tensor], Any]) -> None:
        super().__init__()
        self.temperature = nn.Parameter(torch.tensor(1.5, dtype=torch.float64))
        self.read = read

    def forward(self, x: Tensor) -> Tensor:
        return torch.softmax(x / self.read(self.temperature), dim=1)


def _halved_on_the_way_back(h: Tensor) -> Tensor:
    if h.requires_grad:
        h.register_hook(lambda u: 0.5 * u)
    return h


TORCH = (
    _torch(
        "a path of a module is detached",
        lambda: TwoLinears(lambda h: h),
        lambda: TwoLinears(lambda h: h.detach()),
        one(5, 4),
        input="inner.weight",
        cause="zero-gradient",
    ),
    _torch(
        "a hook halves the gradient",
        lambda: TwoLinears(lambda h: h),
        lambda: TwoLinears(_halved_on_the_way_back),
        one(5, 4),
        input="inner.bias",
        cause="constant-factor",
    ),
    _torch(
        "a parameter is read by item()",
        lambda: Temperature(lambda t: t),
        lambda: Temperature(lambda t: t.item()),
        one(3, 4),
        input="temperature",
        cause="zero-gradient",
    ),
    _torch("a Function saves its input for its output", lambda: RightExp, lambda: ExpSavesInput, one(6)),
    _torch("a Function flips the sign", lambda: RightExp, lambda: ExpFlipped, one(6), cause="sign-flip"),
    _torch(
        "a Function overwrites its input",
        lambda: RightExp,
        lambda: ExpOverwritesInput,
        one(6),
        cause="mutated-input",
        question="purity",
    ),
    _torch(
        "a module applies ReLU in place",
        lambda: nn.ReLU(),
        lambda: nn.ReLU(inplace=True),
        both_signs(6),
        input="input",
        cause="mutated-input",
        question="purity",
    ),
    _torch(
        "a Function overwrites its cotangent",
        lambda: RightExp,
        lambda: ExpOverwritesCotangent,
        one(6),
        input="the cotangent of output",
        cause="mutated-cotangent",
        question="purity",
    ),
    _torch("a Function returns NaN", lambda: RightExp, lambda: ExpNan, one(6), cause="not-finite", question="contract"),
    _torch(
        "a Function has no gradient for its second input",
        lambda: RightProduct,
        lambda: ProductWithoutSecond,
        two((6,), (6,)),
        input="y",
        cause="zero-gradient",
    ),
)

MUTANTS: tuple[Mutant, ...] = (*REFERENCE_EDITS, *STATEFUL, *FUNCTIONS, *TORCH)


# --- right torch functions ---


@dataclass(frozen=True)
class Right:
    """A torch function or module whose gradient autograd has right; made and drawn from one seed."""

    name: str
    make: Callable[[], Any]
    draw: Callable[[Rng], tuple[Any, ...]]

    def subject(self, seed: int) -> gk.Subject:
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            target = self.make()
        inputs = self.draw(np.random.default_rng(seed))
        return gk.module(target, *map(torch.as_tensor, inputs), name=self.name)


def _logits(g: Rng) -> tuple[Any, ...]:
    return g.normal(size=(6, 4)), g.integers(0, 4, 6)


def _probabilities(g: Rng) -> tuple[Any, ...]:
    return g.uniform(0.1, 0.9, (6, 3)), g.uniform(size=(6, 3))


def _distinct(*shape: int) -> Callable[[Rng], tuple[Any, ...]]:
    """No two values nearer than 0.1: sorting and maxima stay away from ties."""
    return lambda g: (0.1 * g.permutation(math.prod(shape)).reshape(shape) + 0.05 - 0.05 * math.prod(shape),)


def _positive_definite(g: Rng) -> tuple[Any, ...]:
    a = g.normal(size=(4, 4))
    return (a @ a.T + 4 * np.eye(4),)


def _batch_norm(training: bool) -> nn.Module:
    module = nn.BatchNorm1d(3, dtype=torch.float64)
    module.running_var = torch.tensor([0.5, 1.0, 2.0], dtype=torch.float64)
    return module.train(training)


class Attention(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.attention = nn.MultiheadAttention(4, 2, batch_first=True, dtype=torch.float64)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.attention(x, x, x, need_weights=False)[0]
        return out


def _f64(module: type[nn.Module], *args: Any, **kwargs: Any) -> Callable[[], nn.Module]:
    return lambda: module(*args, dtype=torch.float64, **kwargs)


def _plain(function: Callable[..., Any]) -> Callable[[], Any]:
    return lambda: function


_INDICES = torch.tensor([[2, 0, 2], [1, 1, 3]])

RIGHT: tuple[Right, ...] = (
    Right("cross entropy", _plain(lambda x, y: functional.cross_entropy(x, y)), _logits),
    Right("cross entropy with label smoothing", lambda: nn.CrossEntropyLoss(label_smoothing=0.1), _logits),
    Right("mse", lambda: nn.MSELoss(), two((6, 3), (6, 3))),
    Right("binary cross entropy", lambda: nn.BCELoss(), _probabilities),
    Right("binary cross entropy with logits", lambda: nn.BCEWithLogitsLoss(), two((6, 3), (6, 3))),
    Right("smooth l1", _plain(lambda x: functional.smooth_l1_loss(x, torch.zeros_like(x))), off_zero(6)),
    Right("kl divergence", _plain(lambda x, t: functional.kl_div(x, t, reduction="sum")), _probabilities),
    Right("negative log-likelihood", _plain(lambda x, y: functional.nll_loss(x, y)), _logits),
    Right("cosine similarity", lambda: nn.CosineSimilarity(), two((4, 5), (4, 5))),
    Right("linear", _f64(nn.Linear, 4, 3), one(5, 4)),
    Right("bilinear", _f64(nn.Bilinear, 3, 4, 2), two((5, 3), (5, 4))),
    Right("layer norm", _f64(nn.LayerNorm, 5), one(4, 5)),
    Right("group norm", _f64(nn.GroupNorm, 2, 4), one(3, 4, 5)),
    Right("batch norm, training", lambda: _batch_norm(True), one(6, 3)),
    Right("batch norm, evaluation", lambda: _batch_norm(False), one(6, 3)),
    Right("softmax", lambda: nn.Softmax(dim=1), one(3, 4)),
    Right("log-softmax", lambda: nn.LogSoftmax(dim=1), one(3, 4)),
    Right("logsumexp", _plain(lambda x: torch.logsumexp(x, 1)), one(3, 4)),
    Right("gelu", lambda: nn.GELU(), one(3, 4)),
    Right("silu", lambda: nn.SiLU(), one(3, 4)),
    Right("softplus", lambda: nn.Softplus(), one(3, 4)),
    Right("elu away from zero", lambda: nn.ELU(), off_zero(3, 4)),
    Right("conv1d", _f64(nn.Conv1d, 2, 3, 3), one(2, 2, 7)),
    Right("conv2d", _f64(nn.Conv2d, 2, 3, 3, stride=2, padding=1), one(2, 2, 5, 5)),
    Right("transposed conv2d", _f64(nn.ConvTranspose2d, 2, 2, 3), one(1, 2, 3, 3)),
    Right("max-pool", lambda: nn.MaxPool2d(2), _distinct(1, 2, 4, 4)),
    Right("average pool", lambda: nn.AvgPool2d(2), one(1, 2, 4, 4)),
    Right("bilinear interpolation", lambda: nn.Upsample(scale_factor=2, mode="bilinear"), one(1, 2, 3, 3)),
    Right("embedding with repeated indices", _f64(nn.Embedding, 5, 3), lambda g: (_INDICES,)),
    Right("GRU cell", _f64(nn.GRUCell, 3, 4), two((2, 3), (2, 4))),
    Right("LSTM cell", _f64(nn.LSTMCell, 3, 4), one(2, 3)),
    Right("multi-head attention", Attention, one(2, 3, 4)),
    Right(
        "scaled dot-product attention",
        _plain(lambda q, k: functional.scaled_dot_product_attention(q, k, q)),
        two((2, 3, 4), (2, 3, 4)),
    ),
    Right("sort", _plain(lambda x: torch.sort(x).values), _distinct(3, 4)),
    Right("gather", _plain(lambda x: torch.gather(x, 1, _INDICES)), one(2, 4)),
    Right("index_add", _plain(lambda x: torch.zeros(4, dtype=x.dtype).index_add(0, _INDICES[0], x)), one(3)),
    Right("cumsum", _plain(lambda x: torch.cumsum(x, 1)), one(3, 4)),
    Right("cumprod", _plain(lambda x: torch.cumprod(x, 1)), off_zero(3, 4)),
    Right("dropout", lambda: nn.Dropout(0.4), one(5, 6)),
    Right("einsum", _plain(lambda x, y: torch.einsum("bij,bjk->bik", x, y)), two((2, 3, 4), (2, 4, 2))),
    Right("matrix inverse", _plain(lambda A: torch.linalg.inv(A)), _positive_definite),
    Right("Cholesky", _plain(lambda A: torch.linalg.cholesky(A + A.T)), _positive_definite),
    Right("log-determinant", _plain(lambda A: torch.logdet(A)), _positive_definite),
    Right("norm", _plain(lambda x: torch.linalg.norm(x)), one(6)),
    Right("max over an axis", _plain(lambda x: torch.amax(x, 1)), _distinct(3, 4)),
    Right("where", _plain(lambda x, y: torch.where(x > 0, x * y, y**2)), lambda g: (*off_zero(6)(g), g.normal(size=6))),
    Right("several outputs", _plain(lambda x: (torch.sin(x), x.sum(), torch.argmax(x))), one(6)),
    Right("an in-place operation inside", _plain(lambda x: torch.sin(x).mul_(x).add_(1.0)), one(6)),
)
