"""The numerical derivative: its weights, its stencil, and whether its error bound is the truth."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cache
from itertools import pairwise, product
from math import prod
from types import SimpleNamespace
from typing import Any

import mpmath
import numpy as np
import numpy.typing as npt
import pytest
import torch

from gradcheck_kit.adapters.torch_library import Torch
from gradcheck_kit.checks.examination import Examination
from gradcheck_kit.checks.place import Look, Places
from gradcheck_kit.checks.rounds import Round
from gradcheck_kit.differences import extrapolation, line, noise
from gradcheck_kit.differences.estimate import EVALUATIONS, Estimate, Obstacle, differentiate
from gradcheck_kit.differences.line import Line, lattice, snapped_point, tangent_drawn_by
from gradcheck_kit.differences.probe import Kind, Scale, dithered, scale_of, signed_uniform, tangent, typical_size
from gradcheck_kit.differences.scheme import SCHEMES, Scheme
from gradcheck_kit.space import Array, Arrays, Library, NumPy, built
from gradcheck_kit.subject import Subject
from gradcheck_kit.verdict import CLEAR_MARGIN

Values = npt.NDArray[Any]
RUNGS = 6
ORDERS = [(k, j) for k in range(RUNGS) for j in range(min(k, extrapolation.COLUMNS - 1) + 1)]

# ---------------------------------------------------------------- weights


def lagrange(k: int, j: int) -> list[Fraction]:
    """The closed form: the weights that extrapolate a polynomial of degree j in h² to h = 0."""
    squares = [Fraction(1, 4**i) for i in range(RUNGS)]
    weights = [Fraction(0)] * RUNGS
    for m in range(k - j, k + 1):
        weights[m] = prod((squares[i] / (squares[i] - squares[m]) for i in range(k - j, k + 1) if i != m), start=1)
    return weights


@pytest.mark.parametrize(("k", "j"), ORDERS)
def test_romberg_weights_are_the_closed_form(k: int, j: int) -> None:
    found = extrapolation._weights(RUNGS)[k, j]
    for weight, exact in zip(found, lagrange(k, j), strict=True):
        assert abs(Fraction(float(weight)) - exact) <= Fraction(1, 2**50)


@pytest.mark.parametrize(("k", "j"), ORDERS)
def test_romberg_weights_sum_to_one_and_annihilate_the_even_powers(k: int, j: int) -> None:
    exact = lagrange(k, j)
    found = [Fraction(float(weight)) for weight in extrapolation._weights(RUNGS)[k, j]]
    for power in range(j + 1):
        wanted = 1 if power == 0 else 0
        moments = [Fraction(1, 4 ** (i * power)) for i in range(RUNGS)]
        assert sum(w * m for w, m in zip(exact, moments, strict=True)) == wanted
        assert abs(sum(w * m for w, m in zip(found, moments, strict=True)) - wanted) <= Fraction(1, 2**49)
    beyond = sum(w * Fraction(1, 4 ** (i * (j + 1))) for i, w in enumerate(exact))
    assert beyond != 0  # one power more is not annihilated: the order is what it says


@pytest.mark.parametrize("j", range(extrapolation.COLUMNS))
def test_the_error_of_each_column_falls_with_its_order(j: int) -> None:
    steps = [2.0**-k for k in range(1, RUNGS + 1)]
    weights = extrapolation._weights(RUNGS)
    central = np.array([float((mpmath.exp(h) - mpmath.exp(-h)) / (2 * mpmath.mpf(h))) for h in steps])
    errors = [abs(float(weights[k, j] @ central) - 1.0) for k in range(j, RUNGS)]
    for coarse, fine in pairwise(errors):
        if fine > 1e-13:  # above rounding
            assert coarse / fine == pytest.approx(4.0 ** (j + 1), rel=0.3)


def test_fourth_difference_weights_annihilate_cubics_and_have_squared_sum_70() -> None:
    weights = [Fraction(float(w)) for w in noise.FOURTH_DIFFERENCE]
    for power in range(4):
        for start in (-2, 0, 5):
            assert sum(w * Fraction(start + i) ** power for i, w in enumerate(weights)) == 0
    assert sum(w * Fraction(i) ** 4 for i, w in enumerate(weights)) != 0
    assert sum(w * w for w in weights) == 70


# ---------------------------------------------------------------- noise


@pytest.mark.parametrize("sigma", [1e-16, 1e-8, 1.0, 1e6])
@pytest.mark.parametrize("count", [50, 1000])
@pytest.mark.parametrize("seed", range(5))
def test_measured_noise_is_the_true_one_to_a_factor_of_three(sigma: float, count: int, seed: int) -> None:
    """One evaluation's noise: σ in every output, and σ·√count in their sum."""
    generator = np.random.default_rng(seed)
    slope = generator.normal(size=count)
    slope -= slope.mean()
    cluster = [sigma * (0.01 * j * slope + generator.normal(size=count)) for j in noise.OFFSETS]
    measured = noise.measure(cluster, 0.0).sigma
    assert sigma * np.sqrt(count) / 3 <= measured <= 3 * sigma * np.sqrt(count)


