"""From "this input is wrong" to its wrong elements, and to the cotangent elements that expose them."""

import math
from itertools import combinations

import numpy as np

from gradcheck_kit.checks.rounds import Measurement
from gradcheck_kit.locate.box import Box
from gradcheck_kit.locate.contributions import Element, OfInput, Reading
from gradcheck_kit.locate.implied import borne_out, sampled_throughout
from gradcheck_kit.locate.location import NAMED, Location, every_sampled, listed
from gradcheck_kit.locate.outputs import of_outputs
from gradcheck_kit.locate.region import Found
from gradcheck_kit.locate.search import Search

EFFORT = 40  # directional derivatives, of about 16 evaluations each
OUTPUT_EFFORT = 32  # VJPs

__all__ = [
    "EFFORT",
    "Box",
    "Element",
    "Location",
    "OfInput",
    "borne_out",
    "exposed_through",
    "locate",
    "sampled_throughout",
]


def locate(measured: OfInput, generator: np.random.Generator, effort: int = EFFORT) -> Location:
    """The wrong elements of the input whose mismatch was measured.

    Args:
        measured: the input, in the round and along the tangent of a strike.
        generator: draws the elements that are sampled.
        effort: how many directional derivatives may be taken.
    """
    search = Search(measured, measured.total, effort, generator).run()
    found = _joined(search.found)
    boxes = tuple(f.box for f in found if f.dense)
    mixed = tuple(f.box for f in found if not f.dense)
    everywhere = not mixed and len(boxes) == 1 and boxes[0].size == math.prod(measured.shape) > 1
    return Location(
        words=_words(measured, found, search.complete, everywhere),
        boxes=boxes,
        mixed=mixed,
        elements=tuple(measured.elements.values()),
        everywhere=everywhere,
        complete=search.complete,
    )


def exposed_through(strike: Measurement, generator: np.random.Generator) -> str | None:
    """The part of the outputs whose cotangent exposes the mismatch, in words; None where that is all of them."""
    sides = of_outputs(strike)
    if sum(math.prod(side.shape) for side in sides.values()) < 2:
        return None
    totals = {name: side.of(np.ones(math.prod(side.shape))) for name, side in sides.items()}
    exposing = [name for name, total in totals.items() if total.wrong]
    if len(exposing) != 1 or not all(totals[name].right for name in sides if name not in exposing):
        return None
    (name,) = exposing
    search = Search(sides[name], totals[name], OUTPUT_EFFORT, generator).run()
    if not search.complete or len(search.found) != 1:
        return f"{name} only" if len(sides) > 1 else None
    box = search.found[0].box
    if box.size < math.prod(box.shape):
        return f"{box.describe(name)} only"
    return f"{name} only" if len(sides) > 1 else None


def _words(measured: OfInput, found: list[Found], complete: bool, everywhere: bool) -> str | None:
    name = measured.name
    if everywhere:
        return every_sampled(name)
    dense = [f for f in found if f.dense]
    parts = [f.box.describe(name) for f in dense[:NAMED]]
    scattered = [f for f in found if not f.dense]
    if not parts and not scattered:
        return None
    if not parts:
        return _mixed(measured, scattered[0].box)
    if not complete or len(dense) > NAMED:
        parts.append(f"{len(dense) - NAMED} more" if complete else "more")
    return listed(parts)


def _mixed(measured: OfInput, box: Box) -> str:
    """Wrong and right elements side by side."""
    asked = [element for index, element in measured.elements.items() if box.holds(index)]
    wrong = sorted(element.index for element in asked if element.wrong)
    share = f"{len(wrong)} of the {len(asked)} elements sampled in {box.describe(measured.name)}"
    return f"{share}, such as {Box.element(box.shape, wrong[0]).describe(measured.name)}" if wrong else share


def _joined(found: list[Found]) -> list[Found]:
    """Neighbouring blocks that make up a larger one become it; the order of the array where none is clearer."""
    dense = [f.box for f in found if f.dense]
    for one, other in combinations(dense, 2):
        union = one.joined(other)
        if union is not None:
            rest = [f for f in found if f.box not in (one, other)]
            return _joined([Found(union, Reading(0.0, 0.0), dense=True), *rest])
    return sorted(found, key=lambda f: (not f.dense, -f.box.size, f.box.first_index))
