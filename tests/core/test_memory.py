"""How many copies of its inputs a check holds at once: 10⁷ parameters are checked in the memory of a few of them.

NumPy's memory is traced exactly (`tracemalloc`). Of torch's every storage that an operation returns is counted for as
long as it lives; what one operation needs inside itself is not seen.
"""

import copy
import tracemalloc
import weakref
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

import gradcheck_kit as gk
from gradcheck_kit.checks import casting, linearity, rounds
from gradcheck_kit.checks.examination import Examination, widened
from gradcheck_kit.checks.place import Place
from gradcheck_kit.checks.rounds import Round
from gradcheck_kit.differences.probe import random_tangent
from gradcheck_kit.space import BLOCK, FORMATS, NumPy
from gradcheck_kit.verdict import Verdict

Values = npt.NDArray[np.float64]

INPUTS, SIZE = 5, 3 * BLOCK
HELD = 4  # copies: the point, the point moved or on its lattice, and two of the gradients, the tangent and the step
# Copies: as above, but in float32 the function is differentiated in float64, where the point moved counts twice: the
# point, the point moved, and the tangent.
AT_WORK = {"float64": 12 * BLOCK * 8, "float32": 6 * BLOCK * 8}  # bytes, whatever the size: blocks in float64


# ---------------------------------------------------------------- what is held


def root_of_mean_square(*inputs: Values) -> Values:
    """√(1 + mean x²) of each input, without a temporary as large as it."""
    return np.array([np.sqrt(1.0 + np.dot(x, x) / x.size) for x in inputs])


def its_vjp(u: Values, *inputs: Values) -> tuple[Values, ...]:
    y = root_of_mean_square(*inputs)
    return tuple(x * (weight / (x.size * value)) for weight, value, x in zip(u, y, inputs, strict=True))


def copies_in_numpy(dtype: str = "float64", questions: Sequence[str] | None = ("directional",)) -> float:
    """The most that a check of large inputs holds beside the blocks at work, in copies of them."""
    generator = np.random.default_rng(0)
    inputs = [generator.normal(size=SIZE).astype(dtype) for _ in range(INPUTS)]
    names = [f"x{i}" for i in range(INPUTS)]
    tracemalloc.start()
    try:
        report = gk.examine(root_of_mean_square, *inputs, vjp=its_vjp, names=names, questions=questions, figures=False)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert all(finding.verdict is Verdict.PASS for finding in report.findings), str(report)
    return (peak - AT_WORK[dtype]) / sum(x.nbytes for x in inputs)


class Counted(TorchDispatchMode):
    """The bytes of the storages alive that operations have returned, and the most that they were."""

    def __init__(self) -> None:
        super().__init__()
        self.most = self._now = 0
        self._alive: dict[int, int] = {}

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        returned = func(*args, **(kwargs or {}))
        for tensor in tree_leaves(returned):
            if isinstance(tensor, torch.Tensor):
                self._see(tensor.untyped_storage())
        return returned

    def _see(self, storage: torch.UntypedStorage) -> None:
        key = storage._cdata
        if key not in self._alive:
            self._alive[key] = storage.nbytes()
            self._now += self._alive[key]
            self.most = max(self.most, self._now)
            weakref.finalize(storage, self._gone, key)

    def _gone(self, key: int) -> None:
        self._now -= self._alive.pop(key)


