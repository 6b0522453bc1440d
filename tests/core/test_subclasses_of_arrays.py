"""An array whose rules of arithmetic are its own is refused: what would be checked is another function."""

from typing import Any

import numpy as np
import pytest

import gradcheck_kit as gk


@pytest.mark.filterwarnings("ignore:the matrix subclass")
@pytest.mark.parametrize("make", [np.matrix, np.ma.masked_array])
def test_arrays_with_rules_of_their_own_are_told_what_to_pass(make: Any) -> None:
    with pytest.raises(gk.UsageError, match=r"pass np\.asarray\(x\)"):
        gk.examine(lambda x: 2 * x, make(np.ones((2, 3))), vjp=lambda u, x: 2 * u)


def test_a_mapped_file_is_an_array_like_any_other(tmp_path: Any) -> None:
    x = np.memmap(tmp_path / "x", dtype=np.float64, mode="w+", shape=(2, 3))
    assert gk.examine(lambda x: 2 * x, x, vjp=lambda u, x: 2 * u).verdict is gk.Verdict.PASS