def test_noise_is_never_below_its_floor_and_a_cubic_has_none() -> None:
    cubic = [np.array([1.0 + j + 2.0 * j**2 - j**3] * 9) for j in noise.OFFSETS]
    assert noise.measure(cubic, 0.0).sigma == 0.0
    assert noise.measure(cubic, 0.25).sigma == 0.25
    assert noise.measure([v[:1] for v in cubic], 0.25).sigma > 0.25  # few outputs: widened
    assert noise.measure(cubic, 0.25).unexplained == 1.0
    assert noise.Noise(1.0, 0.0).unexplained == np.inf


# ---------------------------------------------------------------- the stencil

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


# ---------------------------------------------------------------- honesty: functions with derivatives from mpmath

SHARED = ["exp", "expm1", "log", "sin", "cos", "tanh", "sqrt"]
MP = SimpleNamespace(
    **{name: np.frompyfunc(getattr(mpmath, name), 1, 1) for name in [*SHARED, "atan", "erf"]},
)


def _np_erf(x: Values) -> Values:
    import scipy.special

    return np.asarray(scipy.special.erf(x), dtype=x.dtype)


NP = SimpleNamespace(**{name: getattr(np, name) for name in SHARED}, atan=np.arctan, erf=_np_erf)
Formula = Callable[[Any, Any], Any]
Draw = Callable[[np.random.Generator], Values]


def _softmax(m: Any, x: Any) -> Any:
    e = m.exp(x)
    return e / e.sum()


def _matmul(m: Any, x: Any) -> Any:
    return x.reshape(2, 3) @ x.reshape(3, 2)


def _normal(g: np.random.Generator) -> Values:
    return g.normal(size=6)


def _positive(g: np.random.Generator) -> Values:
    return g.uniform(0.5, 3.0, 6)


def _decades(g: np.random.Generator) -> Values:
    return 10.0 ** np.arange(-3.0, 3.0) * g.uniform(1, 2, 6)


