"""What torch refuses as a gradient is a wrong gradient; what a user's backward raises is the user's."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

import gradcheck_kit as gk
from gradcheck_kit.verdict import Verdict
from tests.sines import sine
from tests.tensors import drawn

WRONG: dict[str, tuple[Callable[[Tensor], Any], str]] = {
    "a slice": (lambda g: g[:1], "invalid gradient at index 0"),
    "two for one input": (lambda g: (g, g), "incorrect number of gradients"),
    "none at all": (lambda g: (), "incorrect number of gradients"),
    "a NumPy array": (lambda g: g.numpy(), "got numpy.ndarray"),
    "a complex one of a real input": (lambda g: g.to(torch.complex128), "input_is_complex == grad_is_complex"),
}
RIGHT: dict[str, Callable[[Tensor], Any]] = {
    "one": lambda g: g,
    "one in a tuple": lambda g: (g,),
    "one and None for more": lambda g: (g, None),
    "one of shape (1, n), which torch sums": lambda g: g[None],
}


@pytest.mark.parametrize("name", WRONG)
def test_a_gradient_that_torch_refuses_is_a_failure_in_torch_s_words(name: str) -> None:
    returned, said = WRONG[name]
    report = gk.examine(sine(returned=returned), drawn(4))
    assert report.verdict is Verdict.FAIL
    (finding,) = report.findings
    assert finding.cause == "malformed-gradient"
    assert said in finding.message
    with pytest.raises(gk.GradientCheckError, match=said):
        gk.check(sine(returned=returned), drawn(4))


@pytest.mark.parametrize("name", RIGHT)
def test_a_gradient_that_torch_takes_passes(name: str) -> None:
    assert gk.examine(sine(returned=RIGHT[name]), drawn(4)).verdict is Verdict.PASS


@pytest.mark.parametrize("kind", [ValueError, RuntimeError])
def test_what_the_backward_itself_raises_comes_through(kind: type[Exception]) -> None:
    def raises(gradient: Tensor) -> Any:
        raise kind("out of cheese")

    with pytest.raises(kind, match="out of cheese"):
        gk.examine(sine(returned=raises), drawn(4))
