"""What is asked of every drawn example, where the defaults do not do."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any


def _unheard(_done: int) -> None:
    """Nobody listens."""


@dataclass(frozen=True)
class Demands:
    """What a search asks of each example, and where.

    Attributes:
        wrt: the inputs whose gradients are checked, by name; None for all.
        require: the resolution that an example must reach to pass; None for the dtype's own.
        questions: the questions to ask; None for all.
        dtype: the one to draw, such as "float32"; None for those that the target takes.
        device: torch's name of the one that tensors and modules are put on; None for the CPU.
        seconds: after how many no further example is drawn; None for no limit.
        progress: is told how many examples are done, after each.
    """

    wrt: tuple[str, ...] | None = None
    require: float | None = None
    questions: tuple[str, ...] | None = None
    dtype: str | None = None
    device: str | None = None
    seconds: float | None = None
    progress: Callable[[int], None] = _unheard

    def asks(self, question: str) -> bool:
        """Whether a question may fail an example."""
        return self.questions is None or question in self.questions

    def options(self, seed: int) -> dict[str, Any]:
        """The options of `examine` for a subject that is already restricted to `wrt`."""
        return {"seed": seed, "require": self.require, "questions": self.questions}

    def reporting(self, progress: Callable[[int], None]) -> "Demands":
        """The same, with somebody who listens."""
        return replace(self, progress=progress)

    def spelled(self) -> list[str]:
        """These options as they are typed in a call of `gk.check`."""
        named: dict[str, Sequence[str] | float | None] = {"require": self.require}
        if self.questions is not None:
            named["questions"] = list(self.questions)
        return [f"{name}={value!r}" for name, value in named.items() if value is not None]