SMOOTH: dict[str, tuple[Formula, Draw]] = {
    "x": (lambda m, x: x, _normal),
    "x²": (lambda m, x: x * x, _normal),
    "x⁸": (lambda m, x: x**8, _normal),
    "x³ at 1e8": (lambda m, x: x**3, lambda g: 1e8 * g.uniform(1, 2, 4)),
    "1e8 + x²": (lambda m, x: 100_000_000 + x * x, _normal),
    "x·1e-20": (lambda m, x: x * x / 2**66, _normal),
    "1/x": (lambda m, x: 1 / x, _positive),
    "1/(1+x²)": (lambda m, x: 1 / (1 + x * x), _normal),
    "1/(1+25x²)": (lambda m, x: 1 / (1 + 25 * x * x), _normal),
    "exp": (lambda m, x: m.exp(x), _normal),
    "exp(-x²)": (lambda m, x: m.exp(-x * x), _normal),
    "exp(5x)": (lambda m, x: m.exp(5 * x), _normal),
    "expm1": (lambda m, x: m.expm1(x), lambda g: g.normal(size=6) / 1000),
    "log": (lambda m, x: m.log(x), _positive),
    "sqrt": (lambda m, x: m.sqrt(x), _positive),
    "sin": (lambda m, x: m.sin(x), _normal),
    "sin(50x)": (lambda m, x: m.sin(50 * x), _normal),
    "cos at 1000": (lambda m, x: m.cos(x), lambda g: 1000 + g.normal(size=4)),
    "tanh": (lambda m, x: m.tanh(x), _normal),
    "sigmoid, saturated": (lambda m, x: 1 / (1 + m.exp(-x)), lambda g: 8 + g.normal(size=5)),
    "atan": (lambda m, x: m.atan(3 * x), _normal),
    "erf": (lambda m, x: m.erf(x), _normal),
    "gelu": (lambda m, x: x * (1 + m.erf(x / 2)) / 2, _normal),
    "softmax": (_softmax, _normal),
    "log-sum-exp": (lambda m, x: m.log(m.exp(x).sum(keepdims=True)), _normal),
    "matmul": (_matmul, _normal),
    "norm": (lambda m, x: m.sqrt((x * x).sum(keepdims=True)), _normal),
    "product": (lambda m, x: x.prod(keepdims=True), _positive),
    "product of scales": (lambda m, x: x[:3] * x[3:], _decades),
    "sum of scales": (lambda m, x: (x * x).sum(keepdims=True), _decades),
    "cancelling": (lambda m, x: m.exp(x) - 1 - x, lambda g: g.normal(size=6) / 100),
}
SEEDS = range(4)
DTYPES = ["float64", "float32"]


def directional_truth(formula: Formula, x: Values, weights: Values, v: Values) -> mpmath.mpf:
    """⟨u, J v⟩ at exactly x, by mpmath's differentiation at 40 digits."""
    with mpmath.workdps(40):
        base, along = ([mpmath.mpf(float(e)) for e in array] for array in (x, v))
        u = [mpmath.mpf(float(e)) for e in weights.reshape(-1)]

        def at(t: Any) -> Any:
            moved = np.array([b + t * a for b, a in zip(base, along, strict=True)], dtype=object)
            return mpmath.fdot(zip(u, formula(MP, moved).reshape(-1), strict=True))

        return mpmath.diff(at, 0)


def subject_of(formula: Formula, point: Values) -> Subject:
    """The formula in NumPy. Its gradient, a plain difference, only steers the tangents: no truth is taken from it."""

    def pullback(at: Arrays, cotangents: Arrays) -> Mapping[str, Array | None]:
        x, u = at["x"].astype(np.float64), np.asarray(cotangents["y"]).reshape(-1)
        h = 2.0**-20 * (abs(x).max() or 1.0)
        change = [formula(NP, x + h * e) - formula(NP, x - h * e) for e in np.eye(len(x))]
        return {"x": np.array([u @ d.reshape(-1) / (2 * h) for d in change], dtype=at["x"].dtype)}

    return Subject("planted", NumPy(), {"x": point}, ("x",), lambda at: {"y": formula(NP, at["x"])}, pullback)


@dataclass(frozen=True)
class Drawn:
    """One estimate beside the truth."""

    what: str
    estimate: Estimate
    truth: float

    def dishonest(self, bounds: float = 1.0) -> bool:
        error = self.estimate.error
        return error < np.inf and not abs(self.estimate.value - self.truth) <= bounds * error


@cache
def draws_of(name: str, dtype: str) -> list[Drawn]:
    """Every seed × kind of one function in one dtype."""
    return list(_drawn(name, dtype))


def _drawn(name: str, dtype: str) -> Iterator[Drawn]:
    formula, draw = SMOOTH[name]
    for seed in SEEDS:
        generator = np.random.default_rng([seed, 17])
        subject = subject_of(formula, draw(generator).astype(dtype))
        examination = Examination(subject, subject.forward(subject.point), generator, 1e-6)
        places = Places(examination)
        for kind in Kind:
            look = Look(kind, 1.0, per_element=seed % 2 == 1)
            for how in filter(None, (places.lean(look), look)):
                asked = Round(examination, how, places)
                measured = asked.measure(["x"])
                u, v = asked.backward.cotangents["y"], measured.tangents["x"]
                truth = directional_truth(formula, asked.place.point["x"], u, v)
                what = f"{name} {dtype} seed {seed} {kind.value}{' lean' * how.lean}"
                yield Drawn(what, measured.estimate, float(truth))


