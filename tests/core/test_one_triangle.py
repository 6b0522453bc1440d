"""Functions that read one triangle of a symmetric matrix are told from branches that are wrong at equal elements."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

import gradcheck_kit as gk
from gradcheck_kit.verdict import Verdict


def positive_definite(rows: int) -> Tensor:
    factor = torch.randn(rows, rows, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    return factor @ factor.mT + torch.eye(rows, dtype=torch.float64)


def upper(a: Tensor) -> Tensor:
    return torch.linalg.eigvalsh(a, UPLO="U")


@pytest.mark.parametrize("function", [torch.linalg.eigvalsh, torch.linalg.cholesky, upper])
@pytest.mark.parametrize("rows", [2, 3, 5])
def test_the_cause_says_how_to_check_it(function: Callable[[Tensor], Tensor], rows: int) -> None:
    report = gk.examine(function, positive_definite(rows))
    assert [f.cause for f in report.findings if f.verdict is Verdict.FAIL] == ["one-triangle"]
    assert "(a + a.T) / 2" in str(report).replace("\n", " ").replace("      ", "")
    assert gk.examine(lambda a: function((a + a.mT) / 2), positive_definite(rows)).verdict is Verdict.PASS


def test_a_forgotten_mask_is_another_cause() -> None:
    """Its gradient is symmetric as well, but twice too large for a symmetric change."""
    report = gk.examine(
        lambda a: np.tril(a) * 3.0, positive_definite(3).numpy(), vjp=lambda u, a: np.full(a.shape, 3.0) * symmetric(u)
    )
    causes = [f.cause for f in report.findings if f.verdict is Verdict.FAIL]
    assert causes
    assert "one-triangle" not in causes


def symmetric(u: Any) -> Any:
    return (u + u.T) / 2
