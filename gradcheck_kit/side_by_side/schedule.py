"""What both sides of a training run share: the initial parameters and the order of the examples."""

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from gradcheck_kit.subject import UsageError

Indices = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Schedule:
    """The same start and the same batches for every trainee.

    Attributes:
        parameters: the initial parameters by name, float64; a trainee rounds them to its own dtype.
        examples: how many examples there are.
        batch_size: examples in a step; the last batch of an epoch may be smaller.
        epochs: passes over all examples, each in an order of its own.
        seed: where the orders come from.
    """

    parameters: Mapping[str, npt.NDArray[np.float64]]
    examples: int
    batch_size: int
    epochs: int
    seed: int

    def __post_init__(self) -> None:
        for name, value in (("examples", self.examples), ("batch_size", self.batch_size), ("epochs", self.epochs)):
            if value < 1:
                raise UsageError(f"{name}={value!r}; pass a positive integer")

    @property
    def steps_per_epoch(self) -> int:
        return -(-self.examples // self.batch_size)

    @property
    def steps(self) -> int:
        return self.epochs * self.steps_per_epoch

    def epoch(self, number: int) -> Iterator[Indices]:
        """The batches of one epoch, as positions of examples; every example once."""
        order = np.random.default_rng([self.seed, number]).permutation(self.examples)
        for start in range(0, self.examples, self.batch_size):
            yield order[start : start + self.batch_size]

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the initial parameters and of every batch: two runs with the same one saw the same."""
        digest = hashlib.sha256()
        for name, values in sorted(self.parameters.items()):
            digest.update(f"{name}{values.shape}".encode())
            digest.update(np.ascontiguousarray(values, dtype="<f8").tobytes())
        for number in range(self.epochs):
            for batch in self.epoch(number):
                digest.update(f"{len(batch)}:".encode() + np.ascontiguousarray(batch, dtype="<i8").tobytes())
        return digest.hexdigest()

    def to_dict(self) -> dict[str, Any]:
        """What a report says of it."""
        return {
            "examples": self.examples,
            "batch_size": self.batch_size,
            "epochs": self.epochs,
            "seed": self.seed,
            "fingerprint": self.fingerprint,
        }
