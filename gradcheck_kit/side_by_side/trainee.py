"""A trainee: anything with named parameters, a loss with gradients, and a step."""

from collections.abc import Callable, Mapping
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from gradcheck_kit.subject import UsageError

Values = npt.NDArray[Any]


class Trainee(Protocol):
    """One side of a training run.

    Attributes:
        name: what reports call it, such as "NumPy".
        dtype: the name of its parameters' dtype, such as "float64".
        device: where it runs, such as "cpu".
    """

    name: str
    dtype: str
    device: str

    def load(self, parameters: Mapping[str, Values]) -> None:
        """Start from these parameters, rounded to the trainee's dtype."""

    def parameters(self) -> Mapping[str, Values]:
        """The present parameters as NumPy arrays, under the schedule's names and in its shapes."""

    def loss_and_gradients(self, inputs: Values, labels: Values) -> float:
        """The loss of one batch before the step; the gradients stay with the trainee."""

    def step(self) -> None:
        """Update the parameters by the latest gradients."""

    def accuracy(self, inputs: Values, labels: Values) -> float:
        """The share of right answers, between 0 and 1."""


class NumPyTrainee:
    """A network with `params`, `grads`, `loss(x, labels)`, `backward()`, `accuracy(x, labels)`, and its optimiser.

    Args:
        name: what reports call it.
        network: the network; its arrays in `params` are updated in place.
        optimizer: made by `optimizer(network.params)`; has `step(grads)`.
    """

    device = "cpu"

    def __init__(self, name: str, network: Any, optimizer: Callable[[dict[str, Values]], Any]) -> None:
        self.name = name
        self._network = network
        self._optimizer = optimizer(network.params)
        self.dtype = str(next(iter(network.params.values())).dtype)

    def load(self, parameters: Mapping[str, Values]) -> None:
        own = self._network.params
        if parameters.keys() != own.keys():
            raise UsageError(f"{self.name} has the parameters {sorted(own)}, the schedule has {sorted(parameters)}")
        for name, values in parameters.items():
            if values.shape != own[name].shape:
                raise UsageError(f"{self.name}: {name} has shape {own[name].shape}, the schedule's {values.shape}")
            own[name][...] = values

    def parameters(self) -> Mapping[str, Values]:
        return dict(self._network.params)

    def loss_and_gradients(self, inputs: Values, labels: Values) -> float:
        loss = float(self._network.loss(inputs, labels))
        self._network.backward()
        return loss

    def step(self) -> None:
        self._optimizer.step(self._network.grads)

    def accuracy(self, inputs: Values, labels: Values) -> float:
        return float(self._network.accuracy(inputs, labels))


def distance(one: Mapping[str, Values], other: Mapping[str, Values]) -> tuple[dict[str, float], float]:
    """‖ΔW‖ of each tensor, and the norm of all of `one` together; in float64."""
    apart = {}
    whole = 0.0
    for name, values in one.items():
        mine = np.asarray(values, dtype=np.float64).ravel()
        difference = mine - np.asarray(other[name], dtype=np.float64).ravel()
        apart[name] = float(np.sqrt(difference @ difference))
        whole += float(mine @ mine)
    return apart, float(np.sqrt(whole))
