"""From a mismatch to the blocks that cause it: adaptive group testing along the axes.

Three moves, cheapest first:

- *axis syndrome*: with weights that grow along an axis, D(c∘v) / D(v) is the index on that axis where all of the
  mismatch sits, if it sits at one index; as many indices are told apart as D is clear of its bound;
- *sampling*: single elements; where all are wrong the block is named whole, once its edges have been trimmed;
- *bisection* of the longest axis; the second half is known by subtraction.

The magnitudes in v are random, so that two errors do not cancel but by accident (group testing:
Dorfman 1943, "The detection of defective members of large populations"; here every test gives a sum, not a yes or no).
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, field, replace

import numpy as np

from gradcheck_kit.locate.box import Box, Range
from gradcheck_kit.locate.contributions import Contributions, Reading
from gradcheck_kit.locate.region import Found, Region
from gradcheck_kit.space import FloatVector

SMALL = 8  # elements that are simply asked one by one
MIXED = 10  # single elements that are asked where some are wrong and some are right
SAMPLES = 3  # single elements that are asked to learn whether a block is full of errors
ENOUGH = 6  # single elements that must all be wrong before a block is named whole
LEVELS_PER_BOUND = 1 / 16  # indices that a syndrome tells apart, for each bound that the mismatch is clear of
CERTAIN = 0.25  # of the distance between two indices: more doubt than this decodes nothing
SHARP = 4.0  # an element counts as right if a contribution this many times smaller than typical would have been seen


class EffortSpentError(Exception):
    """The readings allowed are used up; the search ends with what it has found."""


@dataclass
class Search:
    """One search through an array, and what it has found.

    Attributes:
        contributions: what is measured.
        total: the mismatch of the whole array.
        effort: how many readings may be taken.
        generator: draws the samples.
        found: the blocks, in the order found.
        samples: what single elements said.
        complete: whether the blocks found explain the whole mismatch.
    """

    contributions: Contributions
    total: Reading
    effort: int
    generator: np.random.Generator
    found: list[Found] = field(default_factory=list)
    samples: dict[tuple[int, ...], Reading] = field(default_factory=dict)
    complete: bool = False
    _pending: list[Region] = field(default_factory=list)

    def run(self) -> "Search":
        """Search until the mismatch is explained or the effort spent."""
        whole = Box.whole(self.contributions.shape)
        self._pending = [Region(whole, self.total, axes=tuple(whole.long_axes()))]
        try:
            while self._pending:
                smallest = min(self._pending, key=lambda region: region.box.size)  # depth first: something is named
                self._explain(smallest)
                self._pending.remove(smallest)
            self.complete = all(found.dense for found in self.found)
        except EffortSpentError:
            self.complete = False
            self.found = self.found or self._seen_wrong()
        return self

    def _seen_wrong(self) -> list[Found]:
        """The blocks in which at least a sampled element was wrong, where the effort did for no more."""
        seen = [index for index, reading in self.samples.items() if reading.wrong]
        blocks = [region for region in self._pending if any(region.holds(index) for index in seen)]
        return [Found(region.box, region.reading, dense=False) for region in blocks]

    # -- one block ------------------------------------------------------------------------------------------------

    def _explain(self, region: Region) -> None:
        if region.box.size <= SMALL:
            self._one_by_one(region)
            return
        narrowed = self._decoded(region, region.axes[:1])
        if narrowed is None and region.to_sample:
            if any(self._sampled(region, SAMPLES if region.sampled == math.inf else 1)):
                self._many(region)
                return
            region = replace(region, sampled=float(region.box.size))
        narrowed = narrowed or self._decoded(region, region.axes[1:])
        if narrowed is not None:
            self._split_off(region, narrowed)
        else:
            self._halved(region)

    def _one_by_one(self, region: Region) -> None:
        """Every element; the block itself if all are wrong."""
        box = region.box
        readings = {index: self._element(index) for index in box.indices() if region.holds(index)}
        wrong = [index for index, reading in readings.items() if reading.wrong]
        if len(wrong) == box.size:
            self.found.append(Found(box, region.reading, dense=True))
            return
        self.found += [Found(Box.element(box.shape, index), readings[index], dense=True) for index in wrong]

    def _many(self, region: Region) -> None:
        """A block of many wrong elements: without its right edges, and whole if all of the rest seems wrong."""
        trimmed = region.part(self._trimmed(region), region.reading)
        said = self._sampled(trimmed, ENOUGH)
        if not all(said) and trimmed.box.size <= 2 * SMALL:
            self._one_by_one(trimmed)
            return
        self.found.append(Found(trimmed.box, region.reading, dense=all(said)))
        if not all(said):
            self._sampled(trimmed, MIXED)

    def _split_off(self, region: Region, narrowed: Box) -> None:
        """The part that the syndromes point to, and what is left beside it."""
        single = narrowed.size == 1
        part = self._element(narrowed.first_index) if single else self._of(region, narrowed)
        if not part.wrong:  # several errors whose centre of mass looked like one place
            self._halved(region)
            return
        if single:
            self.found.append(Found(narrowed, part, dense=True))
        else:
            self._pending.append(replace(region.part(narrowed, part), sampled=math.inf))
        rest = region.reading.less(part)
        if rest.wrong:
            axes = tuple(region.box.long_axes())
            self._pending.append(replace(region, reading=rest, without=(*region.without, narrowed), axes=axes))

    def _halved(self, region: Region) -> None:
        box, axis = region.box, region.box.long_axes()[0]
        if region.one_sided and region.box.length(region.axes[0]) > 1:
            axis = region.axes[0]
        first, end = box.ranges[axis]
        middle = (first + end) // 2
        left = self._of(region, box.within(axis, first, middle))
        right = region.reading.less(left)
        halves = [(box.within(axis, first, middle), left), (box.within(axis, middle, end), right)]
        wrong = [region.part(half, reading, axis) for half, reading in halves if reading.wrong]
        if len(wrong) == 1:  # errors that keep to one side may well lie close together
            wrong = [replace(wrong[0], one_sided=True)]
        self._pending += wrong
        if not wrong:  # below what can be measured: there is no smaller block
            self.found.append(Found(box, region.reading, dense=False))

    # -- syndromes ------------------------------------------------------------------------------------------------

    def _decoded(self, region: Region, axes: tuple[int, ...]) -> Box | None:
        """The box narrowed to one index on every axis on which the mismatch sits at one, if it does on one of these."""
        box = region.box
        for axis in axes:
            index = self._decoded_on(region, axis)
            if index is not None:
                others = [
                    a for a in box.long_axes() if a != axis and (a not in axes or axes.index(a) > axes.index(axis))
                ]
                narrowed = region.part(box.within(axis, index, index + 1), region.reading)
                return self._decoded(narrowed, tuple(others)) or narrowed.box
        return None

    def _decoded_on(self, region: Region, axis: int) -> int | None:
        """Coarse groups of indices first, where the mismatch is not clear enough to tell all of them apart."""
        levels = int(min(region.reading.clearness * LEVELS_PER_BOUND, self._finest, max(region.box.shape)))
        while levels >= 2 and region.box.length(axis) > 1:
            first, end = region.box.ranges[axis]
            width = math.ceil((end - first) / levels)
            position = self._syndrome(region, axis, (np.arange(end - first) // width).astype(np.float64))
            if position is None:
                return None
            narrower = region.box.within(axis, first + position * width, min(end, first + (position + 1) * width))
            region = region.part(narrower, region.reading)
        return region.box.ranges[axis][0] if region.box.length(axis) == 1 else None

    @property
    def _finest(self) -> float:
        """The levels that weights of this coarseness can hold."""
        coarseness = self.contributions.coarseness
        return CERTAIN / (4 * coarseness) if coarseness > 0.0 else math.inf

    def _syndrome(self, region: Region, axis: int, group: FloatVector) -> int | None:
        """The one group that all of the mismatch sits in, if its centre of mass is a whole number."""
        last, whole = int(group[-1]), region.reading
        coded = self._weighted(region.cleared(region.box.ramp(axis, 0.5 + group / (2 * last))))
        position = (coded.difference / whole.difference - 0.5) * 2 * last
        doubt = 2 * last * ((coded.bound + whole.bound) / abs(whole.difference) + self.contributions.coarseness)
        if not doubt <= CERTAIN or not -0.5 < position < last + 0.5:
            return None
        nearest = round(position)
        return nearest if abs(position - nearest) <= doubt else None

    # -- samples and edges ----------------------------------------------------------------------------------------

    def _sampled(self, region: Region, count: int) -> list[bool]:
        """Whether each of some random elements is wrong; those that cannot be told are left out."""
        known = [index for index in self.samples if region.holds(index)][-count:]
        drawn = [region.box.random_index(self.generator) for _ in range(count - len(known))]
        said = [self._element(index) for index in (*known, *drawn) if region.holds(index)]
        return [r.wrong for r in said if r.wrong or self._seen_right(r, region, 1)]

    def _seen_right(self, reading: Reading, region: Region, size: int) -> bool:
        """Whether a part of so many elements contributes nothing, and a typical contribution would have been seen."""
        typical = abs(region.reading.difference) * math.sqrt(size / region.box.size)
        return reading.right and SHARP * reading.bound <= typical

    def _trimmed(self, region: Region) -> Box:
        """The box without the edges, on every axis, that contribute nothing."""
        box = region.box
        for axis in box.long_axes():
            first, end = box.ranges[axis]
            ahead = self._right_edge(region, axis, lambda n, f=first: (f, f + n))  # type: ignore[misc]
            behind = self._right_edge(region, axis, lambda n, e=end: (e - n, e))  # type: ignore[misc]
            if ahead + behind < end - first:
                box = box.within(axis, first + ahead, end - behind)
        return box

    def _right_edge(self, region: Region, axis: int, edge: Callable[[int], Range]) -> int:
        """How many indices from an edge on contribute nothing: doubled while they do, then bisected."""
        right, wrong, ask = 0, region.box.length(axis), 1
        while wrong - right > 1:
            part = region.box.within(axis, *edge(ask))
            if self._seen_right(self._of(region, part), region, part.size):
                right = ask
                ask = min(2 * right, (right + wrong) // 2)
            else:
                wrong = ask
                ask = (right + wrong) // 2
        return right

    # -- readings -------------------------------------------------------------------------------------------------

    def _of(self, region: Region, box: Box) -> Reading:
        return self._weighted(region.cleared(box.mask()))

    def _element(self, index: tuple[int, ...]) -> Reading:
        if index not in self.samples:
            self._pay()
            self.samples[index] = self.contributions.alone(index)
        return self.samples[index]

    def _weighted(self, weights: FloatVector) -> Reading:
        self._pay()
        return self.contributions.of(weights)

    def _pay(self) -> None:
        if self.effort <= 0:
            raise EffortSpentError
        self.effort -= 1