# Rounding errors of 50·x on lattice points are no independent noise: 1 draw in 100 is off by up to 1.5 bounds.
LOOSE = {("sin(50x)", "float32"): 1.5}


@pytest.mark.parametrize(("name", "dtype"), list(product(SMOOTH, DTYPES)))
def test_the_error_covers_the_truth(name: str, dtype: str) -> None:
    assert [draw for draw in draws_of(name, dtype) if draw.dishonest(LOOSE.get((name, dtype), 1.0))] == []


@pytest.mark.parametrize("name", SMOOTH)
@pytest.mark.parametrize("dtype", DTYPES)
def test_no_estimate_is_off_by_what_would_count_against_a_gradient(name: str, dtype: str) -> None:
    """Three bounds make a strike; here not even the backward's own rounding is added."""
    for draw in draws_of(name, dtype):
        if draw.estimate.smooth:
            assert abs(draw.estimate.value - draw.truth) <= CLEAR_MARGIN * draw.estimate.error, draw.what


UNSEEN = {"cos at 1000", "cancelling"}  # finer than the steps; mostly noise


@pytest.mark.parametrize("name", [name for name in SMOOTH if name not in UNSEEN])
def test_smooth_functions_are_mostly_recognised_as_smooth(name: str) -> None:
    """Else the honesty above would be that of a bound never given."""
    draws = [draw for dtype in DTYPES for draw in draws_of(name, dtype)]
    assert sum(draw.estimate.smooth for draw in draws) >= 0.7 * len(draws)


def test_rounding_is_that_of_the_stencil_where_the_value_vanishes_at_the_point() -> None:
    """φ(0) = 0 has no last place; the outputs at the steps have."""
    for factor in np.linspace(0.1, 3, 25).astype(np.float32):
        found = Probe(lambda x, c=factor: c * x + c * x * x / 3, np.zeros(1, np.float32), np.array([0.8125])).estimate()
        assert abs(found.value - float(factor) * 0.8125) <= found.error


def test_a_dishonest_estimate_is_caught_by_the_same_assertion() -> None:
    draws = [d for name in ("exp", "tanh", "softmax", "x³ at 1e8") for dtype in DTYPES for d in draws_of(name, dtype)]
    planted = [
        replace(
            draw,
            estimate=replace(
                draw.estimate,
                rounding=draw.estimate.rounding / 1e4,
                truncation=draw.estimate.truncation / 1e4,
                curvature=draw.estimate.curvature / 1e4,
            ),
        )
        for draw in draws
    ]
    assert sum(draw.dishonest() for draw in planted) > len(planted) / 2


def test_the_bound_is_useful_not_only_honest() -> None:
    for name, dtype in product(("exp", "sin", "softmax", "matmul", "tanh", "1/(1+x²)"), DTYPES):
        for draw in draws_of(name, dtype):
            limit = 1e-8 if dtype == "float64" else 1e-2
            assert draw.estimate.error <= limit * draw.estimate.size, draw.what


# ---------------------------------------------------------------- several inputs moving together

PAIRS: dict[str, tuple[Callable[[Any, Any, Any], Any], float, float]] = {
    "product of scales": (lambda m, a, b: a * b, 1e3, 1e-2),
    "a square beside an exponential": (lambda m, a, b: m.exp(a) * b * b, 1.0, 30.0),
    "sin of a sum": (lambda m, a, b: m.sin(a + b), 1.0, 1.0),
    "a quotient": (lambda m, a, b: a / (2 + b * b), 100.0, 1.0),
    "one that hardly matters": (lambda m, a, b: a + b / 1024, 1.0, 1.0),
}


