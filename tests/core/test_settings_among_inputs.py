"""Shapes and other lists of whole numbers among tensors are settings of the call; lists of real numbers are refused."""

import pytest
import torch

import gradcheck_kit as gk
from gradcheck_kit.verdict import Verdict

X = torch.arange(1.0, 7.0, dtype=torch.float64)


def reshaped(x: torch.Tensor, shape: tuple[int, ...]) -> torch.Tensor:
    return x.reshape(shape).square()


@pytest.mark.parametrize("shape", [(2, 3), [3, 2], (-1,), ()])
def test_a_shape_is_held_as_it_is(shape: tuple[int, ...]) -> None:
    point = X if len(shape) else X[0]
    assert gk.examine(reshaped, point, shape).verdict is Verdict.PASS


def test_the_lines_to_repeat_it_hold_the_shape() -> None:
    wrong = lambda x, shape: reshaped(x, shape) + x.sum().detach()  # noqa: E731
    report = gk.examine(wrong, X, (2, 3))
    assert report.verdict is Verdict.FAIL
    assert "(2, 3)" in str(report.reproduction)


@pytest.mark.parametrize("numbers", [[0.5, 0.25], (1, [0.5])])
def test_real_numbers_in_a_list_are_refused(numbers: object) -> None:
    with pytest.raises(gk.UsageError, match="pass a torch array"):
        gk.examine(lambda x, y: x, X, numbers)
