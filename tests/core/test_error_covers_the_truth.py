"""On smooth functions, with derivatives from mpmath, the error of an estimate covers the truth and is small."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cache
from itertools import product
from types import SimpleNamespace
from typing import Any

import mpmath
import numpy as np
import numpy.typing as npt
import pytest

from gradcheck_kit.checks.examination import Examination
from gradcheck_kit.checks.place import Look, Places
from gradcheck_kit.checks.rounds import Round
from gradcheck_kit.differences.estimate import Estimate
from gradcheck_kit.differences.probe import Kind
from gradcheck_kit.space import Array, Arrays, NumPy
from gradcheck_kit.subject import Subject
from gradcheck_kit.verdict import CLEAR_MARGIN

Values = npt.NDArray[Any]
DTYPES = ["float64", "float32"]


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