def pair_of(name: str, dtype: str, seed: int, kind: Kind, together: bool) -> tuple[Round, Callable[[str], mpmath.mpf]]:
    """A round of two inputs, and the truth along the tangents of one of them, or of both for "ab"."""
    formula, *sizes = PAIRS[name]
    generator = np.random.default_rng([seed, 23])
    point = {n: (size * generator.uniform(0.5, 1.5, 5)).astype(dtype) for n, size in zip("ab", sizes, strict=True)}

    def at(given: Mapping[str, Any]) -> Any:
        return formula(NP, given["a"], given["b"])

    def pullback(given: Arrays, cotangents: Arrays) -> Mapping[str, Array | None]:
        wide = {n: given[n].astype(np.float64) for n in "ab"}
        steps = {n: 2.0**-20 * abs(wide[n]).max() for n in "ab"}
        change = {n: at({**wide, n: wide[n] + h}) - at({**wide, n: wide[n] - h}) for n, h in steps.items()}
        return {n: (cotangents["y"] * change[n] / (2 * steps[n])).astype(dtype) for n in "ab"}

    subject = Subject("planted", NumPy(), point, ("a", "b"), lambda given: {"y": at(given)}, pullback)
    examination = Examination(subject, subject.forward(point), generator, 1e-6)
    asked = Round(examination, Look(kind, 1.0, together=together), Places(examination))

    def truth(moving: str) -> mpmath.mpf:
        def along(t: Any) -> Any:
            moved = {
                n: np.array(
                    [mpmath.mpf(float(x)) + (t * float(v) if n in moving else 0) for x, v in zip(*both, strict=True)]
                )
                for n, both in {n: (asked.place.point[n], asked.tangents[n]) for n in "ab"}.items()
            }
            weights = [mpmath.mpf(float(u)) for u in asked.backward.cotangents["y"]]
            return mpmath.fdot(zip(weights, formula(MP, moved["a"], moved["b"]), strict=True))

        with mpmath.workdps(40):
            return mpmath.diff(along, 0)

    return asked, truth


@pytest.mark.parametrize("name", PAIRS)
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("moving", ["a", "b", "ab"])
def test_the_error_covers_the_truth_when_inputs_move_together(name: str, dtype: str, moving: str) -> None:
    for seed, kind in product(range(2), Kind):
        asked, truth = pair_of(name, dtype, seed, kind, together=True)
        found = asked.measure(list(moving)).estimate
        assert found.smooth
        assert abs(found.value - float(truth(moving))) <= found.error, (seed, kind)


@pytest.mark.parametrize("name", PAIRS)
@pytest.mark.parametrize("kind", list(Kind))
def test_inputs_that_move_together_contribute_alike(name: str, kind: Kind) -> None:
    alike, apart = (
        pair_of(name, "float64", 0, kind, together)[0].measure(["a", "b"]).seen for together in (True, False)
    )
    assert max(alike.sizes.values()) <= 4 * min(alike.sizes.values())
    ratio = max(apart.sizes.values()) / min(apart.sizes.values())
    assert ratio > 100 or name != "one that hardly matters"  # so there was something to even out
    whole = sum if kind is Kind.ALIGNED else lambda sizes: np.hypot(*sizes)  # what is aligned does not cancel
    assert alike.comparison.scale == pytest.approx(whole(alike.sizes.values()))


# ---------------------------------------------------------------- kinks, jumps, edges


@dataclass
class Probe:
    """A NumPy function of one array along the tangent `v`, with its evaluations counted."""

    f: Callable[[Values], Values]
    x: Values
    v: Values
    calls: int = 0

    def estimate(self) -> Estimate:
        def forward(at: Arrays) -> Mapping[str, Array]:
            self.calls += 1
            return {"y": self.f(at["x"])}

        scheme = SCHEMES[str(self.x.dtype)]
        outputs = forward({"x": self.x})
        self.calls = 0
        u = {"y": np.ones(np.asarray(outputs["y"]).size)}
        probed = Line(NumPy(), forward, {"x": self.x}, {"x": self.v.astype(self.x.dtype)}, u)
        return differentiate(probed.sample, probed.rounding_floor(outputs), scheme, float(np.linalg.norm(self.v)))


def relu(x: Values) -> Values:
    return np.maximum(x, 0)


# Each kink is a whole number of 2^-20 away from x = 1, inside the first stencil ±2^-5.
OFFSETS = [2.0**-k for k in (6, 7, 8, 9, 10, 12)]


@pytest.mark.parametrize("offset", [*OFFSETS, *(-o for o in OFFSETS)])
@pytest.mark.parametrize(("f", "left", "right"), [(abs, -1.0, 1.0), (relu, 0.0, 1.0)], ids=["abs", "relu"])
def test_a_kink_inside_the_stencil_leaves_the_value_right(
    f: Callable[[Values], Values], left: float, right: float, offset: float
) -> None:
    found = Probe(lambda x: f(x - 1.0 + offset), np.array([1.0]), np.array([1.0])).estimate()
    truth = right if offset > 0 else left
    assert abs(found.value - truth) <= found.error


