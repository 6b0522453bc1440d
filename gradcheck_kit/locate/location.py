"""Where an input's gradient is wrong, and how a person says it."""

from collections.abc import Sequence
from dataclasses import dataclass

from gradcheck_kit.locate.box import Box
from gradcheck_kit.locate.contributions import Element

NAMED = 3  # blocks that are named; more are counted


@dataclass(frozen=True)
class Location:
    """Where an input's gradient is wrong.

    Attributes:
        words: the place as a person says it; None where it could not be narrowed down.
        boxes: the wrong blocks, the largest first.
        mixed: blocks in which wrong and right elements stand side by side, or that nothing smaller was found in.
        elements: those elements that were measured alone, wrong or not.
        everywhere: whether every element that was sampled is wrong, and no block is right.
        complete: whether the blocks explain the whole mismatch, to within what was measured.
    """

    words: str | None
    boxes: tuple[Box, ...] = ()
    mixed: tuple[Box, ...] = ()
    elements: tuple[Element, ...] = ()
    everywhere: bool = False
    complete: bool = False

    @property
    def wrong(self) -> list[Element]:
        """The wrong ones among the measured elements, the largest difference first."""
        wrong = [element for element in self.elements if element.wrong]
        return sorted(wrong, key=lambda e: abs(e.analytic - e.numeric), reverse=True)


def every_sampled(name: str) -> str:
    """Words for an input of which every element that was measured is wrong."""
    return f"every element of {name} that was sampled"


def listed(parts: Sequence[str]) -> str:
    """One, two or more places in a row."""
    return ", ".join(parts[:-1]) + f" and {parts[-1]}" if len(parts) > 1 else parts[0]
