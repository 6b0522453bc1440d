"""The checkers that are timed, each on the same function of a torch tensor, n → n or n → m.

A checker of scalar functions is given the sum of the outputs against fixed random weights. One that is not installed is
named with what to install.
"""

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

import numpy as np
import torch
from torch import Tensor

import gradcheck_kit as gk

Function = Callable[[Tensor], Tensor]
GIGABYTE = 2**30
MOST_MEMORY = 1 * GIGABYTE  # of one Jacobian; a checker that builds it holds several


@dataclass(frozen=True)
class Subject:
    """A function in torch, and the same one in JAX's NumPy; `outputs` is m for n inputs."""

    name: str
    f: Function
    in_jax: Callable[[Any], Any]
    outputs: Callable[[int], int]


def elementwise() -> Subject:
    """x·tanh x, n → n: costs next to nothing, and its Jacobian is diagonal."""

    def in_jax(x: Any) -> Any:
        import jax.numpy as jnp

        return x * jnp.tanh(x)

    return Subject("x · tanh x", lambda x: x * torch.tanh(x), in_jax, lambda n: n)


def dense(n: int) -> Subject:
    """tanh(Wx) with a full n × n matrix W, n → n."""
    weights = np.random.default_rng(n).normal(size=(n, n)) / np.sqrt(n)
    matrix = torch.from_numpy(weights)

    def in_jax(x: Any) -> Any:
        import jax.numpy as jnp

        return jnp.tanh(jnp.asarray(weights) @ x)

    return Subject("tanh(Wx)", lambda x: torch.tanh(matrix @ x), in_jax, lambda n: n)


@dataclass(frozen=True)
class Peer:
    """A checker.

    Attributes:
        name: of it.
        check: (subject, point) → whether it passed.
        module: what it needs.
        builds_jacobian: whether it holds n·m numbers.
    """

    name: str
    check: Callable[[Subject, Tensor], bool]
    module: str = "torch"
    builds_jacobian: bool = False

    @property
    def absent(self) -> str:
        """Why it cannot run; empty where it can."""
        return "" if find_spec(self.module) else f"{self.module} is not installed: pip install 'gradcheck-kit[peers]'"

    def too_large(self, subject: Subject, n: int) -> str:
        """Why it cannot run at this size; empty where it can."""
        needed = 8 * n * subject.outputs(n)
        if self.builds_jacobian and needed > MOST_MEMORY / 2:
            return f"its Jacobian alone is {needed / GIGABYTE:.3g} GiB"
        return ""


def ours(subject: Subject, x: Tensor) -> bool:
    return bool(gk.examine(subject.f, x))


def numerical(subject: Subject, x: Tensor) -> bool:
    """What the other checkers ask."""
    return bool(gk.examine(subject.f, x, questions="directional"))


def vectorised(subject: Subject, x: Tensor) -> bool:
    return bool(gk.examine(gk.module(subject.f, x, vmap=True), questions="directional"))


def torch_slow(subject: Subject, x: Tensor) -> bool:
    return bool(torch.autograd.gradcheck(subject.f, (_leaf(x),), raise_exception=False))


def torch_fast(subject: Subject, x: Tensor) -> bool:
    return bool(torch.autograd.gradcheck(subject.f, (_leaf(x),), raise_exception=False, fast_mode=True))


def _leaf(x: Tensor) -> Tensor:
    return x.clone().requires_grad_()


def _scalar(f: Function, x: Tensor) -> tuple[Callable[[np.ndarray], float], np.ndarray]:
    """Σ w·f for fixed random w, as a function of NumPy arrays, and its gradient at x by autograd."""
    leaf = _leaf(x)
    outputs = f(leaf)
    w = torch.from_numpy(np.random.default_rng(1).normal(size=outputs.shape))
    (gradient,) = torch.autograd.grad(outputs, leaf, w)

    def value(at: np.ndarray) -> float:
        return float((w * f(torch.from_numpy(np.asarray(at, np.float64)))).sum())

    return value, gradient.numpy()


def scipy_check_grad(subject: Subject, x: Tensor) -> bool:
    """The norm of the difference, against 1e-5 of the gradient's."""
    from scipy.optimize import check_grad

    value, gradient = _scalar(subject.f, x)
    return bool(check_grad(value, lambda _: gradient, x.numpy().copy()) <= 1e-5 * np.linalg.norm(gradient))


def scipy_approx_fprime(subject: Subject, x: Tensor) -> bool:
    """The whole forward-difference gradient, beside autograd's."""
    from scipy.optimize import approx_fprime

    value, gradient = _scalar(subject.f, x)
    return bool(np.allclose(approx_fprime(x.numpy().copy(), value), gradient, rtol=1e-4, atol=1e-5))


def numdifftools_jacobian(subject: Subject, x: Tensor) -> bool:
    """The whole Jacobian, beside autograd's."""
    import numdifftools

    jacobian = numdifftools.Jacobian(lambda at: subject.f(torch.from_numpy(np.asarray(at))).numpy())(x.numpy().copy())
    exact = torch.autograd.functional.jacobian(subject.f, x).numpy()
    return bool(np.allclose(jacobian, exact, rtol=1e-6, atol=1e-8))


def numdifftools_directional(subject: Subject, x: Tensor) -> bool:
    """One directional derivative of a weighted sum of the outputs, beside autograd's."""
    import numdifftools

    value, gradient = _scalar(subject.f, x)
    direction = np.random.default_rng(2).normal(size=x.shape)
    derivative = numdifftools.directionaldiff(value, x.numpy().copy(), direction)
    return bool(np.isclose(derivative, gradient @ direction / np.linalg.norm(direction), rtol=1e-6, atol=1e-8))


def jax_check_grads(subject: Subject, x: Tensor) -> bool:
    """First order, reverse mode, in float64."""
    import jax
    from jax.test_util import check_grads

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        jax.config.update("jax_enable_x64", True)
        try:
            check_grads(subject.in_jax, (jax.numpy.asarray(x.numpy()),), order=1, modes=["rev"])
        except AssertionError:
            return False
    return True


OURS = Peer("gradcheck_kit", ours, "gradcheck_kit")
NUMERICAL = Peer("gradcheck_kit, the numerical question", numerical, "gradcheck_kit")
VECTORISED = Peer("… with vmap=True", vectorised, "gradcheck_kit")
SLOW = Peer("torch slow", torch_slow, builds_jacobian=True)
FAST = Peer("torch fast", torch_fast)
PEERS = (
    OURS,
    SLOW,
    FAST,
    Peer("JAX check_grads", jax_check_grads, "jax"),
    Peer("SciPy check_grad", scipy_check_grad, "scipy"),
    Peer("SciPy approx_fprime", scipy_approx_fprime, "scipy"),
    Peer("numdifftools Jacobian", numdifftools_jacobian, "numdifftools", builds_jacobian=True),
    Peer("numdifftools directional", numdifftools_directional, "numdifftools"),
)
