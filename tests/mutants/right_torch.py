"""Right torch functions, which must not be flagged."""

# ruff: noqa: PLW0108 - a lambda gives its inputs the names that findings are looked up by
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

import gradcheck_kit as gk
from tests.mutants.planting import Rng, off_zero, one, two


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