class Network(torch.nn.Module):
    """Three layers, the two large ones of several blocks each."""

    def __init__(self) -> None:
        super().__init__()
        self.body = torch.nn.Sequential(
            torch.nn.Linear(600, 2400),
            torch.nn.Tanh(),
            torch.nn.Linear(2400, 1500),
            torch.nn.Tanh(),
            torch.nn.Linear(1500, 3),
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        found: torch.Tensor = self.body(x)
        return found


def copies_in_torch(dtype: str, questions: Sequence[str] | None) -> float:
    """The same of a module's parameters; the module itself is not counted."""
    torch.manual_seed(0)
    form = getattr(torch, dtype)
    module, x = Network().to(form), torch.randn(2, 600, dtype=form)
    parameters = [name for name, _ in module.named_parameters()]
    own = sum(p.nbytes for p in module.parameters())
    with Counted() as counted:
        report = gk.examine(module, x, wrt=parameters, questions=questions)
    assert all(finding.verdict is Verdict.PASS for finding in report.findings), str(report)
    return (counted.most - AT_WORK[dtype]) / own - 1.0


@pytest.mark.parametrize("dtype", AT_WORK)
def test_the_differences_of_large_inputs_hold_four_copies(dtype: str) -> None:
    assert 3 < copies_in_numpy(dtype) <= HELD


@pytest.mark.parametrize("dtype", AT_WORK)
def test_so_do_all_questions_of_a_module(dtype: str) -> None:
    assert 3 < copies_in_torch(dtype, None) <= HELD


# ---------------------------------------------------------------- an extra copy is seen


def places_with(patch: pytest.MonkeyPatch, attribute: str, value: Any) -> None:
    made = Place.__init__

    def made_with(self: Place, *given: Any) -> None:
        made(self, *given)
        setattr(self, attribute, value)

    patch.setattr(Place, "__init__", made_with)


def nothing_lent(patch: pytest.MonkeyPatch) -> None:
    """A dither makes a point of its own."""
    places_with(patch, "lent", {})


def gradients_kept(patch: pytest.MonkeyPatch) -> None:
    """The gradients are there while the function is differentiated."""
    patch.setattr(Round, "seen", lambda self, names: self.measure(names).seen)


def tangents_kept(patch: pytest.MonkeyPatch) -> None:
    """The tangents are there while the backward runs."""
    places_with(patch, "large", False)


def trials_kept(patch: pytest.MonkeyPatch) -> None:
    """The gradients of one trial of linearity are there during the next."""
    kept: list[Any] = []

    def keeping(trial: linearity.Trial) -> linearity.Trial:
        def run(examination: Examination, far: bool) -> Any:
            kept.append(trial(examination, far))
            return kept[-1]

        return run

    patch.setattr(linearity, "LAWS", tuple(replace(law, trial=keeping(law.trial)) for law in linearity.LAWS))


def tangents_in_float64(patch: pytest.MonkeyPatch) -> None:
    """Tangents of float32 inputs take as much memory as the point that moves."""
    patch.setattr(rounds, "kept_in", lambda *given: FORMATS["float64"])


def widened_point_kept(patch: pytest.MonkeyPatch) -> None:
    """The point in float64 is there beside the point that moves."""
    patch.setattr(Place, "line_point", property(lambda self: widened(NumPy(), self.point)))


def directions_kept(patch: pytest.MonkeyPatch) -> None:
    """To see whether the forward casts inside, it is moved along directions that are kept."""
    moved, kept = casting._moved, list[Any]()

    def keeping(library: Any, generator: Any, array: Any, step: float) -> Any:
        wide = library.widened(array)
        kept.extend([wide, random_tangent(library, copy.deepcopy(generator), wide)])
        return moved(library, generator, array, step)

    patch.setattr(casting, "_moved", keeping)


EXTRA = {
    nothing_lent: ("float64", "directional"),
    gradients_kept: ("float64", "directional"),
    tangents_kept: ("float64", "directional"),
    trials_kept: ("float64", "linearity"),
    tangents_in_float64: ("float32", "directional"),
    widened_point_kept: ("float32", "directional"),
    directions_kept: ("float32", "directional"),
}


@pytest.mark.parametrize("extra", EXTRA, ids=lambda extra: extra.__name__)
def test_one_copy_more_is_seen(extra: Callable[[pytest.MonkeyPatch], None], monkeypatch: pytest.MonkeyPatch) -> None:
    extra(monkeypatch)
    dtype, question = EXTRA[extra]
    assert copies_in_numpy(dtype, [question]) > HELD


# ---------------------------------------------------------------- and it changes no number


def given_back(u: Values, a: Values, b: Values) -> tuple[Values, Values]:
    """The VJP of Σab if u were 1: the very arrays that it was given."""
    return b, a


def within_the_domain(u: Values, a: Values) -> Values:
    if (a > 1.0).any():
        raise ValueError("a > 1")
    return -u / (2.0 * np.sqrt(2.0 - a))


LARGE = np.random.default_rng(1).uniform(0.5, 1.0, size=(2, BLOCK + 5))
AT_THE_EDGE = np.where(np.arange(BLOCK + 5) % 7 == 0, 1.0, LARGE[0])
IN_FLOAT32 = tuple(LARGE.astype(np.float32))
SUBJECTS: dict[str, tuple[Callable[..., Any], Callable[..., Any], tuple[Values, ...]]] = {
    "right": (root_of_mean_square, its_vjp, tuple(LARGE)),
    "right in float32": (root_of_mean_square, its_vjp, IN_FLOAT32),
    "returns what it was given": (lambda a, b: np.array([np.dot(a, b)]), given_back, tuple(LARGE)),
    "raises beyond an edge": (lambda a: np.sqrt(2.0 - a), within_the_domain, (AT_THE_EDGE,)),
}


@pytest.mark.parametrize("subject", SUBJECTS)
@pytest.mark.parametrize(
    "extra",
    [nothing_lent, gradients_kept, tangents_kept, tangents_in_float64, directions_kept],
    ids=lambda extra: extra.__name__,
)
def test_the_memory_that_is_spared_changes_no_number(
    subject: str, extra: Callable[[pytest.MonkeyPatch], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    forward, vjp, inputs = SUBJECTS[subject]
    dithers: list[Any] = []  # a report shows little of them: where the function is coarse they drown in other errors
    measured = Round._own_rounding

    def recorded(self: Round, changes: Any, *given: Any) -> float:
        dithers.append(changes)
        return measured(self, changes, *given)

    def numbers() -> list[Any]:
        dithers.clear()
        before = [x.copy() for x in inputs]
        report = gk.examine(forward, *inputs, vjp=vjp, questions=["directional"], figures=False)
        assert all(np.array_equal(x, y) for x, y in zip(inputs, before, strict=True))
        found = [(f.input, f.verdict, f.analytic, f.numeric, f.error, f.resolution, f.place) for f in report.findings]
        return [found, *dithers]

    monkeypatch.setattr(Round, "_own_rounding", recorded)
    sparing = numbers()
    extra(monkeypatch)
    assert numbers() == sparing
