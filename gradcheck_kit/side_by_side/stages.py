"""At which stage of a step did two sides part? In order: batch, activations, loss, gradients, update, state,
parameters.

Until the step before, both were equal up to rounding, so that each stage can be compared as it was seen. What rounding
explains of a stage is measured: the reference's own numbers are computed again where the parameters are moved by what
the law allows. The update is compared given the same gradient: the reference's optimiser makes the candidate's step.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

import numpy as np

from gradcheck_kit.side_by_side.distance import losses_apart
from gradcheck_kit.side_by_side.envelope import drift, loss_drift
from gradcheck_kit.side_by_side.moment import Moment
from gradcheck_kit.side_by_side.scene import Scene, relative
from gradcheck_kit.side_by_side.trainee import Named, Values, floating

SPREAD_FACTOR = 4.0  # on the largest of three measured changes
LAST_PLACES = 64.0  # unit roundoffs that a norm may be off by where nothing was seen to move
NO_MORE = 2.0**6  # square roots of the unit roundoff: a stage that scatters more than this many was not measured
THREE_WAY = 8.0  # times the reference's own error against float64
THREE_WAY_PLACES = 16.0  # unit roundoffs: a small tensor may by luck have hardly any error on one side
THREE_WAY_ALIKE = 1.6e4  # unit roundoffs that two sides' outputs of one stage may be apart
STATE_FACTOR = 8.0  # times the gradient's bound: averages of it and of its square
UPDATE_PLACES = 16.0  # unit roundoffs of the parameter and of its step, in one update


@dataclass(frozen=True)
class Apart:
    """One tensor of one stage: its relative distance, and what rounding explains of it."""

    stage: str
    tensor: str
    apart: float
    allowed: float

    @property
    def beyond(self) -> bool:
        return not self.apart <= self.allowed  # NaN too


def first_apart(scene: Scene) -> Apart | None:
    """The first stage and tensor worse than rounding; of one stage's, the first in the order of computation.

    A tensor whose gradient is all rounding does not count: what it makes of it, its state included, is rounding too.
    """
    return next((found for found in compared(scene) if found.beyond), None)


def compared(scene: Scene) -> Iterator[Apart]:
    """Every tensor of every stage that both sides offer, in order."""
    yield from _batch(scene)
    truths = scene.truths()
    if truths is not None:
        yield from _three_way(scene, *truths)
    elif not scene.digits.stepwise:
        yield from _beside_spread(scene)
    yield from of_update(scene)
    if not scene.digits.stepwise:
        for name, values in scene.reference.after.items():
            allowed = drift(scene.unit_roundoff, scene.step)
            yield Apart("parameters", name, scene.apart(name, values, scene.candidate.after[name]), allowed)


def _beside_spread(scene: Scene) -> Iterator[Apart]:
    """The two sides' numbers beside each other, and what rounding explains as measured on the reference."""
    spread, bound = scene.spread(), _Bound(scene.unit_roundoff, scene.step)
    mine, theirs = scene.candidate, scene.reference
    if mine.activations is not None and theirs.activations is not None and not _reordered(scene):
        moved = {} if spread is None else spread.activations or {}
        for there, here in aligned(inner(theirs.activations), inner(mine.activations), bound.largest):
            one, other = theirs.activations[there], mine.activations[here]
            yield Apart("activations", here, relative(one, other), bound.of(moved.get(there)))
    law = loss_drift(scene.unit_roundoff, scene.step, theirs.loss, theirs.slope)
    allowed = max(law, SPREAD_FACTOR * spread.loss if spread else 0.0)
    yield Apart("loss", "loss", float(losses_apart((theirs.loss, mine.loss))), allowed)
    moved = {} if spread is None else spread.gradients or {}
    if mine.gradients is not None and theirs.gradients is not None:
        for name in reversed(list(theirs.gradients)):
            apart = scene.apart(name, theirs.gradients[name], mine.gradients[name])
            yield Apart("gradients", name, apart, bound.of(moved.get(name)))
    yield from _state_before(scene, bound, moved)


def _three_way(scene: Scene, truth: Moment, candidate_truth: Moment) -> Iterator[Apart]:
    """Each side's numbers beside float64 from the same parameters: the candidate's error beside the reference's.

    Where every step is judged, neither side's error may be larger than rounding explains.
    """
    mine, theirs = scene.candidate, scene.reference
    least = THREE_WAY_PLACES * scene.unit_roundoff
    sensitivity = cache(lambda: scene.sensitivity(candidate_truth))

    def judged(stage: str, name: str, errors: tuple[float, float], truth_name: str = "") -> Apart:
        if not scene.digits.stepwise:
            return Apart(stage, name, errors[0], THREE_WAY * errors[1] + least)
        worst = float(np.max(errors))  # NaN stays
        if worst <= least / 2:
            return Apart(stage, name, worst, least)  # whatever more is explained, it is not needed
        moved = getattr(sensitivity(), stage)
        known = moved / scale if stage == "loss" else (moved or {})[truth_name or name]
        return Apart(stage, name, worst, least + SPREAD_FACTOR * float(known))

    scale = max(1.0, abs(truth.loss))
    in_order = not _reordered(scene)
    if in_order and mine.activations and theirs.activations and truth.activations and candidate_truth.activations:
        for there, here in aligned(
            inner(theirs.activations), inner(mine.activations), THREE_WAY_ALIKE * scene.unit_roundoff
        ):
            of_mine = relative(candidate_truth.activations[there], mine.activations[here])
            of_theirs = relative(truth.activations[there], theirs.activations[there])
            yield judged("activations", here, (of_mine, of_theirs), there)
    errors = abs(candidate_truth.loss - mine.loss) / scale, abs(truth.loss - theirs.loss) / scale
    yield judged("loss", "loss", errors)
    if mine.gradients and theirs.gradients and truth.gradients and candidate_truth.gradients:
        for name in reversed(list(theirs.gradients)):
            of_mine = scene.apart(name, candidate_truth.gradients[name], mine.gradients[name])
            of_theirs = scene.apart(name, truth.gradients[name], theirs.gradients[name])
            yield judged("gradients", name, (of_mine, of_theirs))


