"""Why did the candidate use another batch? Other examples, other labels, or the same examples made otherwise."""

from collections.abc import Iterator

import numpy as np

from gradcheck_kit.side_by_side.cause import Cause, coarser_format, ratio
from gradcheck_kit.side_by_side.scene import Scene, relative
from gradcheck_kit.side_by_side.stages import same_rows
from gradcheck_kit.side_by_side.trainee import Named, Values

AGREES = 1e-12  # relative: arithmetic on pixels leaves this much, another formula far more


def causes(scene: Scene) -> list[Cause]:
    """What the two batches as they were used prove, the likeliest first."""
    mine, theirs = scene.candidate.activations or {}, scene.reference.activations or {}
    if len(mine["inputs"]) != len(theirs["inputs"]):
        told = f"{len(mine['inputs'])} examples, where the reference has {len(theirs['inputs'])}"
        return [Cause("batch-size", told)]
    if relative(theirs["inputs"], mine["inputs"]) == 0.0:
        return list(_of_labels(theirs["labels"], mine["labels"]))
    return list(_of_order(scene, mine)) or list(_of_values(theirs["inputs"], mine["inputs"]))


def _of_order(scene: Scene, mine: Named) -> Iterator[Cause]:
    """Other examples of the same data."""
    for step in (scene.step + 1, scene.step - 1):
        indices = scene.schedule.batch_of(step)
        if indices is not None and same_rows(_as_used(scene, *scene.batch(indices)), mine):
            yield Cause("batch-order", f"step {scene.step} used the batch that belongs to step {step}")
            return
    place = {row: i for i, row in _rows_of_data(scene)}
    rows = [_bytes(row) for row in np.asarray(mine["inputs"], np.float64).reshape(len(mine["inputs"]), -1)]
    found = [place.get(row) for row in rows]
    if None in found:
        return
    wanted = scene.schedule.batch_of(scene.step)
    due = "?" if wanted is None else str(int(wanted[0]))
    told = f"all its rows are examples of the data: its first is example {found[0]}, where example {due} belongs"
    yield Cause("batch-order", told)


def _rows_of_data(scene: Scene) -> Iterator[tuple[int, bytes]]:
    size = scene.schedule.batch_size
    for start in range(0, scene.schedule.examples, size):
        indices = np.arange(start, min(start + size, scene.schedule.examples))
        inputs = _as_used(scene, *scene.batch(indices))["inputs"]
        for i, row in zip(indices, inputs, strict=True):
            yield int(i), _bytes(row)


def _as_used(scene: Scene, inputs: Values, labels: Values) -> Named:
    """As the reference casts them."""
    seen = (scene.reference.activations or {})["inputs"]
    return {"inputs": np.asarray(inputs).astype(seen.dtype).reshape(len(inputs), -1), "labels": labels}


def _bytes(row: Values) -> bytes:
    return np.asarray(row, np.float64).ravel().tobytes()


def _of_labels(theirs: Values, mine: Values) -> Iterator[Cause]:
    for shift in (1, -1):
        if np.array_equal(np.roll(theirs, shift, axis=0), mine):
            yield Cause("labels-shifted", f"the labels are the reference's, rolled by {shift:+d} row")
            return
    wrong = np.flatnonzero((np.asarray(theirs) != np.asarray(mine)).reshape(len(mine), -1).any(axis=1))
    row = int(wrong[0])
    told = (
        f"{len(wrong)} of {len(mine)} labels differ; row {row} has {mine[row]}, where the reference has {theirs[row]}"
    )
    yield Cause("wrong-label", told)


def _of_values(theirs: Values, mine: Values) -> Iterator[Cause]:
    """The same examples, made otherwise."""
    one, other = (np.asarray(a, np.float64).reshape(len(a), -1) for a in (theirs, mine))
    side = round(float(np.sqrt(one.shape[1])))
    if side * side == one.shape[1]:
        turned = one.reshape(-1, side, side).transpose(0, 2, 1).reshape(one.shape)
        if np.array_equal(turned, other):
            yield Cause("transposed-input", f"every image has its {side} rows and columns exchanged")
            return
    shift = other - one
    if relative(np.broadcast_to(shift[0], shift.shape), shift) <= AGREES and np.ptp(shift[0]) > 0:
        yield Cause("normalisation", "each feature is shifted by a constant of its own, the same in every row")
        return
    a = ratio([one - one.mean()], [other - other.mean()])
    b = other.mean() - a * one.mean()
    if relative(other, a * one + b) <= AGREES:
        yield Cause("normalisation", f"its inputs are {a:.10g} × the reference's {b:+.10g}")
        return
    form = coarser_format([mine], [theirs])  # last: k/256 is a float32 number too
    if form is not None:
        yield Cause("lower-precision", f"every input is a {form} number, which the reference's are not")
