"""What a search holds in its hands: blocks still to be explained, and blocks found."""

import math
from dataclasses import dataclass, replace

from gradcheck_kit.locate.box import Box
from gradcheck_kit.locate.contributions import Reading
from gradcheck_kit.space import FloatVector

DILUTED = 2  # a block this many times smaller than one in which no sample was wrong is sampled again


@dataclass(frozen=True)
class Found:
    """A block that causes a part of the mismatch.

    Attributes:
        box: the block; no smaller one was found.
        reading: its share of the mismatch.
        dense: whether every element of it that was sampled is wrong.
    """

    box: Box
    reading: Reading
    dense: bool


@dataclass(frozen=True)
class Region:
    """A block without the parts already found in it, and its share of the mismatch.

    Attributes:
        box: the block.
        reading: its share.
        without: parts of it that are taken out.
        axes: those on which a syndrome may tell something new, the most promising first.
        one_sided: whether it is the only half that is wrong of a block cut along `axes[0]`.
        sampled: how many elements the block had from which elements were last sampled, none of them wrong.
    """

    box: Box
    reading: Reading
    without: tuple[Box, ...] = ()
    axes: tuple[int, ...] = ()
    one_sided: bool = False
    sampled: float = math.inf

    def part(self, box: Box, reading: Reading, *axes: int) -> "Region":
        """A smaller block with the same parts taken out."""
        return replace(self, box=box, reading=reading, axes=axes, one_sided=False)

    @property
    def to_sample(self) -> bool:
        """Whether it is so much smaller than what was sampled last that it may be full of errors all the same."""
        return self.one_sided or self.box.size * DILUTED <= self.sampled

    def holds(self, index: tuple[int, ...]) -> bool:
        """Whether an element is in it."""
        return self.box.holds(index) and not any(box.holds(index) for box in self.without)

    def cleared(self, weights: FloatVector) -> FloatVector:
        """The weights, 0 on what is left out."""
        shaped = weights.reshape(self.box.shape)
        for box in self.without:
            shaped[box.slices()] = 0.0
        return weights
