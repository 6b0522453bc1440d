"""A torch module and its optimiser as a trainee."""

import copy
import math
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

import numpy as np
import torch
from torch import Tensor

from gradcheck_kit.side_by_side.given import expect_numbers
from gradcheck_kit.side_by_side.names import check_fit
from gradcheck_kit.side_by_side.replay import Replay
from gradcheck_kit.side_by_side.rules import Rule
from gradcheck_kit.side_by_side.torch_optimizer import (
    Groups,
    hyperparameters,
    not_told,
    rule_of,
    state_of,
    with_hyperparameters,
    with_state,
)
from gradcheck_kit.side_by_side.torch_stages import Watch
from gradcheck_kit.side_by_side.trainee import Named, Values, floating
from gradcheck_kit.subject import UsageError

ROWS_AT_ONCE = 500  # the activations of ten thousand images at once would fill gigabytes

Layout = Mapping[str, tuple[str, bool]]


class TorchTrainee:
    """A module and its optimiser: `loss(module(inputs), labels)` is a scalar.

    Args:
        name: what reports call it.
        module: on its device and in its dtype.
        optimizer: over the module's parameters.
        loss: of what the module returns and the labels. Integer labels (classes) come as int64, floating-point ones
            (targets of a regression) in the module's dtype.
        layout: schedule name → (the module's parameter name, whether it is the transpose, as `nn.Linear`'s weight is);
            left out, the schedule has the module's own names and shapes.
        autocast: the dtype to which `torch.autocast` may round products of the forward, and so their gradients'; the
            parameters keep theirs. Such a run needs `precision=` of the same name.
    """

    def __init__(
        self,
        name: str,
        module: torch.nn.Module,
        optimizer: torch.optim.Optimizer,
        loss: Callable[[Tensor, Tensor], Tensor],
        layout: Layout | None = None,
        autocast: torch.dtype | None = None,
    ) -> None:
        self.name = name
        self._module, self._optimizer, self._loss = module, optimizer, loss
        own = dict(module.named_parameters())
        self._layout = {key: (key, False) for key in own} if layout is None else dict(layout)
        unknown = [inner for inner, _ in self._layout.values() if inner not in own]
        if unknown:
            raise UsageError(f"{name}: the layout names {', '.join(unknown)}; the module has {', '.join(own)}")
        self._own = {key: own[inner] for key, (inner, _) in self._layout.items()}
        first = next(iter(own.values()))
        self._dtype, self._place = first.dtype, first.device
        self.dtype, self.device = str(first.dtype).removeprefix("torch."), str(first.device)
        self._autocast = autocast
        self._stages: dict[str, Tensor] = {}
        self._replay: Replay | None = None
        self._unused: set[str] = set()
        self._latest: Groups | None = None
        self._again = False

    def load(self, parameters: Named) -> None:
        own = {name: tuple(self._view(name, p).shape) for name, p in self._own.items()}
        check_fit(self.name, own, {n: np.shape(a) for n, a in parameters.items()}, self._tied())
        with torch.no_grad():
            for name, values in parameters.items():
                self._view(name, self._own[name]).copy_(torch.tensor(np.asarray(values)))

    def _tied(self) -> dict[str, str]:
        """The module's further names of a parameter → the schedule's."""
        told = {id(parameter): name for name, parameter in self._own.items()}
        every = self._module.named_parameters(remove_duplicate=False)
        return {name: told[id(p)] for name, p in every if id(p) in told and name != self._layout[told[id(p)]][0]}

    def parameters(self) -> Named:
        return {name: _numpy(self._view(name, p)) for name, p in self._own.items()}

    def loss_and_gradients(self, inputs: Values, labels: Values) -> float:
        self._optimizer.zero_grad()
        with self._fewer_digits(), Watch(self._module, self._replay) as watch:
            given, target = self._tensor(inputs), self._labels(labels)
            batch = {"inputs": given.clone(), "labels": target.clone()}  # a module may overwrite what it is given
            loss = self._loss(self._module(given), target)
        self._stages = {**batch, **watch.stages}
        loss.backward()  # type: ignore[no-untyped-call]
        self._unused = {name for name, p in self._own.items() if p.grad is None}
        return float(loss.detach())

    def step(self) -> None:
        if self._again and self._latest is not None:
            with_hyperparameters(self._optimizer, self._latest)
        self._latest = hyperparameters(self._optimizer)
        self._optimizer.step()

    @torch.no_grad()
    def accuracy(self, inputs: Values, labels: Values) -> float:
        """The share of right classes; nan for floating-point labels, the targets of a regression."""
        if floating(labels):
            return math.nan
        modes = [(module, module.training) for module in self._module.modules()]
        self._module.eval()
        try:
            starts = range(0, max(len(inputs), 1), ROWS_AT_ONCE)
            with self._fewer_digits():
                parts = [self._module(self._tensor(inputs[start : start + ROWS_AT_ONCE])) for start in starts]
            predicted = torch.cat(parts).argmax(1)
        finally:
            for module, training in modes:
                module.training = training
        return float((predicted == self._labels(labels)).double().mean())

    # ---------------------------------------------------------------- what it offers beside

    def gradients(self) -> Named:
        held = {n: torch.zeros_like(p) if p.grad is None else p.grad for n, p in self._own.items()}
        return {name: _numpy(self._view(name, gradient)) for name, gradient in held.items()}

    def activations(self) -> Named:
        return {name: _numpy(stage) for name, stage in self._stages.items()}

    def step_again(self) -> None:
        """`step` with the latest one's hyperparameters, which a scheduler may have changed since."""
        self._again = True
        try:
            self.step()
        finally:
            self._again = False

    @torch.no_grad()
    def set_gradients(self, gradients: Named) -> None:
        """Take these. A parameter that is frozen, or had no part in the loss, has none: a zero one would decay it."""
        for name, values in gradients.items():
            parameter = self._own[name]
            if name in self._unused and not (parameter.requires_grad and np.any(values)):
                parameter.grad = None
                continue
            gradient = self._view(name, torch.tensor(np.asarray(values), dtype=self._dtype, device=self._place))
            parameter.grad = gradient.contiguous().clone()

    def attend(self, replay: Replay | None) -> None:
        self._replay = replay

    def state(self) -> Named:
        return {key: _numpy(self._seen(key, t)) for key, t in state_of(self._optimizer, self._own).items()}

    def buffers(self) -> Named:
        """The module's floating-point buffers under its own names, such as "1.running_var"."""
        return {name: _numpy(held) for name, held in self._module.named_buffers() if held.is_floating_point()}

    def unsaved(self) -> list[str]:
        """Modules with buffers, such as batch norm's running statistics, those that drop at random, a scheduler."""
        held = [(n, m) for n, m in self._module.named_modules() if [*m.buffers(recurse=False)] or _draws(m)]
        return [f"{name} {type(module).__name__}".strip() for name, module in held] + not_told(self._optimizer)

    def load_state(self, parameters: Named, state: Named) -> None:
        self.load(parameters)
        tensors = {key: self._seen(key, torch.tensor(np.asarray(values))) for key, values in state.items()}
        with_state(self._optimizer, self._own, tensors)

    def widened(self) -> "TorchTrainee":
        twin = copy.deepcopy(self)
        twin.name, twin.dtype, twin._dtype = f"{self.name} in float64", "float64", torch.float64
        twin._module.double()
        twin._autocast = None
        for name, parameter in twin._own.items():
            parameter.grad = None
            parameter.requires_grad_(name not in self._unused)  # as in the latest step, where it was thawed since
        return twin

    @contextmanager
    def undisturbed(self) -> Iterator[None]:
        devices = [self._place] if self._place.type == "cuda" else []
        with torch.random.fork_rng(devices=devices), warnings.catch_warnings():
            # The copy of an optimiser has lost the mark that a scheduler looks for.
            warnings.filterwarnings("ignore", "Seems like `optimizer.step", UserWarning)
            yield

    def rule(self) -> Rule | None:
        """Its formula with the numbers of the latest step, or before the first, of that one."""
        now = hyperparameters(self._optimizer) if self._latest is None else self._latest
        return rule_of(self._optimizer, now)

    def _fewer_digits(self) -> AbstractContextManager[Any]:
        return nullcontext() if self._autocast is None else torch.autocast(self._place.type, self._autocast)

    def _view(self, name: str, tensor: Tensor) -> Tensor:
        """As the schedule has it, or back: a transpose is its own inverse."""
        return tensor.T if self._layout[name][1] else tensor

    def _seen(self, key: str, tensor: Tensor) -> Tensor:
        """A matrix of the state in its parameter's layout."""
        return self._view(key.rpartition("/")[0], tensor) if "/" in key and tensor.ndim > 1 else tensor

    def _tensor(self, inputs: Values, what: str = "inputs") -> Tensor:
        expect_numbers(self.name, what, inputs)
        return torch.tensor(inputs, dtype=self._dtype, device=self._place)

    def _labels(self, labels: Values) -> Tensor:
        """Classes as int64; floating-point targets as they are, never cut off to whole numbers."""
        if floating(labels):
            return self._tensor(labels, "labels")
        expect_numbers(self.name, "labels", labels)
        return torch.tensor(labels, dtype=torch.int64, device=self._place)


def _numpy(tensor: Tensor) -> Values:
    """As a NumPy array; bfloat16, which NumPy has not, as the float32 of the same value."""
    held = tensor.detach().cpu()
    array: Values = (held.float() if held.dtype is torch.bfloat16 else held).numpy()
    return array


def _draws(module: torch.nn.Module) -> bool:
    return "Dropout" in type(module).__name__ or isinstance(module, torch.nn.RReLU)
