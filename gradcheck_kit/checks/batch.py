"""Where the forward treats the rows of a batch alike, does the backward too, and is a batch of one the row of a larger?

Both are asked beside the point, where no two rows are equal by accident; and only what the forward itself shows there
is asked of the backward.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial

import numpy as np

from gradcheck_kit.checks.examination import Examination, Gradients, NotAskedError, passed
from gradcheck_kit.checks.rounding import Place, differing, outputs_differ
from gradcheck_kit.differences.probe import nudged, shrunk
from gradcheck_kit.report import Finding
from gradcheck_kit.space import FORMATS, Array, Arrays, IntVector
from gradcheck_kit.subject import UsageError
from gradcheck_kit.verdict import of_ratio

QUESTION = "batch"
OF_ONE = "batch-of-one"


def ask(examination: Examination) -> list[Finding]:
    """A finding for every gradient that depends on the order of the rows, or is another one for a batch of one."""
    batch = _found(examination)
    findings = _of_order(examination, batch)
    if findings:
        return findings
    single = _of_single(examination, batch)
    if single:
        return single
    said = "permuting the batch permutes the gradients" + ("" if single is None else "; a batch of one agrees")
    return [passed(QUESTION, said)]


@dataclass(frozen=True)
class _Batch:
    """A point in general position, its outputs, which inputs have the batch as their first axis, and its rows."""

    point: Arrays
    outputs: Arrays
    names: tuple[str, ...]
    rows: int

    def moved(self, examination: Examination, arrays: Arrays, order: IntVector) -> dict[str, Array]:
        """The arrays that have the batch, in another order (or some of their rows); the others as they are."""
        library = examination.library
        return {n: library.rows(a, order) if self.has(examination, n, a) else a for n, a in arrays.items()}

    def has(self, examination: Examination, name: str, array: Array) -> bool:
        shape = examination.library.shape(array)
        return (name in self.names or name in self.outputs) and bool(shape) and shape[0] == self.rows


def _found(examination: Examination) -> _Batch:
    """The batch that the subject declares, or that its forward shows.

    Raises:
        NotAskedError: there is none.
    """
    subject, library = examination.subject, examination.library
    shapes = {n: library.shape(a) for n, a in subject.point.items() if n not in subject.parameters}
    unknown = [name for name in subject.batch if name not in shapes]
    if unknown:
        raise UsageError(f"batch={unknown[0]!r} is no input of {subject.name}; its inputs are {', '.join(shapes)}")
    declared = subject.batch or tuple(subject.differentiable)
    rows = next((shapes[n][0] for n in declared if shapes.get(n) and shapes[n][0] > 1), 0)
    if rows == 0:
        raise NotAskedError("no batch axis")
    if not subject.batch and examination.coarsest.half:  # what is not the same for every order may look so by chance
        raise NotAskedError("a batch axis cannot be told in half precision; name it by batch=")
    names = subject.batch or tuple(n for n, shape in shapes.items() if shape and shape[0] == rows)
    for move in (nudged, shrunk):  # the second where the first leaves the domain
        generator = examination.aside(f"{QUESTION}: {move.__name__}")
        point = {n: move(library, generator, a) if library.dtype(a) in FORMATS else a for n, a in subject.point.items()}
        outputs = examination.outputs_at(point)
        if outputs is not None and examination.finite(outputs):
            batch = _Batch(point, outputs, names, rows)
            if not _hidden(examination, batch) and _shown(examination, batch) and _depends(examination, batch):
                return batch
            break
    raise NotAskedError("no batch axis shown")


def _order(examination: Examination, rows: int) -> IntVector:
    """A permutation that leaves no row in its place."""
    return np.roll(np.arange(rows), int(examination.aside("order").integers(1, rows)))


def _hidden(examination: Examination, batch: _Batch) -> bool:
    """Whether zeros could hide what is done to single rows: 0 times a mask is 0, whatever the mask."""
    library, names = examination.library, (n for n in batch.names if n in examination.subject.differentiable)
    return any(bool((library.vector(batch.point[name]) == 0).any()) for name in names)


def _shown(examination: Examination, batch: _Batch) -> bool:
    """Whether the forward of the permuted batch is its outputs, permuted."""
    order = _order(examination, batch.rows)
    permuted = examination.outputs_at(batch.moved(examination, batch.point, order))
    return permuted is not None and not outputs_differ(
        examination, permuted, batch.moved(examination, batch.outputs, order)
    )


def _depends(examination: Examination, batch: _Batch) -> bool:
    """Whether the outputs are others where all rows of one input are its first: what cannot be seen is not shown.

    The product with zero is the same in every order of the other factor; its gradient is not.
    """
    library, first = examination.library, np.zeros(batch.rows, dtype=np.int64)
    for name in (n for n in batch.names if n in examination.subject.differentiable):
        point = {**batch.point, name: library.rows(batch.point[name], first)}
        outputs = examination.outputs_at(point)
        if outputs is None or not outputs_differ(examination, outputs, batch.outputs):
            return False
    return True


def _of_order(examination: Examination, batch: _Batch) -> list[Finding]:
    order = _order(examination, batch.rows)
    u = examination.cotangents(generator=examination.aside(QUESTION))
    straight = examination.pulled(batch.point, u)
    pulled = partial(_pulled, examination, batch, order)
    permuted = pulled(batch.point, u)
    place = Place(batch.point, u, inputs=True, other=pulled)
    wrong = differing(examination, _gradients(examination, batch, straight, order), permuted, place)
    message = "the gradient of {} depends on the order of the rows, which the forward does not"
    return _findings(message, wrong, "batch-order")


def _pulled(examination: Examination, batch: _Batch, order: IntVector, point: Arrays, u: Arrays) -> Gradients:
    """The gradients of these rows alone, in this order."""
    return examination.pulled(batch.moved(examination, point, order), batch.moved(examination, u, order))


def _of_single(examination: Examination, batch: _Batch) -> list[Finding] | None:
    """The first row alone beside the whole batch with a cotangent in its first row only; None if not to be asked."""
    library, first = examination.library, np.zeros(1, dtype=np.int64)
    if not all(batch.has(examination, n, y) for n, y in batch.outputs.items()):
        return None
    point = batch.moved(examination, batch.point, first)
    alone = examination.outputs_at(point)
    if alone is None or outputs_differ(examination, alone, batch.moved(examination, batch.outputs, first)):
        return None
    drawn = examination.cotangents(generator=examination.aside(QUESTION))
    u = {n: library.shaped(library.vector(a) * _mask(examination, batch, a), a) for n, a in drawn.items()}
    whole = examination.pulled(batch.point, u)
    pulled = partial(_pulled, examination, batch, first)
    single = pulled(batch.point, u)
    rows = _gradients(examination, batch, whole, first)
    wrong = differing(examination, rows, single, Place(batch.point, u, inputs=True, other=pulled))
    return _findings("the gradient of {} is another one for a batch of one row", wrong, OF_ONE)


def _mask(examination: Examination, batch: _Batch, like: Array) -> Array:
    count = examination.elements(like)
    return examination.library.place((np.arange(count) < count // batch.rows).astype(np.float64), like)


def _gradients(examination: Examination, batch: _Batch, gradients: Gradients, order: IntVector) -> Gradients:
    given = {n: g for n, g in gradients.items() if g is not None}
    return {**gradients, **batch.moved(examination, given, order)}


def _findings(message: str, wrong: Mapping[str, float], cause: str) -> list[Finding]:
    return [
        Finding(QUESTION, of_ratio(ratio), message.format(name), input=name, cause=cause)
        for name, ratio in wrong.items()
    ]
