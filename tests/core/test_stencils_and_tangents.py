"""Stencils and dithers are numbers of the format, and tangents let no element hide and none drown."""

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from math import prod
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch

from gradcheck_kit.adapters.torch_library import Torch
from gradcheck_kit.differences import noise
from gradcheck_kit.differences.line import lattice, snapped_point, tangent_drawn_by
from gradcheck_kit.differences.probe import Kind, Scale, dithered, scale_of, signed_uniform, tangent, typical_size
from gradcheck_kit.differences.scheme import SCHEMES, Scheme
from gradcheck_kit.space import Array, Library, NumPy, built

Values = npt.NDArray[Any]


BFLOAT16 = "bfloat16"
FORMAT_NAMES = ["float16", "float32", "float64", BFLOAT16]


def library_of(dtype: str) -> Library:
    return Torch() if dtype == BFLOAT16 else NumPy()


def array_of(values: Values, dtype: str) -> Array:
    return torch.tensor(values).to(torch.bfloat16) if dtype == BFLOAT16 else values.astype(dtype)


def _zeros_between(g: np.random.Generator) -> Values:
    return g.normal(size=13) * (g.uniform(size=13) < 0.6)


POINTS: dict[str, Callable[[np.random.Generator], Values]] = {
    "normal": lambda g: g.normal(size=13),
    "zeros between": _zeros_between,
    "all zero": lambda g: np.zeros(5),
    "powers of two": lambda g: np.array([-8.0, -1.0, -0.5, 0.25, 1.0, 2.0, 4.0]),
    "just below powers of two": lambda g: np.array([1.0, 2.0, 4.0]) * (1 - 2.0**-8),
    "five decades": lambda g: g.choice([-1, 1], 13) * 10.0 ** g.uniform(-3, 2, 13),
    "one dwarfs the rest": lambda g: np.array([1e3, 1e-3, -1e-3, 0.0, 2e-3]),
    "far from zero": lambda g: 1000.0 + g.normal(size=9),
    "a scalar": lambda g: np.array(1.7),
}
STENCILS = [pytest.param(d, p, id=f"{d}-{p}") for d in FORMAT_NAMES for p in POINTS]


@dataclass
class Stencil:
    library: Library
    before: Array
    scale: Scale
    scheme: Scheme
    point: Array
    tangent: Array

    @classmethod
    def draw(cls, dtype: str, point: str, per_element: bool, kind: Kind, seed: int, shrink: float = 1) -> "Stencil":
        generator, library = np.random.default_rng(seed), library_of(dtype)
        like = array_of(POINTS[point](generator), dtype)
        scheme = SCHEMES[dtype].smaller(shrink)
        scale = scale_of(library, like, per_element)
        gradient = library.place(gradient_like(prod(library.shape(like)), generator), like)
        here = snapped_point(library, like, scale, scheme)
        slopes = library.shaped(gradient, like)
        drawn = built(library, here, tangent_drawn_by(library, generator, kind, here, slopes, scale, scheme))
        return cls(library, like, scale, scheme, here, drawn)

    def steps(self) -> list[float]:
        """Every step a ladder may take, and the cluster's."""
        ladder, h = [], self.scheme.largest_step
        while h >= self.scheme.smallest_step:
            ladder.append(h)
            h /= 2
        return ladder + [abs(j) * self.scheme.noise_step for j in noise.OFFSETS if j]

    def scales(self) -> list[float]:
        """One for each element."""
        scale = self.scale if isinstance(self.scale, float) else self.library.numpy(self.scale)
        return list(np.broadcast_to(scale, prod(self.library.shape(self.before))))

    def numbers(self, array: Array) -> list[Fraction]:
        return [Fraction(float(v)) for v in self.library.numpy(self.library.vector(array))]


def gradient_like(count: int, generator: np.random.Generator) -> Values:
    """Signs of both kinds, zeros, and many magnitudes."""
    signs = generator.choice([-1.0, 0.0, 1.0], count, p=[0.4, 0.2, 0.4])
    return signs * 10.0 ** generator.uniform(-4, 4, count)


@pytest.mark.parametrize(("dtype", "point"), STENCILS)
@pytest.mark.parametrize("per_element", [False, True], ids=["whole", "per element"])
@pytest.mark.parametrize("shrink", [1, 8])
def test_every_stencil_point_is_a_number_of_the_format(dtype: str, point: str, per_element: bool, shrink: int) -> None:
    drawn = Stencil.draw(dtype, point, per_element, Kind.PLAIN, seed=3, shrink=shrink)
    library, here, v = drawn.library, drawn.point, drawn.tangent
    assert (library.dtype(v), library.shape(v)) == (library.dtype(here), library.shape(here))
    exact_x, exact_v = drawn.numbers(here), drawn.numbers(v)
    for h in drawn.steps():
        up, down = (drawn.numbers(library.moved(here, v, t)) for t in (h, -h))
        for x, c, plus, minus in zip(exact_x, exact_v, up, down, strict=True):
            assert plus == x + Fraction(h) * c
            assert minus == x - Fraction(h) * c
            assert plus != x  # no element stands still


