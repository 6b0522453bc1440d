"""What one side had and made in one step: the evidence from which a difference is located and explained."""

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from gradcheck_kit.side_by_side.given import expected_arrays
from gradcheck_kit.side_by_side.names import check_gradients
from gradcheck_kit.side_by_side.rules import Rule
from gradcheck_kit.side_by_side.trainee import Named, Trainee, Values, copied, offered, under


@dataclass(frozen=True)
class Moment:
    """One step of one side. None where the side does not offer it.

    Attributes:
        before, after: the parameters around the step.
        state_before, state_after: the optimiser's state around it.
        loss: of the batch, before the step.
        gradients: as they were when the step was made.
        activations: in order; "inputs" and "labels" first. Only filled for a step that is looked at.
        rule: the optimiser's formula with the numbers of this step.
    """

    before: Named
    after: Named
    loss: float
    gradients: Named | None = None
    state_before: Named | None = None
    state_after: Named | None = None
    activations: Named | None = field(default=None, repr=False)
    rule: Rule | None = None

    @property
    def slope(self) -> float | None:
        """‖g‖·‖W‖ before the step: to first order, the loss moves by this times the parameters' relative distance."""
        if self.gradients is None:
            return None
        squares = [sum(_square(values) for values in named.values()) for named in (self.gradients, self.before)]
        return math.sqrt(squares[0]) * math.sqrt(squares[1])


def _square(values: Values) -> float:
    flat = np.asarray(values, np.float64).ravel()
    return float(flat @ flat)


def complete(gradients: Named | None, parameters: Named) -> dict[str, Values] | None:
    """One gradient for every parameter; None where any is missing."""
    if gradients is None or not gradients.keys() >= parameters.keys():
        return None
    return {name: gradients[name] for name in parameters}


def _shapes(arrays: Named) -> dict[str, tuple[int, ...]]:
    return {name: values.shape for name, values in arrays.items()}


class Observer:
    """Keeps the latest two moments of a side: one that differs may have used what the one before it left."""

    def __init__(self, side: Trainee) -> None:
        self._side = side
        self._parameters = self._told("parameters", side.parameters())
        self._state = self._offered("state")
        self._gradients: dict[str, Values] | None = None
        self._latest: Moment | None = None
        self.previous: Moment | None = None

    def before_step(self) -> None:
        """After the gradients, before the update."""
        self._gradients = complete(self._offered("gradients"), self._parameters)
        if self._gradients is not None:
            check_gradients(self._side.name, _shapes(self._gradients), _shapes(self._parameters))

    def after_step(self, loss: float) -> None:
        """After the update."""
        parameters, state = self._told("parameters", self._side.parameters()), self._offered("state")
        self.previous = self._latest
        told = offered(self._side, "rule")
        rule = None if told is None else told()
        self._latest = Moment(self._parameters, parameters, loss, self._gradients, self._state, state, rule=rule)
        self._parameters, self._state = parameters, state

    @property
    def present(self) -> Named:
        """The parameters as they were after the latest step, or at the start."""
        return self._parameters

    def seen(self) -> Moment:
        """The latest step's moment."""
        if self._latest is None:
            raise RuntimeError("no step has been made yet")
        return self._latest

    def to_arrays(self) -> dict[str, Values]:
        """The latest moment, for a run that is taken up again; its end is the side's present."""
        held = self.seen()
        parts = {"before": held.before, "gradients": held.gradients, "state": held.state_before}
        arrays = {f"{part}/{n}": a for part, named in parts.items() for n, a in (named or {}).items()}
        return arrays | {"loss": np.asarray(held.loss)}

    def restore(self, arrays: Named) -> None:
        """Go on from what `to_arrays` gave."""
        gradients = under(arrays, "gradients/") or None
        state = None if self._state is None else under(arrays, "state/")
        loss = float(arrays["loss"])
        self._latest = Moment(under(arrays, "before/"), self._parameters, loss, gradients, state, self._state)

    def activations(self) -> dict[str, Values] | None:
        """Of the latest step."""
        return self._offered("activations")

    def _offered(self, method: str) -> dict[str, Values] | None:
        found = offered(self._side, method)
        told = None if found is None else found()
        return None if told is None else self._told(method, told)

    def _told(self, method: str, told: Any) -> dict[str, Values]:
        return copied(expected_arrays(self._side, method, told))
