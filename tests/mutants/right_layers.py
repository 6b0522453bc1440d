"""torch's own layers and losses, which must not be flagged in any precision.

Activations and pools are asked at ordinary points: a kink may lie near, as it does in use.
"""

# ruff: noqa: PLW0108 - a lambda gives its inputs the names that findings are looked up by
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from tests.mutants.planting import Rng, off_zero, one, two
from tests.mutants.right_torch import Right, distinct, plain

_INDICES = torch.tensor([[2, 0, 2], [1, 1, 3]])


def _logits(g: Rng) -> tuple[Any, ...]:
    return g.normal(size=(6, 4)), g.integers(0, 4, 6)


def _probabilities(g: Rng) -> tuple[Any, ...]:
    return g.uniform(0.1, 0.9, (6, 3)), g.uniform(size=(6, 3))


def _signs(*shapes: tuple[int, ...]) -> Callable[[Rng], tuple[Any, ...]]:
    """Normal inputs of these shapes; then a target of ±1 for each row."""
    return lambda g: (*(g.normal(size=shape) for shape in shapes), g.choice([-1, 1], shapes[0][0]))


def _gaussians(g: Rng) -> tuple[Any, ...]:
    return g.normal(size=(6, 3)), g.normal(size=(6, 3)), g.uniform(0.5, 2.0, (6, 3))


def _batch_norm(module: nn.BatchNorm1d | nn.BatchNorm2d, training: bool) -> nn.Module:
    module.running_var = torch.tensor([0.5, 1.0, 2.0], dtype=torch.float64)
    return module.train(training)


