"""Right torch functions, which must not be flagged; torch's own layers and losses have their own file."""

# ruff: noqa: PLW0108 - a lambda gives its inputs the names that findings are looked up by
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional

import gradcheck_kit as gk
from tests.mutants.planting import Rng, off_zero, one, two


@dataclass(frozen=True)
class Right:
    """A torch function or module whose gradient autograd has right; made and drawn from one seed.

    Attributes:
        name: what it is.
        make: the function, or a module with its parameters in whatever dtype.
        draw: generator → its inputs as NumPy arrays; floating-point ones are float64.
    """

    name: str
    make: Callable[[], Any]
    draw: Callable[[Rng], tuple[Any, ...]]

    def at(self, seed: int, dtype: torch.dtype = torch.float64) -> tuple[Any, tuple[torch.Tensor, ...]]:
        """The target and its inputs, every floating-point number of both in `dtype`."""
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            target = self.make()
        if isinstance(target, nn.Module):
            target = target.to(dtype)
        inputs = map(torch.as_tensor, self.draw(np.random.default_rng(seed)))
        return target, tuple(x.to(dtype) if x.is_floating_point() else x for x in inputs)

    def subject(self, seed: int, dtype: torch.dtype = torch.float64) -> gk.Subject:
        target, inputs = self.at(seed, dtype)
        return gk.module(target, *inputs, name=self.name)


def distinct(*shape: int) -> Callable[[Rng], tuple[Any, ...]]:
    """No two values nearer than 0.1: sorting and maxima stay away from ties."""
    return lambda g: (0.1 * g.permutation(math.prod(shape)).reshape(shape) + 0.05 - 0.05 * math.prod(shape),)


def plain(function: Callable[..., Any]) -> Callable[[], Any]:
    return lambda: function


def _positive_definite(g: Rng) -> tuple[Any, ...]:
    a = g.normal(size=(4, 4))
    return (a @ a.T + 4 * np.eye(4),)


_INDICES = torch.tensor([[2, 0, 2], [1, 1, 3]])

RIGHT_FUNCTIONS: tuple[Right, ...] = (
    Right("logsumexp", plain(lambda x: torch.logsumexp(x, 1)), one(3, 4)),
    Right(
        "scaled dot-product attention",
        plain(lambda q, k: functional.scaled_dot_product_attention(q, k, q)),
        two((2, 3, 4), (2, 3, 4)),
    ),
    Right("sort", plain(lambda x: torch.sort(x).values), distinct(3, 4)),
    Right("gather", plain(lambda x: torch.gather(x, 1, _INDICES)), one(2, 4)),
    Right("index_add", plain(lambda x: torch.zeros(4, dtype=x.dtype).index_add(0, _INDICES[0], x)), one(3)),
    Right("cumsum", plain(lambda x: torch.cumsum(x, 1)), one(3, 4)),
    Right("cumprod", plain(lambda x: torch.cumprod(x, 1)), off_zero(3, 4)),
    Right("einsum", plain(lambda x, y: torch.einsum("bij,bjk->bik", x, y)), two((2, 3, 4), (2, 4, 2))),
    Right("matrix inverse", plain(lambda A: torch.linalg.inv(A)), _positive_definite),
    Right("Cholesky", plain(lambda A: torch.linalg.cholesky(A + A.T)), _positive_definite),
    Right("log-determinant", plain(lambda A: torch.logdet(A)), _positive_definite),
    Right("norm", plain(lambda x: torch.linalg.norm(x)), one(6)),
    Right("max over an axis", plain(lambda x: torch.amax(x, 1)), distinct(3, 4)),
    Right("where", plain(lambda x, y: torch.where(x > 0, x * y, y**2)), lambda g: (*off_zero(6)(g), g.normal(size=6))),
    Right("several outputs", plain(lambda x: (torch.sin(x), x.sum(), torch.argmax(x))), one(6)),
    Right("an in-place operation inside", plain(lambda x: torch.sin(x).mul_(x).add_(1.0)), one(6)),
)
