"""The trainers that are timed: each makes one SGD step on a batch and says the loss before it.

All start from the weights of one readable network and see the same batches. A trainer that cannot run here raises
`NotRunnableError` with the reason.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from gradcheck_kit.subject import in_words
from reference_impls.fast import FastLeNet, FastMLP, InPlaceSGD, SeldomZeroFirst
from reference_impls.networks import MLP, LeNet
from reference_impls.networks.classifier import Classifier
from reference_impls.optimizers import SGD
from tests.networks import lenet_modules

Array = npt.NDArray[Any]
Step = Callable[[int], float]

BATCH = 100
RATE = 0.1


class NotRunnableError(Exception):
    """A trainer that does not run on this machine; the message says why."""


@dataclass(frozen=True)
class Task:
    """A network to train.

    Attributes:
        title: its name.
        network: generator → the readable network, float32; every call with an equal generator makes the same.
        modules: torch's modules, in order.
        x: all examples in the network's shape, float32, in the order in which they are seen.
        labels: their classes.
        operations: multiplications and additions that a step of one example needs at least, in its matrix products.
        goal: the fast forms' least ratio to torch eager's speed.
        steps: how many are taken in a turn.
    """

    title: str
    network: Callable[[], Classifier]
    modules: Callable[[], list[nn.Module]]
    x: Array
    labels: Array
    operations: int
    goal: float
    steps: int

    def batch(self, i: int) -> slice:
        """Which examples step i sees; after the last whole batch it begins again."""
        first = i % (len(self.x) // BATCH) * BATCH
        return slice(first, first + BATCH)


def fast(task: Task) -> Step:
    """Memory allocated once, one product a layer and direction, the update in place."""
    readable = task.network()
    network = FastMLP(readable) if isinstance(readable, MLP) else FastLeNet(_lenet(readable))
    return _in_numpy(task, network, InPlaceSGD(network.params, RATE))


def sparse(task: Task) -> Step:
    """The same without the pixels that are dark in a whole batch; pixels and weights are sorted beforehand."""
    readable = task.network()
    if not isinstance(readable, MLP):
        raise NotRunnableError("its first layer is no affine one")
    examples = SeldomZeroFirst(task.x, BATCH)
    readable.params["0.W"][...] = readable.params["0.W"][examples.order]
    network = FastMLP(readable, dense_inputs=examples.dense)
    return _in_numpy(
        replace(task, x=examples), network, InPlaceSGD(network.params, RATE, sparse_rows=network.sparse_rows)
    )


def textbook(task: Task) -> Step:
    """The readable network and optimiser."""
    network = task.network()
    return _in_numpy(task, network, SGD(network.params, RATE))


def _lenet(network: Classifier) -> LeNet:
    assert isinstance(network, LeNet)
    return network


def _in_numpy(task: Task, network: Any, optimizer: Any) -> Step:
    def step(i: int) -> float:
        batch = task.batch(i)
        loss = network.loss(task.x[batch], task.labels[batch])
        network.backward()
        optimizer.step(network.grads)
        return float(loss)

    return step


def _twin(task: Task) -> nn.Sequential:
    """The network in torch, with its weights."""
    module = nn.Sequential(*task.modules())
    module.load_state_dict({name: torch.from_numpy(array) for name, array in task.network().state_dict().items()})
    return module


def _in_torch(module: nn.Module, loss_of: Callable[..., torch.Tensor], batch: Callable[[int], Any]) -> Step:
    optimizer = torch.optim.SGD(module.parameters(), RATE)

    def step(i: int) -> float:
        optimizer.zero_grad()
        loss = loss_of(*batch(i))
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        return loss.item()

    return step


def _loss_of(module: nn.Module) -> Callable[[torch.Tensor, torch.Tensor], torch.Tensor]:
    return lambda x, labels: nn.functional.cross_entropy(module(x), labels)


def torch_eager(task: Task) -> Step:
    """Tensors made beforehand, of which a step takes a slice."""
    x, labels, module = torch.from_numpy(task.x), torch.from_numpy(task.labels), _twin(task)
    return _in_torch(module, _loss_of(module), lambda i: (x[task.batch(i)], labels[task.batch(i)]))


def torch_loader(task: Task) -> Step:
    """The same through a DataLoader over a TensorDataset, in this process, as tutorials do."""
    module = _twin(task)
    data = torch.utils.data.TensorDataset(torch.from_numpy(task.x), torch.from_numpy(task.labels))
    loader = torch.utils.data.DataLoader(data, BATCH, drop_last=True)

    def forever() -> Iterator[Any]:
        while True:
            yield from loader

    batches = forever()
    return _in_torch(module, _loss_of(module), lambda i: next(batches))


def torch_compiled(task: Task) -> Step:
    """`torch.compile` of the network with its loss; tensors made beforehand."""
    x, labels, module = torch.from_numpy(task.x), torch.from_numpy(task.labels), _twin(task)
    step = _in_torch(module, torch.compile(_loss_of(module)), lambda i: (x[task.batch(i)], labels[task.batch(i)]))
    try:
        step(0)  # compiles; a throwaway, on weights that the run below starts with again
    except Exception as error:  # whatever the compiler raises, it is its reason
        raise NotRunnableError(in_words(error, None)) from error
    module.load_state_dict(_twin(task).state_dict())
    return step


def jax_jit(task: Task) -> Step:
    """One compiled function from parameters to parameters; arrays made beforehand."""
    try:
        from benchmarks.trainer_in_jax import trainer
    except ImportError as error:
        raise NotRunnableError(f"{error}; install it with pip install 'gradcheck-kit[peers]'") from error
    return trainer(task.network(), task.x, task.labels, task.batch, RATE)


TRAINERS: dict[str, Callable[[Task], Step]] = {
    "NumPy, fast": fast,
    "NumPy, fast, dark pixels left out": sparse,
    "torch eager, preloaded": torch_eager,
    "torch eager, DataLoader": torch_loader,
    "torch.compile": torch_compiled,
    "JAX jit": jax_jit,
    "NumPy, textbook": textbook,
}


def tasks(x: Array, labels: Array) -> list[Task]:
    """The three networks on images (n, 28, 28) of numbers from 0 to 1, float32."""
    rows, images = x.reshape(len(x), -1), x[:, np.newaxis]
    lenet = (28 * 28 * 6 * 25, 10 * 10 * 16 * 150, 400 * 120, 120 * 84, 84 * 10)
    return [
        _mlp([784, 128, 10], rows, labels, goal=1.8, steps=20),
        _mlp([784, 512, 256, 10], rows, labels, goal=1.3, steps=10),
        Task(
            "LeNet",
            lambda: LeNet(np.random.default_rng(0), dtype=np.float32),
            lambda: lenet_modules(padding=2),
            images,
            labels,
            operations(lenet),
            goal=1.2,
            steps=3,
        ),
    ]


def operations(products: tuple[int, ...]) -> int:
    """Of a step, from each layer's multiplications forward: as many back, twice, but once in the first layer."""
    return 2 * (3 * sum(products) - products[0])


def _mlp(sizes: list[int], x: Array, labels: Array, goal: float, steps: int) -> Task:
    pairs = list(pairwise(sizes))

    def modules() -> list[nn.Module]:
        return [module for pair in pairs for module in (nn.Linear(*pair), nn.ReLU())][:-1]

    return Task(
        "-".join(map(str, sizes)),
        lambda: MLP(sizes, np.random.default_rng(0), dtype=np.float32),
        modules,
        x,
        labels,
        operations(tuple(before * after for before, after in pairs)),
        goal,
        steps,
    )
