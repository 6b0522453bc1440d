"""What both sides of a training run share: the initial parameters and the order of the examples."""

import hashlib
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from gradcheck_kit.arguments import UsageError, integer

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
        orders: the orders themselves, (epochs, examples), where they are not the seed's; as `load` reads them.
    """

    parameters: Mapping[str, npt.NDArray[np.float64]]
    examples: int
    batch_size: int
    epochs: int
    seed: int
    orders: Indices | None = field(default=None, repr=False, compare=False)

    def __post_init__(self) -> None:
        for name, least in (("examples", 1), ("batch_size", 1), ("epochs", 1), ("seed", 0)):
            object.__setattr__(self, name, integer(name, getattr(self, name), least))  # Python's own, for JSON
        if self.orders is not None and self.orders.shape != (self.epochs, self.examples):
            wanted = (self.epochs, self.examples)
            raise UsageError(f"orders have shape {self.orders.shape}; pass (epochs, examples), which is {wanted}")

    @property
    def steps_per_epoch(self) -> int:
        return -(-self.examples // self.batch_size)

    @property
    def steps(self) -> int:
        return self.epochs * self.steps_per_epoch

    def epoch(self, number: int) -> Iterator[Indices]:
        """The batches of one epoch, as positions of examples; every example once."""
        order = self.order(number)
        for start in range(0, self.examples, self.batch_size):
            yield order[start : start + self.batch_size]

    def order(self, number: int) -> Indices:
        """Every example once, in the order of one epoch."""
        if self.orders is not None:
            given: Indices = self.orders[number]
            return given
        return np.random.default_rng([self.seed, number]).permutation(self.examples)

    def batch_of(self, step: int) -> Indices | None:
        """The positions of the batch of step `step` (from 1); None outside of the run."""
        if not 1 <= step <= self.steps:
            return None
        epoch, place = divmod(step - 1, self.steps_per_epoch)
        return self.order(epoch)[place * self.batch_size : (place + 1) * self.batch_size]

    def save(self, path: str | Path) -> None:
        """Write parameters and orders to an .npz file without pickle, for another process, framework or machine."""
        target = Path(path)
        if target.suffix != ".npz":
            raise UsageError(f"a schedule is saved as .npz; pass {target.with_suffix('.npz').name!r}")
        arrays = {f"parameters/{name}": np.asarray(values, "<f8") for name, values in self.parameters.items()}
        orders = np.stack([self.order(number) for number in range(self.epochs)]).astype("<i8")
        numbers = np.array([self.examples, self.batch_size, self.epochs, self.seed], "<i8")
        arrays |= {"orders": orders, "numbers": numbers, "fingerprint": np.array(self.fingerprint)}
        np.savez(target, **arrays)  # type: ignore[arg-type]

    @classmethod
    def load(cls, path: str | Path) -> Self:
        """Read what `save` wrote.

        Raises:
            UsageError: there is no such file, it is no schedule, or its content is not what was saved.
        """
        try:
            with np.load(path, allow_pickle=False) as held:
                arrays = {name: held[name] for name in held.files}
            examples, batch_size, epochs, seed = (int(number) for number in arrays["numbers"])
            parameters = {
                name.removeprefix("parameters/"): values
                for name, values in arrays.items()
                if name.startswith("parameters/")
            }
            loaded = cls(parameters, examples, batch_size, epochs, seed, arrays["orders"])
        except (OSError, KeyError, ValueError, zipfile.BadZipFile) as error:
            raise UsageError(f"{path} is no schedule ({error}); pass a file that Schedule.save wrote") from None
        if loaded.fingerprint != str(arrays["fingerprint"]):
            raise UsageError(f"{path} is not as it was saved: its fingerprint is another; save the schedule again")
        return loaded

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