@pytest.mark.parametrize("f", [abs, relu, lambda x: np.maximum(x, 2 * x), lambda x: abs(x) + x**2], ids=range(4))
@pytest.mark.parametrize("v", [1.0, -0.5])
@pytest.mark.parametrize("dtype", DTYPES)
def test_a_kink_at_the_point_itself_never_has_a_small_error(
    f: Callable[[Values], Values], v: float, dtype: str
) -> None:
    found = Probe(f, np.zeros(1, dtype), np.array([v])).estimate()
    assert not found.smooth or found.error >= 0.1 * abs(v)


@pytest.mark.parametrize(("left", "right"), [(-1.0, 1.0), (0.0, 1.0), (0.25, 2.0), (1.0, -3.0)])
@pytest.mark.parametrize("v", [1.0, -0.5])
@pytest.mark.parametrize("dtype", DTYPES)
def test_at_a_kink_the_value_is_the_mean_slope_and_the_jump_is_told(
    left: float, right: float, v: float, dtype: str
) -> None:
    def bent(x: Values) -> Values:
        return np.where(x > 0, right * x, left * x).astype(x.dtype)

    found = Probe(bent, np.zeros(1, dtype), np.array([v])).estimate()
    assert found.obstacle is Obstacle.KINK
    assert found.value == pytest.approx(v * (left + right) / 2)
    assert found.half_jump == pytest.approx(abs(v * (right - left)) / 2)
    assert found.error_at_kink is not None
    assert found.error_at_kink >= found.half_jump
    smooth = Probe(np.sin, np.ones(1, dtype), np.array([v])).estimate()
    assert (smooth.half_jump, smooth.error_at_kink) == (0.0, None)


def test_an_estimate_that_is_not_trusted_has_an_infinite_error() -> None:
    found = Probe(np.sin, np.ones(1), np.ones(1)).estimate()
    assert found.trusted
    assert found.error < 1e-9
    assert replace(found, trusted=False).error == np.inf


@pytest.mark.parametrize("offset", [0.0, 2.0**-22, 2.0**-19, 2.0**-12, 2.0**-7, 2.0**-6, -(2.0**-7)])
@pytest.mark.parametrize("height", [1e-3, 1.0])
def test_a_jump_never_yields_a_wrong_value_with_a_small_error(offset: float, height: float) -> None:
    """f' = 1 on both sides of a jump at 1 + offset."""
    found = Probe(lambda x: x + height * (x > 1 + offset), np.array([1.0]), np.array([1.0])).estimate()
    assert not found.smooth or abs(found.value - 1.0) <= found.error


def test_the_assertion_on_jumps_can_fail() -> None:
    """A naive central difference across a jump is wrong by height ÷ 2h."""
    h = 2.0**-7
    naive = ((1 + h + 1.0) - (1 - h)) / (2 * h)
    assert abs(naive - 1.0) > 10


EDGES: dict[str, tuple[Callable[[Values], Values], Callable[[float], float]]] = {
    "sqrt": (np.sqrt, lambda x: 0.5 / x**0.5),
    "log": (np.log, lambda x: 1 / x),
    "x log x": (lambda x: x * np.log(x), lambda x: 1 + float(np.log(x))),
}


@pytest.mark.parametrize("name", EDGES)
@pytest.mark.parametrize("x", [2.0**-6, 2.0**-8, 2.0**-10])
def test_near_the_edge_of_the_domain_the_step_shrinks(name: str, x: float) -> None:
    f, derivative = EDGES[name]
    probe = Probe(f, np.array([x]), np.array([1.0]))
    found = probe.estimate()
    assert found.step < x / 2 < SCHEMES["float64"].first_step
    assert not found.smooth or abs(found.value - derivative(x)) <= found.error
    assert probe.calls <= EVALUATIONS


class OutsideError(Exception):
    """Raised by a function beyond its domain."""


