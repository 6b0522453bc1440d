"""Backwards that are right for cotangents of ordinary size and not linear in them."""

# ruff: noqa: PLW0108 - a lambda gives its inputs the names that findings are looked up by

from typing import Any

import numpy as np
import torch
from torch import Tensor

from tests.mutants.planting import Array, function, one, torch_mutant
from tests.mutants.torch_functions import RightExp


def _times_cos(u: Array, x: Array) -> Array:
    return np.asarray(u * np.cos(x))


def _norm_clipped(u: Array, x: Array) -> Array:
    return _times_cos(u * min(1.0, 100 / max(float(np.linalg.norm(u)), 1e-300)), x)


class ExpClamps(RightExp):
    @staticmethod
    def backward(ctx: Any, u: Tensor) -> Tensor:
        return torch.clamp(u, -50, 50) * ctx.saved_tensors[0]


class ExpClampsAtALossScale(RightExp):
    @staticmethod
    def backward(ctx: Any, u: Tensor) -> Tensor:
        return torch.clamp(u, -65536, 65536) * ctx.saved_tensors[0]


LINEARITY = (
    function(
        "cotangents above 10000 are clamped",
        lambda x: np.sin(x),
        _times_cos,
        lambda u, x: _times_cos(np.clip(u, -1e4, 1e4), x),
        one(10),
        cause="cotangent-clamped",
        question="linearity",
    ),
    function(
        "cotangents below 1e-8 are taken for zero",
        lambda x: np.sin(x),
        _times_cos,
        lambda u, x: _times_cos(np.where(abs(u) < 1e-8, 0.0, u), x),
        one(10),
        cause="nonlinear-in-cotangent",
        question="linearity",
    ),
    torch_mutant(
        "a Function clamps its cotangent at 65536",
        lambda: RightExp,
        lambda: ExpClampsAtALossScale,
        one(6),
        cause="cotangent-clamped",
        question="linearity",
    ),
    function(
        "cotangents above 100 are clamped",
        lambda x: np.sin(x),
        _times_cos,
        lambda u, x: _times_cos(np.clip(u, -100, 100), x),
        one(10),
        cause="cotangent-clamped",
        question="linearity",
    ),
    function(
        "cotangents longer than 100 are shortened",
        lambda x: np.sin(x),
        _times_cos,
        _norm_clipped,
        one(10),
        cause="cotangent-norm-clipped",
        question="linearity",
    ),
    function(
        "no gradient flows back through a large cotangent",
        lambda x: np.sin(x),
        _times_cos,
        lambda u, x: _times_cos(np.where(abs(u) > 100, 0.0, u), x),
        one(10),
        cause="nonlinear-in-cotangent",
        question="linearity",
    ),
    torch_mutant(
        "a Function clamps its cotangent",
        lambda: RightExp,
        lambda: ExpClamps,
        one(6),
        cause="cotangent-clamped",
        question="linearity",
    ),
)
