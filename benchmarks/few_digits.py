"""Training in fewer digits on purpose: does rounding stay inside its law, and what is still seen?

``python -m benchmarks.few_digits [--synthetic] [--epochs N]`` trains pairs of which one side rounds its products to
TF32, bfloat16 or float16, or holds its parameters in bfloat16, and prints how much of what rounding explains was
used; then pairs with a planted difference of several sizes, and the verdicts. TF32 is emulated in NumPy: the operands
of every product are rounded to 10 explicit bits, to nearest even, and the sums stay in float32, as on the device.
"""

import argparse
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import nn

from benchmarks import parity_settings
from benchmarks.parity_settings import NETWORKS, OPTIMISERS, Data, Values, ours, schedule, theirs, torch_reference
from gradcheck_kit.side_by_side.digits import PRECISIONS, rounded
from gradcheck_kit.side_by_side.numpy_trainee import NumPyTrainee
from gradcheck_kit.side_by_side.torch_trainee import TorchTrainee
from gradcheck_kit.side_by_side.trainee import Trainee
from gradcheck_kit.side_by_side.training import ParityReport, train_parity
from reference_impls.layers import Affine
from reference_impls.layers.layer import Array

Numbers = dict[str, Any]
NETWORK = "MLP"


class RoundedProducts(Affine):
    """Both operands of every product are rounded to so many bits of significand."""

    digits = 24

    def forward(self, x: Array) -> Array:
        return self._with_rounded_weight(super().forward, x)

    def backward(self, cotangent: Array) -> Array:
        dx = self._with_rounded_weight(super().backward, cotangent)
        self.grads["b"] = cotangent.sum(axis=0)  # a sum is no product
        return dx

    def _with_rounded_weight(self, product: Callable[[Array], Array], operand: Array) -> Array:
        whole = self.params["W"]
        self.params["W"] = rounded(whole, self.digits)
        try:
            return product(rounded(operand, self.digits))
        finally:
            self.params["W"] = whole


def numpy_side(data: Data, numbers: Numbers, precision: str | None = None) -> NumPyTrainee:
    """In float32; its products' operands are rounded to `precision`."""
    network = NETWORKS[NETWORK](data.inputs.shape[1])
    layers = [layer for layer in network.layers if layer.params]
    for number, layer in enumerate(layers):
        layer.params = {name: p.astype(np.float32) for name, p in layer.params.items()}
        network.params.update({f"{number}.{name}": p for name, p in layer.params.items()})
        if precision is not None:
            layer.__class__ = RoundedProducts
            layer.digits = PRECISIONS[precision].digits  # type: ignore[attr-defined]
    return NumPyTrainee("NumPy" if precision is None else f"NumPy, {precision}", network, ours(numbers))


def torch_side(
    data: Data,
    numbers: Numbers,
    autocast: torch.dtype | None = None,
    dtype: torch.dtype = torch.float32,
    device: str = "cpu",
) -> TorchTrainee:
    """Parameters in `dtype`."""
    plain = torch_reference(data.inputs.shape[1], NETWORK, numbers)
    module = plain._module.to(device=device, dtype=dtype)
    return TorchTrainee("torch", module, theirs(module, numbers), nn.functional.cross_entropy, plain._layout, autocast)


Side = Callable[[Data, Numbers], Trainee]


@dataclass(frozen=True)
class Sides:
    """A pair, and the precision that is declared of it."""

    precision: str
    reference: Side
    candidate: Side


def _autocast(dtype: torch.dtype) -> Side:
    return lambda data, numbers: torch_side(data, numbers, autocast=dtype)


def _emulated(precision: str) -> Side:
    return lambda data, numbers: numpy_side(data, numbers, precision)


PRODUCTS = {
    "TF32 beside float32": Sides("tf32", numpy_side, _emulated("tf32")),
    "float32 beside TF32": Sides("tf32", _emulated("tf32"), torch_side),
    "bfloat16 autocast beside float32": Sides("bfloat16", numpy_side, _autocast(torch.bfloat16)),
    "float32 beside bfloat16 autocast": Sides("bfloat16", _autocast(torch.bfloat16), numpy_side),
    "float16 autocast beside float32": Sides("float16", numpy_side, _autocast(torch.float16)),
}
PARAMETERS = {
    "a bfloat16 module beside float32": Sides(
        "bfloat16", numpy_side, lambda data, numbers: torch_side(data, numbers, dtype=torch.bfloat16)
    ),
}


