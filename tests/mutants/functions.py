"""NumPy functions with a wrong VJP."""

# ruff: noqa: PLW0108 - a lambda gives its inputs the names that findings are looked up by
import math
from typing import Any

import numpy as np

from tests.mutants.planting import Array, Mutant, Rng, Vjp, function, one, two


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
    return function(name, _sin, _cos_times, wrong, one(10), cause=cause, question=question)


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


NONLINEAR = "nonlinear-in-cotangent"

FUNCTIONS = (
    _sine("the sign is flipped", lambda u, x: -_cos_times(u, x), "sign-flip"),
    _sine("twice the gradient", lambda u, x: 2 * _cos_times(u, x), "constant-factor"),
    _sine("1/N of the gradient", lambda u, x: _cos_times(u, x) / len(x), "constant-factor"),
    _sine("wrong by a factor 1 + 1e-8", lambda u, x: (1 + 1e-8) * _cos_times(u, x), "constant-factor"),
    _sine("one element of ten wrong by 1e-8", _one_wrong_element),
    _sine("the last element is forgotten", _last_forgotten, "zero-slice"),
    _sine("a zero gradient", lambda u, x: np.zeros_like(x), "zero-gradient"),
    _sine("a missing gradient", lambda u, x: None, "zero-gradient"),
    _sine("the cotangent is clamped", lambda u, x: _cos_times(np.clip(u, -1, 1), x), "cotangent-clamped", "linearity"),
    _sine("the cotangent's magnitude is used", lambda u, x: _cos_times(abs(u), x), "cotangent-absolute", "linearity"),
    _sine(
        "the cotangent's norm is clipped",
        lambda u, x: _cos_times(u / max(1.0, float(np.linalg.norm(u))), x),
        "cotangent-norm-clipped",
        "linearity",
    ),
    _sine("only the cotangent's sign is used", lambda u, x: _cos_times(np.sign(u), x), NONLINEAR, "linearity"),
    _sine("the cotangent is squared", lambda u, x: _cos_times(u * u, x), NONLINEAR, "linearity"),
    _sine("a constant is added to the gradient", lambda u, x: _cos_times(u, x) + 1e-6, NONLINEAR, "linearity"),
    _sine("a cotangent of ones is assumed", lambda u, x: np.cos(x), "cotangent-ignored", "linearity"),
    _sine(
        "float32 inside a float64 backward",
        lambda u, x: u * np.cos(x.astype(np.float32)).astype(np.float64),
        "low-precision",
    ),
    _sine("NaN in the gradient", _poisoned(np.nan), "not-finite", "contract"),
    _sine("infinity in the gradient", _poisoned(np.inf), "not-finite", "contract"),
    _sine(
        "a float32 gradient of a float64 input",
        lambda u, x: _cos_times(u, x).astype(np.float32),
        "wrong-dtype",
        "contract",
    ),
    _sine("a gradient with an axis too many", lambda u, x: _cos_times(u, x)[None], "wrong-shape", "contract"),
    function(
        "a gradient of 1e-7 that is zero",
        lambda x: 1e-7 * np.sin(x),
        lambda u, x: 1e-7 * _cos_times(u, x),
        lambda u, x: 0.0 * _cos_times(u, x),
        one(10),
        cause="zero-gradient",
    ),
    function(
        "a gradient of 1e-7 with its sign flipped",
        lambda x: 1e-7 * np.sin(x),
        lambda u, x: 1e-7 * _cos_times(u, x),
        lambda u, x: -1e-7 * _cos_times(u, x),
        one(10),
        cause="sign-flip",
    ),
    function(
        "a gradient of 1e-5 beside values of 1 with its sign flipped",
        lambda x: 1 + 1e-5 * np.sin(x),
        lambda u, x: 1e-5 * _cos_times(u, x),
        lambda u, x: -1e-5 * _cos_times(u, x),
        one(10),
        cause="sign-flip",
    ),
    function(
        "a float32 gradient wrong by a tenth",
        lambda x: np.sin(x),
        _cos_times,
        lambda u, x: (np.float32(1.1) * _cos_times(u, x)).astype(np.float32),
        lambda g: (g.normal(size=10).astype(np.float32),),
        cause="constant-factor",
    ),
    function(
        "a gradient for an input that is not used",
        lambda x, y: np.sin(x),
        lambda u, x, y: (_cos_times(u, x), np.zeros_like(y)),
        lambda u, x, y: (_cos_times(u, x), u.copy()),
        two((6,), (6,)),
        input="y",
        cause="should-be-zero",
    ),
    function(
        "rounding with a straight-through gradient",
        lambda x: np.round(x),
        lambda u, x: np.zeros_like(x),
        lambda u, x: u.copy(),
        lambda g: (g.integers(1, 9, 6) + g.uniform(-0.2, 0.2, 6),),
        cause="should-be-zero",
    ),
    function(
        "a transposed gradient of a square matrix",
        lambda A, B: A @ B,
        lambda u, A, B: (u @ B.T, A.T @ u),
        lambda u, A, B: ((u @ B.T).T, A.T @ u),
        two((4, 4), (4, 4)),
        input="A",
        cause="transposed",
    ),
    function(
        "two gradients of equal shape swapped",
        lambda x, y: np.sin(x) * y,
        lambda u, x, y: (u * np.cos(x) * y, u * np.sin(x)),
        lambda u, x, y: (u * np.sin(x), u * np.cos(x) * y),
        two((6,), (6,)),
        cause="swapped-gradients",
    ),
    function(
        "right only for a batch of more than one",
        lambda x: ((x - 1) ** 2).sum() / len(x),
        lambda u, x: u * 2 * (x - 1) / len(x),
        lambda u, x: u * 2 * (x - 1) / len(x) if len(x) > 1 else np.zeros_like(x),
        one(1, 1),
        cause="zero-gradient",
    ),
    function(
        "a variance with N in the forward and N - 1 in the backward",
        lambda x: x.var(),
        lambda u, x: u * 2 * (x - x.mean()) / x.size,
        lambda u, x: u * 2 * (x - x.mean()) / (x.size - 1),
        one(9),
        cause="constant-factor",
    ),
    function(
        "one term of the product rule",
        lambda x: x * np.exp(x),
        lambda u, x: u * (1 + x) * np.exp(x),
        lambda u, x: u * np.exp(x),
        one(6),
        cause="missing-factor",
    ),
    function(
        "tanh' of the input where the output belongs",
        lambda x: np.tanh(x),
        lambda u, x: u * (1 - np.tanh(x) ** 2),
        lambda u, x: u * (1 - x**2),
        one(6),
        cause="wrong-factor",
    ),
    function(
        "softmax with the diagonal of its Jacobian",
        _softmax,
        _softmax_vjp,
        lambda u, x: u * _softmax(x) * (1 - _softmax(x)),
        one(3, 4),
    ),
    function(
        "layer norm with a constant mean",
        _normalise,
        _normalise_vjp,
        lambda u, x: _normalise_vjp(u, x, through_mean=False),
        one(4, 5),
        cause="missing-mean",
    ),
    function(
        "layer norm with a constant variance",
        _normalise,
        _normalise_vjp,
        lambda u, x: _normalise_vjp(u, x, through_variance=False),
        one(4, 5),
        cause="missing-term",
    ),
    function(
        "gather assigns where indices repeat",
        _gather,
        _gather_vjp,
        _gather_assigns,
        lambda g: (g.normal(size=5), np.array([3, 0, 3, 1, 3])),
    ),
    function(
        "a convolution whose kernel is not flipped back",
        _convolve,
        _convolve_vjp,
        lambda u, x, k: (np.convolve(u, k, mode="full"), _convolve_vjp(u, x, k)[1]),
        two((9,), (3,)),
    ),
    function(
        "a max-pool that shares its gradient out",
        _pool,
        _pool_vjp,
        lambda u, x: np.repeat(u / 3, 3),
        lambda g: (g.permutation(12) + 0.0,),
    ),
    function(
        "cumsum that adds up from the wrong end",
        lambda x: np.cumsum(x),
        lambda u, x: np.cumsum(u[::-1])[::-1],
        lambda u, x: np.cumsum(u),
        one(7),
    ),
    function(
        "a bias gradient summed over the wrong axis",
        lambda x, b: x + b,
        lambda u, x, b: (u.copy(), u.sum(axis=0)),
        lambda u, x, b: (u.copy(), u.sum(axis=1)),
        two((5, 5), (5,)),
        input="b",
        cause="wrong-axis",
    ),
    function(
        "a quadratic form taken for a symmetric one",
        lambda A, x: x @ A @ x,
        lambda u, A, x: (u * np.outer(x, x), u * (A + A.T) @ x),
        lambda u, A, x: (u * np.outer(x, x), u * 2 * A @ x),
        two((4, 4), (4,)),
    ),
    function(
        "a determinant without the transpose",
        lambda A: np.linalg.det(A),
        lambda u, A: u * np.linalg.det(A) * np.linalg.inv(A).T,
        lambda u, A: u * np.linalg.det(A) * np.linalg.inv(A),
        _square_matrix,
        input="A",
        cause="transposed",
    ),
    function(
        "the second output's cotangent is ignored",
        lambda x: (np.sin(x), x**2),
        lambda u, x: u[0] * np.cos(x) + u[1] * 2 * x,
        lambda u, x: u[0] * np.cos(x),
        one(6),
    ),
    function("erf GELU with the derivative of the tanh GELU", _gelu, _gelu_vjp, _gelu_tanh_vjp, one(8)),
    function(
        "a quotient rule without its sign",
        lambda x, y: x / y,
        lambda u, x, y: (u / y, -u * x / y**2),
        lambda u, x, y: (u / y, u * x / y**2),
        lambda g: (g.normal(size=6), g.uniform(1, 2, 6)),
        input="y",
        cause="sign-flip",
    ),
)