@dataclass(frozen=True)
class _Bound:
    unit_roundoff: float
    step: int

    @property
    def law(self) -> float:
        return drift(self.unit_roundoff, self.step)

    @property
    def largest(self) -> float:
        return float(NO_MORE * np.sqrt(self.unit_roundoff))

    def of(self, spread: Values | None) -> float:
        """From a measured change; without one, what no stage of a right program was seen to reach."""
        if spread is None:
            return self.largest
        return min(self.largest, SPREAD_FACTOR * float(spread) + LAST_PLACES * self.unit_roundoff)


def _state_before(scene: Scene, bound: _Bound, moved: Named | None) -> Iterator[Apart]:
    """What the step before left: it comes before the update that uses it."""
    mine, theirs = scene.candidate.state_before or {}, scene.reference.state_before or {}
    for key, values in theirs.items():
        if key in mine and "/" in key:
            allowed = STATE_FACTOR * bound.of((moved or {}).get(key.split("/")[0]))
            yield Apart("state", key, scene.apart(key, values, mine[key]), allowed)


def _batch(scene: Scene) -> Iterator[Apart]:
    mine, theirs = scene.candidate.activations, scene.reference.activations
    if mine is None or theirs is None:
        return
    if same_rows(theirs, mine):
        return  # in another order: the same batch
    for name in ("inputs", "labels"):
        if name in mine and name in theirs:
            cast = scene.held_roundoff if scene.digits.mixed and floating(theirs[name]) else 0.0
            yield Apart("batch", name, relative(theirs[name], mine[name]), cast)


def _reordered(scene: Scene) -> bool:
    """Whether the candidate saw the same examples in another order: then its activations are in that order too."""
    return reordered(scene.reference.activations or {}, scene.candidate.activations or {})


def reordered(theirs: Named, mine: Named) -> bool:
    """Whether two batches hold the same examples in another order."""
    return same_rows(theirs, mine) and any(relative(theirs[n], mine[n]) for n in ("inputs", "labels"))


def same_rows(one: Named, other: Named) -> bool:
    """Whether two batches hold the same examples, whatever their order."""
    rows = [sorted(r.tobytes() for r in _rows(seen)) for seen in (one, other)]
    return bool(rows[0]) and rows[0] == rows[1]


def _rows(seen: Named) -> Values:
    if "inputs" not in seen or "labels" not in seen or len(seen["inputs"]) != len(seen["labels"]):
        return np.empty((0, 0))
    number = len(seen["inputs"])
    parts = [np.asarray(seen[name], np.float64).reshape(number, -1) for name in ("inputs", "labels")]
    return np.ascontiguousarray(np.concatenate(parts, axis=1))


def inner(activations: Named) -> dict[str, Values]:
    """The stages after the batch."""
    return {name: values for name, values in activations.items() if name not in ("inputs", "labels")}


def aligned(reference: Named, candidate: Named, allowed: float) -> list[tuple[str, str]]:
    """Which stage of the reference each stage of the candidate is, in order.

    By number where there are equally many of the same sizes. Otherwise each stage of the shorter list is the next one
    of the longer that is equal to it, or failing that, the next of its size.
    """
    mine, theirs = list(candidate), list(reference)
    if [candidate[n].size for n in mine] == [reference[n].size for n in theirs]:
        return list(zip(theirs, mine, strict=True))
    swapped = len(mine) > len(theirs)
    short, long = (reference, candidate) if swapped else (candidate, reference)
    pairs, rest = [], list(long)
    for name, values in short.items():
        sized = [other for other in rest if long[other].size == values.size]
        equal = [other for other in sized if relative(long[other], values) <= allowed]
        if not sized:
            continue
        found = (equal or sized)[0]
        rest = rest[rest.index(found) + 1 :]
        pairs.append((name, found) if swapped else (found, name))
    return pairs


def of_update(scene: Scene) -> Iterator[Apart]:
    """The update and what the optimiser keeps after it, beside the reference's own of the same gradient."""
    mine, theirs = scene.candidate, scene.reference
    expected = scene.updated()
    u = scene.held_roundoff
    if expected is not None:
        for name, values in expected.after.items():
            apart, step = _update_apart(
                *(scene.counted(name, a) for a in (values, mine.after[name], mine.before[name]))
            )
            yield Apart("update", name, apart, UPDATE_PLACES * u * (1 + step))
    made = theirs if expected is None else expected
    allowed = _Bound(scene.unit_roundoff, scene.step).largest if expected is None else LAST_PLACES * u
    if mine.state_after is not None and made.state_after is not None:
        for key, values in made.state_after.items():
            if key in mine.state_after:
                yield Apart("state", key, scene.apart(key, values, mine.state_after[key]), allowed)


def _update_apart(expected: Values, after: Values, before: Values) -> tuple[float, float]:
    """The distance of two updated tensors, and the step's length, both by the tensor's norm."""
    norms = [float(np.linalg.norm(np.asarray(a, np.float64))) for a in (expected - after, before, expected - before)]
    size = norms[1] or norms[2] or 1.0
    return norms[0] / size, norms[2] / size
