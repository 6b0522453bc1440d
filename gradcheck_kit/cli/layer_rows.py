"""The layer table of `verify`: every reference layer × oracle × dtype."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from gradcheck_kit.cli.catalogue import CATALOGUE, Entry
from gradcheck_kit.cli.torch_twins import twin_of
from gradcheck_kit.engine import examine
from gradcheck_kit.parity.subjects import parity
from gradcheck_kit.report import Report

DTYPES = (np.float64, np.float32)
DIFFERENCES = "differences"
TORCH = "torch.autograd"


@dataclass(frozen=True)
class Row:
    """One line of the table: a subject under an oracle, in a dtype; `report` is None where it was not run."""

    name: str
    oracle: str
    device: str
    dtype: str
    report: Report | None
    not_run: str | None = None

    @property
    def asked(self) -> str:
        """The oracle, and where it ran."""
        return self.oracle if self.oracle == DIFFERENCES else f"torch on {self.device}"

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values: name, oracle, device, dtype, verdict, resolution, cost, findings."""
        if self.report is None:
            raise ValueError(f"{self.name} was not run: {self.not_run}")
        said = self.report.to_dict()
        kept = ("verdict", "resolution", "cost", "findings", "seed")
        return {
            "name": self.name,
            "oracle": self.oracle,
            "device": self.device,
            "dtype": self.dtype,
            **{key: said[key] for key in kept},
        }


def rows(seed: int, devices: Sequence[str], not_run: str | None) -> Iterator[Row]:
    """Every row, as it is done.

    Args:
        seed: of the points and of the checks.
        devices: torch's devices to compare with.
        not_run: why no CUDA device is among them; None if one is.
    """
    for number, entry in enumerate(CATALOGUE):
        for dtype in DTYPES:
            yield from _of_dtype(entry, dtype, [seed, number], seed, devices)
        if not_run is not None:
            yield Row(entry.name, TORCH, "cuda", "both", None, not_run)


def _of_dtype(entry: Entry, dtype: Any, point_seed: list[int], seed: int, devices: Sequence[str]) -> Iterator[Row]:
    subject = entry.subject(np.random.default_rng(point_seed), dtype)
    yield Row(entry.name, DIFFERENCES, "cpu", dtype.__name__, examine(subject, seed=seed))
    for device in devices:
        report = parity(twin_of(subject, device), subject, seed=seed)
        yield Row(entry.name, TORCH, device, dtype.__name__, report)
