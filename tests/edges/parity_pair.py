"""A pair of trainees for the command line, and what may happen to it; the tests write this file into a directory."""

import os
import signal
from typing import Any

import numpy as np

from gradcheck_kit.side_by_side.numpy_trainee import NumPyTrainee
from reference_impls.layers import Affine, Dropout, ReLU
from reference_impls.networks import MLP
from reference_impls.networks.classifier import Classifier
from reference_impls.optimizers import Adam

SIZES = [6, 5, 3]
labels = np.arange(130) % 3
inputs = np.random.default_rng(0).normal(size=(130, 6)) + 2 * np.eye(6)[labels]
data = inputs, labels
test = inputs[:30], labels[:30]


def made(name: str, seed: int, optimizer: type[Adam] = Adam, **numbers: Any) -> NumPyTrainee:
    return NumPyTrainee(name, MLP(SIZES, np.random.default_rng(seed)), lambda p: optimizer(p, **{"lr": 0.02} | numbers))


def reference() -> NumPyTrainee:
    return made("reference", 1)


def candidate() -> NumPyTrainee:
    return made("candidate", 2)


class Late(Adam):
    """From step 18 on, a thousandth of a millionth too fast."""

    def step(self, grads: Any) -> None:
        if self._steps == 17:
            self.lr *= 1 + 1e-9
        super().step(grads)

    def load_state_dict(self, state: Any) -> None:
        super().load_state_dict(state)
        self.lr = 0.02 * (1 + 1e-9) if self._steps > 17 else 0.02


def late() -> NumPyTrainee:
    return made("late", 2, Late)


class Struck(NumPyTrainee):
    """Makes so many steps as the environment says; then it is killed, interrupted, or raises."""

    steps = 0

    def step(self) -> None:
        super().step()
        self.steps += 1
        if self.steps == int(os.environ.get("PARITY_STEPS", "0")):
            match os.environ["PARITY_FATE"]:
                case "killed":
                    os.kill(os.getpid(), signal.SIGKILL)
                case "interrupted":
                    raise KeyboardInterrupt
                case _:
                    raise ZeroDivisionError("planted")


def struck() -> NumPyTrainee:
    return Struck("late", MLP(SIZES, np.random.default_rng(2)), lambda p: Late(p, lr=0.02))


class WithoutState:
    """A trainee that cannot be kept, with the four methods alone."""

    name, dtype, device = "without state", "float64", "cpu"

    def __init__(self) -> None:
        self._inner = made("inner", 3)
        self.load, self.parameters = self._inner.load, self._inner.parameters
        self.loss_and_gradients, self.step = self._inner.loss_and_gradients, self._inner.step


def dropping() -> NumPyTrainee:
    affine = [Affine(np.ones(shape), np.zeros(shape[1])) for shape in ((6, 5), (5, 3))]
    layers = [affine[0], ReLU(), Dropout(0.5, np.random.default_rng(0)), affine[1]]
    return NumPyTrainee("dropping", Classifier(layers), lambda p: Adam(p, 0.02))


def torch_dropping() -> Any:
    import torch

    from gradcheck_kit.side_by_side.torch_trainee import TorchTrainee

    module = torch.nn.Sequential(torch.nn.Linear(6, 5), torch.nn.Dropout(), torch.nn.Linear(5, 3)).double()
    optimizer = torch.optim.Adam(module.parameters())
    return TorchTrainee("dropping", module, optimizer, torch.nn.functional.cross_entropy)


one_trainee = candidate()
no_trainee = 3.0
