"""Large float32 inputs beside a forward in float64: cast as they move, along tangents that are kept in float32."""

from contextlib import suppress
from fractions import Fraction
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch

import gradcheck_kit as gk
from gradcheck_kit.differences.line import kept_in, snapped_tangent, tangent_drawn_by
from gradcheck_kit.differences.probe import Kind, scale_of
from gradcheck_kit.differences.scheme import SCHEMES
from gradcheck_kit.space import BLOCK, FORMATS, NumPy, built
from gradcheck_kit.verdict import Verdict

Array = npt.NDArray[Any]

SIZE = BLOCK + 7
DTYPES = ("float32", "float16")
SMALLEST = FORMATS["float32"].smallest_subnormal


def large(seed: int = 0, dtype: str = "float32") -> Array:
    return np.random.default_rng(seed).uniform(-1.0, 1.0, SIZE).astype(dtype)


# ---------------------------------------------------------------- the tangents


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("kind", Kind)
def test_every_point_of_the_stencil_is_a_number_of_float64_and_every_tangent_one_of_float32(
    dtype: str, kind: Kind
) -> None:
    library, scheme, x = NumPy(), SCHEMES["float64"], large(0, dtype)
    kept = kept_in(library, x, scheme)
    assert kept == FORMATS["float32"]
    scale, generator = scale_of(library, x, False), np.random.default_rng(1)
    drawn = tangent_drawn_by(library, generator, kind, x, large(2), scale, scheme, 2.0**-20 / 3)
    v = built(library, x, drawn, library.blank(x, kept))
    assert v.dtype == np.float32
    assert (v != 0).all()
    for h in (scheme.largest_step, scheme.first_step, scheme.snap_step):
        for element, component in zip(x[::999], v[::999], strict=True):
            moved = np.float64(element) + h * np.float64(component)
            assert Fraction(float(moved)) == Fraction(float(element)) + Fraction(h) * Fraction(float(component))


def test_what_is_kept_in_float32_is_what_was_drawn() -> None:
    library, scheme, x = NumPy(), SCHEMES["float64"], large()
    wanted = np.random.default_rng(3).uniform(0.5, 1.0, SIZE) * 0.1
    snapped = snapped_tangent(library, x, wanted, 0.1, scheme, FORMATS["float32"])
    assert (snapped == snapped.astype(np.float32)).all()
    assert (abs(snapped - wanted) <= 2.0**-24 * wanted * (1 + 2.0**-20)).all()
    assert (wanted != wanted.astype(np.float32)).any()  # so there was something to round


def test_no_element_is_too_small_to_move() -> None:
    library, scheme, x = NumPy(), SCHEMES["float64"], np.zeros(SIZE, np.float32)
    wanted = np.full(SIZE, SMALLEST / 8)
    assert (snapped_tangent(library, x, wanted, SMALLEST / 4, scheme, FORMATS["float32"]) == SMALLEST).all()


def test_small_arrays_and_those_of_float64_keep_their_own() -> None:
    library, scheme = NumPy(), SCHEMES["float64"]
    assert kept_in(library, large()[:BLOCK], scheme) is None
    assert kept_in(library, large().astype(np.float64), scheme) is None
    assert kept_in(library, large(), SCHEMES["float32"]) is None  # its own forward is differentiated


# ---------------------------------------------------------------- the verdicts


def of_two(a: Array, b: Array) -> Array:
    return np.array([(a * np.sin(b)).sum(dtype=np.float64), (b * b).sum(dtype=np.float64)]).astype(a.dtype)


def vjp_of_two(factor: float, element: int | None = None) -> Any:
    def vjp(u: Array, a: Array, b: Array) -> tuple[Array, Array]:
        first, second = u[0] * np.sin(b), u[0] * a * np.cos(b) + 2 * u[1] * b
        wrong = slice(None) if element is None else element
        first[wrong] *= np.float32(factor)
        return first, second

    return vjp


@pytest.mark.parametrize(
    ("factor", "element", "verdict"),
    [(1.0, None, Verdict.PASS), (1.01, None, Verdict.FAIL), (1e4, 123_456, Verdict.FAIL)],
)
def test_of_two_large_inputs_the_wrong_one_is_named(factor: float, element: int | None, verdict: Verdict) -> None:
    """Each is measured alone where they do not agree together: the other then stands still, in float64."""
    report = gk.examine(
        of_two, large(0), large(1), vjp=vjp_of_two(factor, element), questions=["directional"], figures=False
    )
    assert report.reference == "float64"
    assert {f.input: f.verdict for f in report.findings} == {"a": verdict, "b": Verdict.PASS}
    if element is not None:
        assert report.findings[0].index == (element,)


def squares(x: torch.Tensor) -> torch.Tensor:
    return (x * x).reshape(-1, 7).sum(1)


@pytest.mark.parametrize("vmap", [False, True])
def test_the_steps_may_be_made_in_one_call(vmap: bool) -> None:
    x = torch.from_numpy(large()[: BLOCK + 6])
    report = gk.examine(gk.module(squares, x, vmap=vmap), questions=["directional"])
    assert (report.verdict, report.reference) == (Verdict.PASS, "float64")


def test_a_transposed_module_parameter_is_moved_too() -> None:
    torch.manual_seed(0)
    layer = torch.nn.Linear(700, 500)
    layer.weight = torch.nn.Parameter(layer.weight.detach().t().contiguous().t())
    report = gk.examine(layer, torch.randn(2, 700), questions=["directional"])
    assert (report.verdict, report.reference) == (Verdict.PASS, "float64")


# ---------------------------------------------------------------- what is the user's


class Interrupted(torch.nn.Module):
    """Writes into the parameter that it is given, and is stopped at one of its calls."""

    def __init__(self, at: int, stopped_by: type[BaseException]) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.weight = torch.nn.Parameter(torch.randn(BLOCK + 6))
        self.calls, self.at, self.stopped_by = [0], at, stopped_by

    def __deepcopy__(self, memo: dict[int, Any]) -> "Interrupted":
        made = Interrupted(self.at, self.stopped_by)
        made.weight, made.calls = self.weight, self.calls
        return made

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.calls[0] += 1
        found = squares(self.weight) * x
        if not self.weight.requires_grad:  # a leaf must not be written to
            self.weight.mul_(2.0)
        if self.calls[0] == self.at:
            raise self.stopped_by("stopped")
        return found


@pytest.mark.parametrize("at", [2, 5, 9, 14, 25])
@pytest.mark.parametrize("stopped_by", [KeyboardInterrupt, MemoryError])
def test_the_parameters_stay_as_they_are_wherever_a_check_is_stopped(at: int, stopped_by: type[BaseException]) -> None:
    module, x = Interrupted(at, stopped_by), torch.ones(())
    before = module.weight.detach().clone()
    with suppress(stopped_by):
        gk.examine(module, x, wrt="weight", questions=["directional"])
    assert module.calls[0] >= at
    assert torch.equal(module.weight, before)
    assert module.weight.dtype == torch.float32
    assert module.weight.grad is None