class Spoilt:
    """Any trainee, but for what is done to its gradients after the backward, or to its parameters after the step."""

    def __init__(
        self, inner: Any, gradients: Callable[[str, Values], Values] | None = None, held: tuple[str, ...] = ()
    ) -> None:
        self._inner, self._gradients, self._held = inner, gradients, held
        self.name, self.dtype, self.device = inner.name, inner.dtype, inner.device

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):  # a copy in the making has no _inner yet
            raise AttributeError(name)
        return getattr(self._inner, name)

    def loss_and_gradients(self, inputs: Values, labels: Values) -> float:
        loss: float = self._inner.loss_and_gradients(inputs, labels)
        if self._gradients is not None:
            self._inner.set_gradients({n: self._gradients(n, np.array(g)) for n, g in self._inner.gradients().items()})
        return loss

    def step(self) -> None:
        before = {name: np.array(p) for name, p in self._inner.parameters().items()}
        self._inner.step()
        if self._held:
            after = {name: np.array(p) for name, p in self._inner.parameters().items()}
            self._inner.load({**after, **{name: before[name] for name in self._held}})


Planted = Callable[[Side, Data, Numbers], Trainee]


def _rate(factor: float) -> Planted:
    return lambda side, data, numbers: side(data, {**numbers, "lr": factor * numbers["lr"]})


def _gradients(change: Callable[[str, Values], Values]) -> Planted:
    return lambda side, data, numbers: Spoilt(side(data, numbers), change)


def _column(name: str, gradient: Values) -> Values:
    if name == "1.W":
        gradient[:, 3] *= 2
    return gradient


PLANTED: dict[str, Planted] = {
    "learning rate × 1.5": _rate(1.5),
    "learning rate × 1.01": _rate(1.01),
    "gradients × 100 (no mean)": _gradients(lambda name, g: g * parity_settings.BATCH_SIZE),
    "gradients × 1.5": _gradients(lambda name, g: g * 1.5),
    "a column of a gradient × 2": _gradients(_column),
    "a bias's gradient is zero": _gradients(lambda name, g: g * (name != "1.b")),
    "a bias never moves": lambda side, data, numbers: Spoilt(side(data, numbers), held=("1.b",)),
}
DECAY = {"kind": "AdamW", "lr": 1e-3, "weight_decay": 0.01}


def doubled_decay(side: Side, data: Data, numbers: Numbers) -> Trainee:
    """Of `DECAY`'s."""
    return side(data, {**numbers, "weight_decay": 2 * numbers["weight_decay"]})


def trained(
    sides: Sides, data: Data, numbers: Numbers, epochs: int = 3, planted: Planted | None = None
) -> ParityReport:
    """One run, of one schedule."""
    reference = sides.reference(data, numbers)
    candidate = sides.candidate(data, numbers) if planted is None else planted(sides.candidate, data, numbers)

    def batch(indices: Any) -> tuple[Values, Values]:
        return data.inputs[indices].astype(np.float32), data.labels[indices]

    plan = schedule(data, NETWORK, epochs=epochs)
    return train_parity(reference, candidate, plan, batch, name=NETWORK, precision=sides.precision)


def main() -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--synthetic", action="store_true", help="images of blobs in place of MNIST's")
    parser.add_argument("--epochs", type=int, default=20, help="of the pairs that only round (default 20)")
    parser.add_argument("--optimisers", default=",".join(OPTIMISERS), help="of the first table (default: all)")
    options = parser.parse_args()
    data = parity_settings.synthetic() if options.synthetic else parity_settings.some_of_mnist()
    print(f"{data.name}, {options.epochs} epochs\n")
    print(
        "| pair | optimiser | verdict | of the law | of a step: gradients | update | parameters moved by | law allows |"
    )
    print("|---|---|---|---|---|---|---|---|")
    for name, sides in {**PRODUCTS, **PARAMETERS}.items():
        for optimiser in options.optimisers.split(","):
            numbers = OPTIMISERS[optimiser]
            report = trained(sides, data, numbers, options.epochs)
            gradients, update = (report.by_step.get(stage, (np.nan,))[0] for stage in ("gradients", "update"))
            told = f"{report.worst_of_law:.3f} | {gradients:.2f} | {update:.2f} | {report.moved:.0%}"
            print(
                f"| {name} | {optimiser} | {report.verdict.value} | {told} | {report.allowed.max():.0%} |", flush=True
            )
    print("\n| pair | planted, with SGD and momentum | verdict | step | stage | cause |\n|---|---|---|---|---|---|")
    for name, sides in {**PRODUCTS, **PARAMETERS}.items():
        for kind, planted in {**PLANTED, "weight decay doubled (AdamW)": doubled_decay}.items():
            numbers = DECAY if planted is doubled_decay else OPTIMISERS["momentum"]
            report = trained(sides, data, numbers, 3, planted)
            first = report.divergence
            told = f"{first.step} | {first.stage} | {first.cause or ''}" if first else " | | "
            print(f"| {name} | {kind} | {report.verdict.value} | {told} |", flush=True)


if __name__ == "__main__":
    main()