@pytest.mark.parametrize(("dtype", "point"), STENCILS)
@pytest.mark.parametrize("per_element", [False, True], ids=["whole", "per element"])
def test_the_point_moves_by_half_a_unit_of_the_stencil_at_most(dtype: str, point: str, per_element: bool) -> None:
    drawn = Stencil.draw(dtype, point, per_element, Kind.PLAIN, seed=4)
    digits = drawn.scheme.form.digits
    before, after, v = (drawn.numbers(array) for array in (drawn.before, drawn.point, drawn.tangent))
    for x, moved, c, s in zip(before, after, v, drawn.scales(), strict=True):
        assert (x == 0) == (moved == 0)
        reach = float(abs(x)) + drawn.scheme.largest_step * max(float(abs(c)), s)
        unit = Fraction(2) ** (int(np.frexp(reach)[1]) - digits)
        if abs(x) < unit / 2:
            assert abs(moved) <= unit  # rather one unit than a new zero
        else:
            assert abs(moved - x) <= unit / 2


@pytest.mark.parametrize("dtype", FORMAT_NAMES)
@pytest.mark.parametrize("per_element", [False, True], ids=["whole", "per element"])
@pytest.mark.parametrize("seed", range(5))
def test_tangent_components_lie_between_half_the_scale_and_the_scale(dtype: str, per_element: bool, seed: int) -> None:
    drawn = Stencil.draw(dtype, "five decades", per_element, Kind.PLAIN, seed)
    library = drawn.library
    q = library.numpy(lattice(library, drawn.point, drawn.scale, drawn.scheme)) / drawn.scheme.snap_step
    v, scale = abs(library.numpy(library.vector(drawn.tangent))), np.array(drawn.scales())
    assert ((v >= scale / 2 - q / 2) & (v <= np.maximum(scale + q / 2, q))).all()
    assert (v > 0).all()


@pytest.mark.parametrize("dtype", FORMAT_NAMES)
@pytest.mark.parametrize("seed", range(5))
def test_an_aligned_tangent_has_the_gradients_signs(dtype: str, seed: int) -> None:
    generator, library = np.random.default_rng(seed), library_of(dtype)
    like = array_of(generator.normal(size=40), dtype)
    gradient = gradient_like(40, generator)
    scale = scale_of(library, like, False)
    slopes = library.shaped(library.place(gradient, like), like)
    by_block = tangent_drawn_by(library, generator, Kind.ALIGNED, like, slopes, scale, SCHEMES[dtype])
    drawn = built(library, like, by_block)
    snapped = library.numpy(library.vector(drawn))
    nonzero = gradient != 0
    assert (np.sign(snapped)[nonzero] == np.sign(gradient)[nonzero]).all()
    assert (snapped != 0).all()


@pytest.mark.parametrize("seed", range(5))
def test_an_equalised_tangent_never_exceeds_its_scale_and_lets_no_element_drown_the_rest(seed: int) -> None:
    generator, library = np.random.default_rng(seed), NumPy()
    like, gradient = generator.normal(size=101), gradient_like(101, generator)
    scale = scale_of(library, like, False)
    v = tangent(library, generator, Kind.EQUALISED, like, gradient, scale, typical_size(library, gradient))
    assert (abs(v) <= scale).all()
    contribution = abs(gradient * v)
    typical = np.median(abs(gradient)) * scale
    assert contribution.max() <= typical * (1 + 1e-12)
    plain = abs(gradient) * scale
    assert plain.max() > 100 * typical  # so there was something to equalise


@pytest.mark.parametrize("dtype", FORMAT_NAMES)
def test_a_dither_moves_every_element_by_one_unit_and_leaves_zeros(dtype: str) -> None:
    library, generator = library_of(dtype), np.random.default_rng(0)
    like = array_of(np.array([0.0, 1.5, -3.0, 1e-3, 700.0]), dtype)
    moved = dithered(library, generator, like)
    before, after = (library.numpy(library.vector(a)) for a in (like, moved))
    digits = SCHEMES[dtype].form.digits
    assert before[0] == after[0] == 0.0
    assert (abs(after - before)[1:] == 2.0 ** (np.frexp(abs(before[1:]))[1] - digits)).all()


def test_signed_uniform_is_never_small_and_has_both_signs() -> None:
    drawn = signed_uniform(np.random.default_rng(0), 1000)
    assert ((abs(drawn) >= 0.5) & (abs(drawn) <= 1)).all()
    assert 400 < (drawn > 0).sum() < 600


@pytest.mark.parametrize("dtype", FORMAT_NAMES)
@pytest.mark.parametrize("factor", [2.0**-8, 1.0, 2.0**9])
def test_the_scale_of_an_array_scales_with_it(dtype: str, factor: float) -> None:
    library = library_of(dtype)
    values = np.array([1.0, -2.0, 4.0])
    for per_element in (False, True):
        one, other = (np.asarray(scale_of(library, array_of(f * values, dtype), per_element)) for f in (1, factor))
        np.testing.assert_allclose(other, factor * one, rtol=4 * SCHEMES[dtype].form.unit_roundoff)
