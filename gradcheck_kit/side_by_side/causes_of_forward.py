"""Why did the candidate compute another output of a stage from the same input, or another loss?"""

from collections.abc import Iterator

import numpy as np

from gradcheck_kit.side_by_side.cause import Cause, coarser_format, ratio
from gradcheck_kit.side_by_side.scene import Scene, relative
from gradcheck_kit.side_by_side.stages import Apart, aligned, inner
from gradcheck_kit.side_by_side.trainee import Named, Values

AGREES = 1e-9  # relative: far below any of these differences, far above rounding in float64


def causes(scene: Scene, first: Apart) -> list[Cause]:
    """What the first stage that differs proves."""
    mine, theirs = inner(scene.candidate.activations or {}), inner(scene.reference.activations or {})
    pairs = {here: there for there, here in aligned(theirs, mine, 1e-6)}
    here, there = mine[first.tensor], theirs[pairs[first.tensor]]
    if not np.isfinite(here).all():
        return [Cause("not-finite", f"the output of {first.tensor} has {int((~np.isfinite(here)).sum())} NaN or ∞")]
    stages = list(mine)
    number = stages.index(first.tensor)
    given = mine[stages[number - 1]] if number else (scene.candidate.activations or {}).get("inputs")
    found = [*_of_format(here, there), *_of_mode(here, there, given), *_of_parameters(scene, here, there, given)]
    return found or list(_of_kink(here, there, given))


def _of_format(here: Values, there: Values) -> Iterator[Cause]:
    form = coarser_format([here], [there])
    if form is not None:
        yield Cause("lower-precision", f"every number of this output is a {form} number; the reference's are not")


def _of_mode(here: Values, there: Values, given: Values | None) -> Iterator[Cause]:
    """Dropout and batch norm compute one function in training and another in evaluation."""
    if given is not None and given.size == here.size:
        passed = given.reshape(here.shape)
        for one, other, who in ((here, there, "candidate"), (there, here, "reference")):
            kept = other != 0
            lets_through = relative(passed, one) <= AGREES and not kept[passed != 0].all()
            if lets_through and relative(other[kept], ratio([one[kept]], [other[kept]]) * one[kept]) <= AGREES:
                share = 1 - 1 / ratio([one[kept]], [other[kept]])
                told = (
                    f"the {who} lets everything through, the other side drops a share and scales up (p = {share:.3g})"
                )
                yield Cause("dropout-mode", told)
                return
        if np.any((here == 0) != (there == 0)) and _same_where_both(here, there) and (passed[here == 0] != 0).any():
            yield Cause("dropout-mask", "both drop, but not the same elements: give both the same random stream")
            return
    yield from _of_batch_norm(here, there, given)


def _same_where_both(here: Values, there: Values) -> bool:
    both = (here != 0) & (there != 0)
    return bool(both.any()) and relative(there[both], here[both]) <= AGREES


def _of_batch_norm(here: Values, there: Values, given: Values | None) -> Iterator[Cause]:
    """Both are the input, every channel scaled and shifted; about one mean where only the scale is another.

    A matrix product of inputs that are a factor off is every channel scaled and shifted, too, but no such input.
    """
    if here.ndim < 2 or len(here) < 3 or here.shape != there.shape or given is None or given.shape != here.shape:
        return
    one, other, passed = (
        np.moveaxis(np.asarray(a, np.float64), 1, 0).reshape(a.shape[1], -1) for a in (there, here, given)
    )
    if not _scaled_and_shifted(passed, one) or not _scaled_and_shifted(passed, other):
        return
    spread = one.std(axis=1)
    if np.all(abs(one.mean(axis=1) - other.mean(axis=1)) <= AGREES * spread):
        return  # about one mean: another eps, or another divisor of the variance
    factor = other.std(axis=1) / np.where(spread, spread, 1)
    if np.any(abs(factor - 1) > AGREES):
        told = f"every channel is the reference's times a factor of its own ({factor.min():.4g} to {factor.max():.4g}) "
        yield Cause("batch-norm-mode", told + "plus a shift: batch statistics on one side, running ones on the other")


def _scaled_and_shifted(given: Values, made: Values) -> bool:
    """Whether every channel (row) made is that of the input times a number, plus a number."""
    centred = given - given.mean(axis=1, keepdims=True)
    squares = (centred**2).sum(axis=1, keepdims=True)
    factor = (centred * made).sum(axis=1, keepdims=True) / np.where(squares, squares, 1)
    return relative(made, factor * centred + made.mean(axis=1, keepdims=True)) <= AGREES


