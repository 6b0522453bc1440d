"""A torch module and its optimiser as a trainee."""

from collections.abc import Callable, Mapping

import numpy as np
import torch
from torch import Tensor

from gradcheck_kit.side_by_side.trainee import Values
from gradcheck_kit.subject import UsageError


class TorchTrainee:
    """A classifier: `module(inputs)` gives logits, `loss(logits, labels)` a scalar.

    Args:
        name: what reports call it.
        module: on its device and in its dtype.
        optimizer: over the module's parameters.
        loss: of logits and integer labels.
        layout: schedule name → (the module's parameter name, whether it is the transpose, as `nn.Linear`'s weight is).
    """

    def __init__(
        self,
        name: str,
        module: torch.nn.Module,
        optimizer: torch.optim.Optimizer,
        loss: Callable[[Tensor, Tensor], Tensor],
        layout: Mapping[str, tuple[str, bool]],
    ) -> None:
        self.name = name
        self._module, self._optimizer, self._loss = module, optimizer, loss
        own = dict(module.named_parameters())
        self._views = {key: own[inner].T if transposed else own[inner] for key, (inner, transposed) in layout.items()}
        first = next(iter(own.values()))
        self._dtype, self._place = first.dtype, first.device
        self.dtype, self.device = str(first.dtype).removeprefix("torch."), str(first.device)

    def load(self, parameters: Mapping[str, Values]) -> None:
        if parameters.keys() != self._views.keys():
            wanted = sorted(parameters)
            raise UsageError(f"{self.name} has the parameters {sorted(self._views)}, the schedule has {wanted}")
        for name, values in parameters.items():
            if values.shape != tuple(self._views[name].shape):
                own = tuple(self._views[name].shape)
                raise UsageError(f"{self.name}: {name} has shape {own}, the schedule's {values.shape}")
        with torch.no_grad():
            for name, values in parameters.items():
                self._views[name].copy_(torch.tensor(np.asarray(values)))

    def parameters(self) -> Mapping[str, Values]:
        return {name: view.detach().cpu().numpy() for name, view in self._views.items()}

    def loss_and_gradients(self, inputs: Values, labels: Values) -> float:
        self._optimizer.zero_grad()
        loss = self._loss(self._module(self._tensor(inputs)), self._labels(labels))
        loss.backward()  # type: ignore[no-untyped-call]
        return float(loss.detach())

    def step(self) -> None:
        self._optimizer.step()

    @torch.no_grad()
    def accuracy(self, inputs: Values, labels: Values) -> float:
        predicted = self._module(self._tensor(inputs)).argmax(1)
        return float((predicted == self._labels(labels)).double().mean())

    def _tensor(self, inputs: Values) -> Tensor:
        return torch.tensor(inputs, dtype=self._dtype, device=self._place)

    def _labels(self, labels: Values) -> Tensor:
        return torch.tensor(labels, dtype=torch.int64, device=self._place)
