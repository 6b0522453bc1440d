"""A trainee: anything with named parameters, a loss with gradients, and a step; and what it may offer beside."""

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from gradcheck_kit.side_by_side.replay import Replay
from gradcheck_kit.side_by_side.rules import Rule

Values = npt.NDArray[Any]
Named = Mapping[str, Values]


class Trainee(Protocol):
    """One side of a training run: all that the verdict needs.

    Attributes:
        name: what reports call it, such as "NumPy".
        dtype: the name of its parameters' dtype, such as "float64".
        device: where it runs, such as "cpu".
    """

    name: str
    dtype: str
    device: str

    def load(self, parameters: Named) -> None:
        """Start from these parameters, rounded to the trainee's dtype."""

    def parameters(self) -> Named:
        """The present parameters as NumPy arrays, under the schedule's names and in its shapes."""

    def loss_and_gradients(self, inputs: Values, labels: Values) -> float:
        """The loss of one batch before the step; the gradients stay with the trainee."""

    def step(self) -> None:
        """Update the parameters by the latest gradients."""


class Offers(Protocol):
    """What a trainee may have beside: each method alone sharpens what a report can say of a difference.

    A trainee has those that it has; nothing needs to inherit from this class. `offered` asks for one.
    """

    def accuracy(self, inputs: Values, labels: Values) -> float:
        """The share of right answers, between 0 and 1; a fact of the report."""

    def gradients(self) -> Named:
        """The latest gradients, under the parameters' names and in their shapes."""

    def activations(self) -> Named:
        """What the latest forward computed, in order; "inputs" and "labels" first: the batch as it was used."""

    def state(self) -> Named | None:
        """The optimiser's arrays as "<parameter>/<kind>" and "steps" taken, or "<parameter>/steps" where they differ.

        The kinds are those of `rules`, and beside them whatever the optimiser keeps. None where it does not tell.
        """

    def load_state(self, parameters: Named, state: Named) -> None:
        """Go to these parameters and this state, as `parameters` and `state` gave them."""

    def buffers(self) -> Named:
        """Arrays that steps keep beside the parameters, such as running statistics, as "<module>.<name>"."""

    def unsaved(self) -> Sequence[str]:
        """Parts that the next steps depend on and `state` does not hold: running statistics, generators."""

    def set_gradients(self, gradients: Named) -> None:
        """Take these in place of the latest gradients, so that two updates can be compared given the same ones."""

    def step_again(self) -> None:
        """`step`, but with the hyperparameters of the latest one: a schedule may have changed them since."""

    def attend(self, replay: Replay | None) -> None:
        """Ask `replay` at every ReLU and max-pool of the coming forwards; None ends it."""

    def widened(self) -> "Trainee":
        """A copy that computes in float64, for the truth beside two sides of fewer digits; it makes no steps."""

    def undisturbed(self) -> AbstractContextManager[None]:
        """For the time of a `with`, draws from a random stream that others share leave it as it was."""

    def rule(self) -> Rule | None:
        """The optimiser's formula with the numbers of the latest step; None where it is not one that `rules` knows."""


def offered(trainee: Trainee, method: str) -> Any:
    """The method of `Offers`, or None where the trainee has none."""
    found = getattr(trainee, method, None)
    return found if callable(found) else None


def copied(arrays: Named) -> dict[str, Values]:
    """Copies that the next step leaves alone."""
    return {name: np.array(values) for name, values in arrays.items()}


def floating(values: Values) -> bool:
    """Whether these are inputs or targets of a regression, and not positions or classes."""
    return np.asarray(values).dtype.kind == "f"


def under(arrays: Named, prefix: str) -> dict[str, Values]:
    """The arrays whose names begin so, without it."""
    return {name.removeprefix(prefix): values for name, values in arrays.items() if name.startswith(prefix)}