def _raises_below_zero(x: Values) -> Values:
    if (x <= 0).any():
        raise OutsideError
    return np.log(x)


@pytest.mark.parametrize("x", [2.0**-k for k in (1, 6, 8, 12, 16, 19, 20, 30)])
def test_a_function_that_raises_beyond_the_edge_gives_an_estimate_or_an_obstacle(x: float) -> None:
    probe = Probe(_raises_below_zero, np.array([x]), np.array([1.0]))
    found = probe.estimate()
    assert probe.calls <= EVALUATIONS
    if found.smooth:
        assert abs(found.value - 1 / x) <= found.error
    elif np.isnan(found.value):
        assert found.obstacle is Obstacle.DOMAIN
        assert found.error == np.inf


@pytest.mark.parametrize(
    "f",
    [np.sin, abs, lambda x: np.sin(1e4 * x), lambda x: 1e8 + x, lambda x: np.floor(1e3 * x), lambda x: x**60],
    ids=range(6),
)
@pytest.mark.parametrize("dtype", DTYPES)
def test_never_more_evaluations_than_allowed_and_the_count_is_told(f: Callable[[Values], Values], dtype: str) -> None:
    probe = Probe(f, np.array([1.0, 0.0, -0.7], dtype), np.array([1.0, 0.5, -0.75]))
    found = probe.estimate()
    assert found.evaluations == probe.calls <= EVALUATIONS


def test_nan_at_the_base_is_an_obstacle_of_the_domain() -> None:
    found = Probe(lambda x: x * np.nan, np.array([1.0]), np.array([1.0])).estimate()
    assert found.obstacle is Obstacle.DOMAIN
    assert np.isnan(found.value)
    assert found.error == np.inf


@pytest.mark.parametrize("x", [-400.0, -710.0, -718.0, -725.0])
def test_the_error_covers_the_truth_where_the_squares_of_the_values_underflow(x: float) -> None:
    probe = Probe(np.exp, np.array([x]), np.array([1.0]))
    found = probe.estimate()
    assert abs(found.value - float(mpmath.exp(x))) <= found.error < 1e-3 * found.value
    assert found.evaluations == probe.calls <= EVALUATIONS


def test_an_exception_at_the_base_is_the_callers() -> None:
    probed = Line(
        NumPy(),
        lambda at: {"y": _raises_below_zero(at["x"])},
        {"x": np.array([-1.0])},
        {"x": np.ones(1)},
        {"y": np.ones(1)},
    )
    with pytest.raises(OutsideError):
        probed.sample(0.0)


# ---------------------------------------------------------------- large outputs


def _wide(x: Values) -> Values:
    return np.sin(np.outer(np.linspace(0.0, 3.0, 10_000), x)).reshape(-1)  # 50,000 outputs of 5 inputs


def test_large_outputs_are_summed_in_buckets_with_the_same_value(monkeypatch: pytest.MonkeyPatch) -> None:
    generator = np.random.default_rng(5)
    x, v = generator.normal(size=5), generator.uniform(0.5, 1, 5)
    x, v = (np.round(a * 2**12) / 2**12 for a in (x, v))
    u = generator.choice([-1.0, 1.0], 50_000) * generator.uniform(0.5, 1, 50_000)
    probed = Line(NumPy(), lambda at: {"y": _wide(at["x"])}, {"x": x}, {"x": v}, {"y": u})
    floor = probed.rounding_floor({"y": _wide(x)})
    found = []
    for buckets in (line.BUCKETS, 10**6):
        monkeypatch.setattr(line, "BUCKETS", buckets)
        sampled = probed.sample(0.0)
        assert sampled is not None
        assert len(sampled) <= min(buckets + 1, 50_000)
        found.append(differentiate(probed.sample, floor, SCHEMES["float64"], 100.0))
    k = np.linspace(0.0, 3.0, 10_000)[:, None]
    truth = float(u @ (k * v * np.cos(k * x)).reshape(-1))
    for estimate in found:
        assert estimate.smooth
        assert abs(estimate.value - truth) <= estimate.error
    sketched, exact = found
    assert sketched.value == pytest.approx(exact.value, abs=sketched.error + exact.error)
    assert 0.5 < sketched.size / exact.size < 2  # random signs keep the norm
