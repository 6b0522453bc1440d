"""A backward's own answers right beside a point: on the smooth pieces that meet there."""

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from gradcheck_kit.checks.examination import Examination
from gradcheck_kit.differences.probe import scale_of, signed_uniform
from gradcheck_kit.space import FORMATS, Array, Arrays, FloatVector, Vector, copies_of, is_finite
from gradcheck_kit.subject import Subject

SAME = 40.0  # steps: relative change of a gradient that curvature explains …
SAME_AT_LEAST = 1e-4

Matrix = npt.NDArray[np.float64]


class NotHereError(Exception):
    """A neighbour has no finite gradient."""


class Neighbourhood:
    """The point and neighbours of it, each element moved at random by √u of its own size."""

    def __init__(self, examination: Examination, count: int) -> None:
        self.subject: Subject = examination.subject
        self.library, self.names = examination.library, examination.subject.differentiable
        self.digits = min(FORMATS[self.library.dtype(self.subject.point[n])].digits for n in self.names)
        self.step = 2.0 ** (-self.digits / 2)
        self.same = max(SAME_AT_LEAST, SAME * self.step)
        self._rays = [self._drawn(examination.generator) for _ in range(count)]

    def _drawn(self, generator: np.random.Generator) -> dict[str, Vector]:
        ray = {}
        for name in self.names:
            array = self.subject.point[name]
            drawn = self.library.place(signed_uniform(generator, len(self.library.vector(array))), array)
            ray[name] = drawn * scale_of(self.library, array, True)
        return ray

    def _moved(self, ray: Mapping[str, Vector], step: float) -> Arrays:
        point = dict(self.subject.point)
        for name, drawn in ray.items():
            array = point[name]
            point[name] = self.library.shaped(self.library.vector(array) + drawn * step, array)
        return point

    def gradients(self, cotangents: Arrays) -> Matrix:
        """All gradients as one vector, a row for the point and one for each neighbour."""
        own = self._pulled([self.subject.point], cotangents)
        return np.concatenate([own, self.gradients_beside(cotangents, self.step)])

    def gradients_beside(self, cotangents: Arrays, step: float) -> Matrix:
        """A row for each neighbour, in the same directions from the point but so far from it."""
        return self._pulled([self._moved(ray, step) for ray in self._rays], cotangents)

    def finite_gradients(self, cotangents: Arrays) -> Matrix:
        """The same as `gradients`.

        Raises:
            NotHereError: one is not finite, or cannot be had.
        """
        rows = self.gradients(cotangents)
        if not np.isfinite(rows).all():
            raise NotHereError
        return rows

    def _pulled(self, points: list[Arrays], cotangents: Arrays) -> Matrix:
        try:
            return np.stack([self._gradient(point, cotangents) for point in points])
        except (ValueError, ArithmeticError, RuntimeError) as error:
            raise NotHereError from error

    def defined(self) -> npt.NDArray[np.bool_]:
        """For each neighbour, whether every output there is finite."""
        return np.array([self._is_defined(self._moved(ray, self.step)) for ray in self._rays])

    def _is_defined(self, point: Arrays) -> bool:
        try:
            outputs = self.subject.forward(copies_of(self.library, point))
        except (ValueError, ArithmeticError, RuntimeError):
            return False
        return all(is_finite(self.library, output) for output in outputs.values())

    def _gradient(self, point: Arrays, cotangents: Arrays) -> FloatVector:
        pulled = self.subject.pullback(copies_of(self.library, point), copies_of(self.library, cotangents))
        return np.concatenate([self._vector(pulled, name) for name in self.names])

    def _vector(self, pulled: Mapping[str, Array | None], name: str) -> FloatVector:
        gradient = pulled.get(name)
        like = self.library.vector(self.subject.point[name])
        return np.array(self.library.numpy(like * 0.0 if gradient is None else self.library.vector(gradient)))

    def pieces(self, rows: Matrix) -> list[FloatVector]:
        """The different gradients among the neighbours' (not the point's own)."""
        found: list[FloatVector] = []
        for row in rows[1:]:
            if not any(self.alike(row, known, rows) for known in found):
                found.append(row)
        return found

    def alike(self, one: FloatVector, other: FloatVector, rows: Matrix) -> bool:
        return bool(np.linalg.norm(one - other) <= self.same * np.linalg.norm(rows, axis=1).max())

    def element(self, position: int) -> tuple[str, tuple[int, ...]]:
        """The input and index that a position in the joint vector is.

        Raises:
            IndexError: it has no such position.
        """
        for name in self.names:
            shape = self.library.shape(self.subject.point[name])
            size = int(np.prod(shape))
            if position < size:
                return name, tuple(int(i) for i in np.unravel_index(position, shape)) if shape else ()
            position -= size
        raise IndexError(position)
