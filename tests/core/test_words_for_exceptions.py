"""An exception of the code under test stands in a report as its class and the first line of what it says."""

from typing import Any

import numpy as np
import pytest

import gradcheck_kit as gk
from gradcheck_kit.differences import complex_step
from gradcheck_kit.subject import in_words


@pytest.mark.parametrize(
    ("error", "longest", "said"),
    [
        (ValueError("first\nsecond"), 120, "ValueError: first"),
        (ValueError("first\nsecond"), 3, "ValueError: fir"),
        (ValueError("x" * 500), None, f"ValueError: {'x' * 500}"),
        (ValueError(), 120, "ValueError"),
        (ValueError("\nsecond"), 120, "ValueError"),
    ],
)
def test_it_is_the_class_and_the_first_line_if_there_is_one(error: Exception, longest: int | None, said: str) -> None:
    assert in_words(error, longest) == said


def test_a_function_that_takes_no_complex_numbers_may_say_nothing() -> None:
    def silent(x: Any) -> Any:
        if np.iscomplexobj(x):
            raise TypeError
        return x * x

    with pytest.raises(gk.UsageError, match=r"complex numbers \(TypeError\); use"):
        complex_step(silent, np.ones(1), np.ones(1))