def _of_parameters(scene: Scene, here: Values, there: Values, given: Values | None) -> Iterator[Cause]:
    parameters = scene.candidate.before
    for name, p in parameters.items():
        if p.ndim == 1 and here.ndim > 1 and len(p) == here.shape[1] and p.any():
            bias = np.asarray(p, np.float64).reshape(-1, *[1] * (here.ndim - 2))
            if relative(here + bias, there) <= AGREES:
                yield Cause("bias-missing", f"it is the reference's output less {name}")
    if given is None:
        return
    rows = np.asarray(given, np.float64).reshape(len(given), -1)
    for name, p in parameters.items():
        if p.ndim == 2 and p.shape[0] == p.shape[1] == rows.shape[1] and here.shape == (len(rows), len(p)):
            rest = {tuple(np.round(r, 9)) for r in here - rows @ p.T}
            bare = relative(here - (here - rows @ p.T).mean(axis=0), rows @ p.T) <= AGREES
            if bare or len(rest) == 1:
                yield Cause("transposed-weight", f"it is its input times the transpose of {name}")


def _of_kink(here: Values, there: Values, given: Values | None) -> Iterator[Cause]:
    if given is None or given.shape != here.shape:
        return
    right, left = given > 0, given < 0
    if relative(given[right], here[right]) <= AGREES and left.any():
        slope = ratio([given[left]], [here[left]])
        if abs(slope) > AGREES and relative(here[left], slope * given[left]) <= AGREES:
            yield Cause("leaky-slope", f"below zero it has the slope {slope:.4g}, where the reference has another")


def causes_of_loss(scene: Scene) -> list[Cause]:
    """From the two losses, where the outputs are the same."""
    mine, theirs, number = scene.candidate.loss, scene.reference.loss, len(scene.labels)
    if not np.isfinite(mine):
        return [Cause("not-finite", f"the loss is {mine}, the reference's {theirs:.6g}")]
    if theirs == 0.0:
        return []
    factor = mine / theirs
    told = f"the loss is {factor:.10g} × the reference's; the batch has {number} examples"
    full = scene.schedule.batch_size
    named = {"missing-mean": number, "extra-mean": 1 / number, "partial-batch": number / full}
    for slug, wanted in named.items():
        if wanted != 1.0 and abs(factor / wanted - 1) <= AGREES:
            return [Cause(slug, told)]
    return list(_of_decay(scene, mine - theirs)) or _of_gradients(scene, told)


def _of_gradients(scene: Scene, told: str) -> list[Cause]:
    """A factor on the loss alone, or on the gradients too."""
    mine, theirs = scene.candidate.gradients, scene.reference.gradients
    if mine is None or theirs is None:
        return []
    if all(relative(theirs[n], mine[n]) <= AGREES for n in theirs):
        return [Cause("loss-value", f"{told}; all gradients agree, so only the number that is told is off")]
    factor, due = ratio(_in(theirs, theirs), _in(mine, theirs)), scene.candidate.loss / scene.reference.loss
    left = max(relative(mine[n], factor * theirs[n]) for n in theirs)
    if left <= AGREES and abs(factor / due - 1) <= AGREES:
        return [Cause("loss-factor", f"{told}; so is every gradient")]
    return []


def _of_decay(scene: Scene, more: float) -> Iterator[Cause]:
    """A penalty λ/2·Σp² in the loss: its gradient is λp."""
    mine, theirs, before = scene.candidate.gradients, scene.reference.gradients, scene.candidate.before
    if mine is None or theirs is None:
        return
    off = [n for n in theirs if relative(theirs[n], mine[n]) > AGREES]
    if not off:
        return
    decay = ratio([before[n] for n in off], [mine[n] - theirs[n] for n in off])
    squares = sum(float(np.sum(np.square(before[n], dtype=np.float64))) for n in off)
    # Of a network that is homogeneous in its weights, the losses alone agree with that for other labels, too (Euler).
    reproduced = all(relative(mine[n] - theirs[n], decay * before[n]) <= 1e-6 for n in off)
    if reproduced and abs(decay / 2 * squares / more - 1) <= 1e-6:
        told = f"the loss has {decay / 2:.6g} × Σp² over {', '.join(off)} more, and their gradients {decay:.6g} × p"
        yield Cause("weight-decay", told)


def _in(arrays: Named, names: Named) -> list[Values]:
    return [arrays[name] for name in names]
