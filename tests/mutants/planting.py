"""A planted bug beside the code that it was made from, and the builders that make such pairs."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

import gradcheck_kit as gk

Array = npt.NDArray[Any]
Rng = np.random.Generator
Build = Callable[[Rng], gk.Subject]
Vjp = Callable[..., Any]
InTorch = Callable[[Rng], tuple[Any, tuple[torch.Tensor, ...]]]


@dataclass(frozen=True)
class Mutant:
    """One planted bug.

    Attributes:
        name: what was done to the code.
        right, wrong: generator → the subject without and with the bug.
        question: the question that must catch it.
        input: what the finding must name.
        cause: the slug that it must carry, where the evidence points to a cause.
        place: words that must say where in the input.
        targets: generator → the target itself and its tensors, without and with the bug, where both are torch's own:
            so that its own checker can be asked without anything in between.
    """

    name: str
    right: Build
    wrong: Build
    question: str
    input: str
    cause: str | None = None
    place: str | None = None
    targets: tuple[InTorch, InTorch] | None = None


def function(
    name: str,
    forward: Callable[..., Any],
    right: Vjp,
    wrong: Vjp,
    draw: Callable[[Rng], tuple[Any, ...]],
    input: str = "x",
    cause: str | None = None,
    question: str = "directional",
    place: str | None = None,
) -> Mutant:
    """A NumPy function with a right and a wrong VJP."""
    return Mutant(
        name,
        lambda g: gk.function(forward, *draw(g), vjp=right, name=f"right {name}"),
        lambda g: gk.function(forward, *draw(g), vjp=wrong, name=name),
        question,
        input,
        cause,
        place,
    )


def layer(
    name: str,
    right: Callable[[Rng], Any],
    wrong: Callable[[Rng], Any],
    draw: Callable[[Rng], tuple[Any, ...]],
    input: str = "x",
    cause: str | None = None,
    question: str = "directional",
) -> Mutant:
    """A layer and its wrong version. Both get generators in the same state."""
    return Mutant(
        name,
        lambda g: gk.layer(right(g), *draw(g), name=f"right {name}"),
        lambda g: gk.layer(wrong(g), *draw(g), name=name),
        question,
        input,
        cause,
    )


def torch_mutant(
    name: str,
    right: Callable[[], Any],
    wrong: Callable[[], Any],
    draw: Callable[[Rng], tuple[Any, ...]],
    input: str = "x",
    cause: str | None = None,
    question: str = "directional",
) -> Mutant:
    """A torch module, function or callable, and its wrong version; modules are made from the same torch seed."""

    def target(make: Callable[[], Any]) -> InTorch:
        def at(g: Rng) -> tuple[Any, tuple[torch.Tensor, ...]]:
            with torch.random.fork_rng():
                torch.manual_seed(int(g.integers(2**31)))
                made = make()
            return made, tuple(map(torch.as_tensor, draw(g)))

        return at

    def build(at: InTorch, title: str) -> Build:
        def subject(g: Rng) -> gk.Subject:
            made, inputs = at(g)
            return gk.module(made, *inputs, name=title)

        return subject

    targets = target(right), target(wrong)
    subjects = build(targets[0], f"right {name}"), build(targets[1], name)
    return Mutant(name, *subjects, question, input, cause, targets=targets)


def one(*shape: int) -> Callable[[Rng], tuple[Any, ...]]:
    return lambda g: (g.normal(size=shape),)


def two(first: tuple[int, ...], second: tuple[int, ...]) -> Callable[[Rng], tuple[Any, ...]]:
    return lambda g: (g.normal(size=first), g.normal(size=second))


def off_zero(*shape: int) -> Callable[[Rng], tuple[Any, ...]]:
    return lambda g: (g.uniform(0.5, 1.5, shape) * g.choice([-1.0, 1.0], shape),)


def both_signs(*shape: int) -> Callable[[Rng], tuple[Any, ...]]:
    """Off zero, and in every draw some are negative."""
    signs = np.resize([1.0, -1.0], shape)
    return lambda g: (g.uniform(0.5, 1.5, shape) * signs,)
