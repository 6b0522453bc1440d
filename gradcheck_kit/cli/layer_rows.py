"""The layer table of `verify`: every reference layer, operation of the graph and fast part × oracle × dtype."""

import traceback
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from gradcheck_kit.cli.catalogue import CATALOGUE, LARGE, Entry
from gradcheck_kit.cli.fast_catalogue import FAST_CATALOGUE, FAST_TWINS
from gradcheck_kit.cli.graph_catalogue import GRAPH_CATALOGUE, GRAPH_TWINS
from gradcheck_kit.cli.torch_twins import twin_of
from gradcheck_kit.engine import examine
from gradcheck_kit.report import Report
from gradcheck_kit.side_by_side.subjects import parity
from gradcheck_kit.subject import Subject
from gradcheck_kit.verdict import Verdict

DTYPES = (np.float64, np.float32)
DIFFERENCES = "differences"
TORCH = "torch.autograd"
WHERE = "gradcheck-kit verify"
SAID = (
    *("verdict", "resolution", "require", "reference", "library", "cost", "findings", "seed"),
    *("not_asked", "reproduction", "source", "ran", "figures"),
)


@dataclass(frozen=True)
class Row:
    """One line of the table: a subject under an oracle, in a dtype.

    `report` is None where it was not run, for the reason `not_run`, and where the layer raised, which `raised` tells.
    """

    name: str
    oracle: str
    device: str
    dtype: str
    report: Report | None
    not_run: str | None = None
    raised: str | None = None

    @property
    def verdict(self) -> Verdict | None:
        """None where it was not run; a layer that raises at its own reference point is wrong."""
        if self.raised is not None:
            return Verdict.FAIL
        return None if self.report is None else self.report.verdict

    @property
    def asked(self) -> str:
        """The oracle, and where it ran."""
        return self.oracle if self.oracle == DIFFERENCES else f"torch on {self.device}"

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values: name, oracle, device, dtype, verdict, resolution, cost, findings, how to repeat it,
        what to draw, where the code is that ran; `raised` if it did."""
        named = {"name": self.name, "where": WHERE, "oracle": self.oracle, "device": self.device, "dtype": self.dtype}
        if self.report is None:
            verdict = None if self.verdict is None else self.verdict.value
            return {
                **named,
                "verdict": verdict,
                "resolution": None,
                "cost": None,
                "findings": [],
                "raised": self.raised,
            }
        said = self.report.to_dict()
        return {**named, **{key: said[key] for key in SAID}}


def rows(seed: int, devices: Sequence[str], not_run: str | None) -> Iterator[Row]:
    """Every row, as it is done.

    Args:
        seed: of the points and of the checks.
        devices: torch's devices to compare with.
        not_run: why no CUDA device is among them; None if one is.
    """
    for number, entry in enumerate((*CATALOGUE, *LARGE, *GRAPH_CATALOGUE, *FAST_CATALOGUE)):
        for dtype in DTYPES:
            yield from _of_dtype(entry, dtype, [seed, number], seed, devices)
        if not_run is not None:
            yield Row(entry.name, TORCH, "cuda", "both", None, not_run)


def _of_dtype(entry: Entry, dtype: Any, point_seed: list[int], seed: int, devices: Sequence[str]) -> Iterator[Row]:
    def subject() -> Subject:
        return entry.subject(np.random.default_rng(point_seed), dtype)

    yield _row(entry.name, DIFFERENCES, "cpu", dtype.__name__, lambda: examine(subject(), seed=seed))
    for device in devices:
        ask = partial(_beside_torch, subject, device, seed)
        yield _row(entry.name, TORCH, device, dtype.__name__, ask)


def _beside_torch(draw: Callable[[], Subject], device: str, seed: int) -> Report:
    subject = draw()
    operation = (GRAPH_TWINS | FAST_TWINS).get(subject.name)
    twin = None if operation is None else lambda point: operation(*point.values())
    return parity(twin_of(subject, device, twin), subject, seed=seed)


def _row(name: str, oracle: str, device: str, dtype: str, ask: Callable[[], Report]) -> Row:
    """The row that `ask` gives; one layer that raises does not keep the others from being asked."""
    try:
        return Row(name, oracle, device, dtype, ask())
    except Exception as error:
        *_, last = traceback.extract_tb(error.__traceback__)
        raised = (
            f"{name} raised {type(error).__name__} in {last.name} ({Path(last.filename).name}:{last.lineno}): {error}"
        )
        return Row(name, oracle, device, dtype, None, raised=raised)