class Attention(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.attention = nn.MultiheadAttention(4, 2, batch_first=True)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.attention(x, x, x, need_weights=False)[0]
        return out


ACTIVATIONS: tuple[Right, ...] = (
    *(
        Right(activation.__name__, activation, one(3, 4))
        for activation in (
            nn.ReLU,
            nn.LeakyReLU,
            nn.PReLU,
            nn.RReLU,
            nn.ReLU6,
            nn.ELU,
            nn.SELU,
            nn.CELU,
            nn.GELU,
            nn.SiLU,
            nn.Mish,
            nn.Softplus,
            nn.Softsign,
            nn.Sigmoid,
            nn.LogSigmoid,
            nn.Tanh,
            nn.Tanhshrink,
            nn.Softshrink,
            nn.Hardtanh,
            nn.Hardswish,
            nn.GLU,
        )
    ),
    Right("GELU, tanh form", lambda: nn.GELU(approximate="tanh"), one(3, 4)),
    Right("Softmax", lambda: nn.Softmax(dim=1), one(3, 4)),
    Right("LogSoftmax", lambda: nn.LogSoftmax(dim=1), one(3, 4)),
    Right("Softmin", lambda: nn.Softmin(dim=1), one(3, 4)),
    Right("Dropout", lambda: nn.Dropout(0.4), one(5, 6)),
)

LINEAR: tuple[Right, ...] = (
    Right("Linear", lambda: nn.Linear(4, 3), one(5, 4)),
    Right("Linear without bias", lambda: nn.Linear(4, 3, bias=False), one(5, 4)),
    Right("Bilinear", lambda: nn.Bilinear(3, 4, 2), two((5, 3), (5, 4))),
    Right("Conv1d", lambda: nn.Conv1d(2, 3, 3), one(2, 2, 7)),
    Right("Conv2d", lambda: nn.Conv2d(2, 3, 3, stride=2, padding=1), one(2, 2, 5, 5)),
    Right("Conv2d, grouped and dilated", lambda: nn.Conv2d(4, 4, 2, dilation=2, groups=2), one(2, 4, 5, 5)),
    Right("Conv3d", lambda: nn.Conv3d(2, 2, 2), one(1, 2, 3, 3, 3)),
    Right("ConvTranspose1d", lambda: nn.ConvTranspose1d(2, 3, 3, stride=2), one(2, 2, 4)),
    Right("ConvTranspose2d", lambda: nn.ConvTranspose2d(2, 2, 3), one(1, 2, 3, 3)),
    Right("Embedding with repeated indices", lambda: nn.Embedding(5, 3), lambda g: (_INDICES,)),
    Right("EmbeddingBag", lambda: nn.EmbeddingBag(5, 3), lambda g: (_INDICES,)),
)

NORMS: tuple[Right, ...] = (
    Right("LayerNorm", lambda: nn.LayerNorm(5), one(4, 5)),
    Right("GroupNorm", lambda: nn.GroupNorm(2, 4), one(3, 4, 5)),
    Right("RMSNorm", lambda: nn.RMSNorm(5), one(4, 5)),
    Right("LocalResponseNorm", lambda: nn.LocalResponseNorm(2), one(2, 4, 3)),
    *(
        Right(f"{dimensions}, {mode}", lambda m=make, t=mode == "training": _batch_norm(m(3), t), draw)  # type: ignore[misc]
        for dimensions, make, draw in (
            ("BatchNorm1d", nn.BatchNorm1d, one(6, 3)),
            ("BatchNorm2d", nn.BatchNorm2d, one(2, 3, 3, 3)),
        )
        for mode in ("training", "evaluation")
    ),
    *(
        Right(
            f"InstanceNorm1d, {mode}",
            lambda t=mode == "training": nn.InstanceNorm1d(3, affine=True, track_running_stats=True).train(t),  # type: ignore[misc]
            one(2, 3, 5),
        )
        for mode in ("training", "evaluation")
    ),
)

POOLS: tuple[Right, ...] = (
    Right("MaxPool1d", lambda: nn.MaxPool1d(2), one(2, 2, 6)),
    Right("MaxPool2d", lambda: nn.MaxPool2d(2), one(1, 2, 4, 4)),
    Right("MaxPool2d, far from ties", lambda: nn.MaxPool2d(2), distinct(1, 2, 4, 4)),
    Right("AvgPool1d", lambda: nn.AvgPool1d(2), one(2, 2, 6)),
    Right("AvgPool2d", lambda: nn.AvgPool2d(2), one(1, 2, 4, 4)),
    Right("AdaptiveAvgPool2d", lambda: nn.AdaptiveAvgPool2d(3), one(1, 2, 5, 5)),
    Right("AdaptiveMaxPool2d", lambda: nn.AdaptiveMaxPool2d(2), one(1, 2, 5, 5)),
    Right("LPPool2d", lambda: nn.LPPool2d(2, 2), one(1, 2, 4, 4)),
    Right("Upsample, bilinear", lambda: nn.Upsample(scale_factor=2, mode="bilinear"), one(1, 2, 3, 3)),
    Right("PixelShuffle", lambda: nn.PixelShuffle(2), one(1, 4, 3, 3)),
)

RECURRENT: tuple[Right, ...] = (
    Right("RNNCell", lambda: nn.RNNCell(3, 4), two((2, 3), (2, 4))),
    Right("GRUCell", lambda: nn.GRUCell(3, 4), two((2, 3), (2, 4))),
    Right("LSTMCell", lambda: nn.LSTMCell(3, 4), one(2, 3)),
    Right("LSTM", lambda: nn.LSTM(3, 4), one(3, 2, 3)),
    Right("multi-head attention", Attention, one(2, 3, 4)),
    Right(
        "TransformerEncoderLayer",
        lambda: nn.TransformerEncoderLayer(4, 2, 6, dropout=0.0, batch_first=True),
        one(2, 3, 4),
    ),
)

LOSSES: tuple[Right, ...] = (
    Right("cross_entropy", plain(lambda x, y: functional.cross_entropy(x, y)), _logits),
    Right("CrossEntropyLoss, label smoothing", lambda: nn.CrossEntropyLoss(label_smoothing=0.1), _logits),
    Right("nll_loss", plain(lambda x, y: functional.nll_loss(x, y)), _logits),
    Right("MSELoss", lambda: nn.MSELoss(), two((6, 3), (6, 3))),
    Right("L1Loss", lambda: nn.L1Loss(), two((6, 3), (6, 3))),
    Right("SmoothL1Loss", lambda: nn.SmoothL1Loss(), two((6, 3), (6, 3))),
    Right(
        "smooth_l1_loss beside zero", plain(lambda x: functional.smooth_l1_loss(x, torch.zeros_like(x))), off_zero(6)
    ),
    Right("HuberLoss", lambda: nn.HuberLoss(delta=0.5), two((6, 3), (6, 3))),
    Right("BCELoss", lambda: nn.BCELoss(), _probabilities),
    Right("BCEWithLogitsLoss", lambda: nn.BCEWithLogitsLoss(), two((6, 3), (6, 3))),
    Right("kl_div, sum", plain(lambda x, t: functional.kl_div(x, t, reduction="sum")), _probabilities),
    Right("PoissonNLLLoss", lambda: nn.PoissonNLLLoss(), _probabilities),
    Right("GaussianNLLLoss", lambda: nn.GaussianNLLLoss(), _gaussians),
    Right("SoftMarginLoss", lambda: nn.SoftMarginLoss(), _signs((6,))),
    Right("HingeEmbeddingLoss", lambda: nn.HingeEmbeddingLoss(), _signs((6,))),
    Right("MarginRankingLoss", lambda: nn.MarginRankingLoss(0.5), _signs((6,), (6,))),
    Right("CosineEmbeddingLoss", lambda: nn.CosineEmbeddingLoss(0.1), _signs((6, 3), (6, 3))),
    Right("MultiMarginLoss", lambda: nn.MultiMarginLoss(), _logits),
    Right(
        "MultiLabelSoftMarginLoss",
        lambda: nn.MultiLabelSoftMarginLoss(),
        lambda g: (g.normal(size=(6, 3)), g.integers(0, 2, (6, 3))),
    ),
    Right(
        "TripletMarginLoss", lambda: nn.TripletMarginLoss(), lambda g: tuple(g.normal(size=(4, 5)) for _ in range(3))
    ),
    Right(
        "CTCLoss",
        plain(lambda x, y: functional.ctc_loss(x.log_softmax(2), y, (5, 5), (2, 2))),
        lambda g: (g.normal(size=(5, 2, 4)), np.array([[1, 2], [3, 1]])),
    ),
    Right("CosineSimilarity", lambda: nn.CosineSimilarity(), two((4, 5), (4, 5))),
    Right("PairwiseDistance", lambda: nn.PairwiseDistance(), two((4, 5), (4, 5))),
)

# torch 2.13's kernel has 1/6 as a float32 constant: its float64 gradient is 3e-8 too large, and reported as wrong.
RIGHT_IN_FLOAT32_ALONE: tuple[Right, ...] = (Right("Hardsigmoid", lambda: nn.Hardsigmoid(), one(3, 4)),)

RIGHT_LAYERS: tuple[Right, ...] = (*ACTIVATIONS, *LINEAR, *NORMS, *POOLS, *RECURRENT, *LOSSES)
