"""How far does rounding alone drive this reference? Copies of it that only round otherwise are trained along.

The law's constant was measured on networks of our own. For another trainee a shadow measures it: a copy that starts
one unit in the last place away and gets the rows of every batch in another order.
"""

from dataclasses import dataclass

import numpy as np

from gradcheck_kit.side_by_side.envelope import FACTOR, unit_drift
from gradcheck_kit.side_by_side.scene import twin_of, undisturbed
from gradcheck_kit.side_by_side.trainee import Named, Trainee, Values, distance, offered
from gradcheck_kit.space import FORMATS

SAFETY = 3.0  # times what a shadow was seen to drift
FAR = 100.0  # times the law's unit: a shadow that far off is not a copy that rounds, but random or chaotic


@dataclass
class Shadow:
    """One copy, and how far it has come from the reference, by the law's unit u(30 + √t)."""

    trainee: Trainee
    generator: np.random.Generator
    worst: float = 0.0
    left: bool = False

    @classmethod
    def of(cls, reference: Trainee, start: Named, seed: int) -> "Shadow | None":
        """A shadow of a reference that has not been trained yet; None where it cannot be copied."""
        twin = twin_of(reference)
        if twin is None:
            return None
        generator = np.random.default_rng([seed, 1])
        twin.load({name: _moved(values, generator, reference.dtype) for name, values in start.items()})
        return cls(twin, generator)

    def advance(self, inputs: Values, labels: Values, reference: Named, unit_roundoff: float, step: int) -> None:
        """Train on the same rows in another order, and compare."""
        if self.left:
            return
        order = self.generator.permutation(len(labels))
        with undisturbed(self.trainee):
            self.trainee.loss_and_gradients(inputs[order], labels[order])
            self.trainee.step()
        apart, whole = distance(reference, self.trainee.parameters())
        ratio = float(np.hypot.reduce([*apart.values()])) / whole / unit_drift(unit_roundoff, step) if whole else 0.0
        self.left = not ratio <= FAR
        self.worst = 0.0 if self.left else max(self.worst, ratio)

    @property
    def factor(self) -> float:
        """The law's constant as far as this shadow knows it."""
        return max(FACTOR, SAFETY * self.worst)

    def to_arrays(self) -> dict[str, Values]:
        """For a run that is taken up again."""
        state = offered(self.trainee, "state")
        told = {f"parameters/{n}": np.array(p) for n, p in self.trainee.parameters().items()}
        told |= {f"state/{key}": np.array(values) for key, values in (state() or {}).items()} if state else {}
        return told | {"worst": np.array([self.worst, float(self.left)])}

    def restore(self, arrays: Named, steps: int, batches: list[int]) -> None:
        """Go on from what `to_arrays` gave; the orders drawn so far are drawn again."""
        parts: dict[str, dict[str, Values]] = {"parameters": {}, "state": {}}
        for key, values in arrays.items():
            part, _, name = key.partition("/")
            if name:
                parts[part][name] = values
        offered(self.trainee, "load_state")(parts["parameters"], parts["state"])
        self.worst, self.left = float(arrays["worst"][0]), bool(arrays["worst"][1])
        if not self.left:
            for number in batches[:steps]:
                self.generator.permutation(number)


def _moved(values: Values, generator: np.random.Generator, dtype: str) -> Values:
    """Every element that is not zero one unit in the last place of the dtype up or down."""
    unit = FORMATS[dtype].unit_roundoff
    held = np.asarray(values, np.float64)
    signs = np.where(generator.random(held.shape) < 0.5, 1.0, -1.0)
    return np.asarray(held + signs * 2 * unit * 2.0 ** np.floor(np.log2(np.where(held, abs(held), 1.0))) * (held != 0))
