"""In float32 a network without replayed kinks: right pairs pass, a clear difference fails where and when it begins.

Among them attention, whose keys' bias has a gradient that is nothing but rounding: a third of one fused tensor.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn, optim

from gradcheck_kit.side_by_side.digits import Digits
from gradcheck_kit.side_by_side.moment import Moment
from gradcheck_kit.side_by_side.parity_report import ParityReport
from gradcheck_kit.side_by_side.proof import Screen
from gradcheck_kit.side_by_side.schedule import Schedule
from gradcheck_kit.side_by_side.torch_trainee import TorchTrainee
from gradcheck_kit.side_by_side.training import train_parity
from gradcheck_kit.side_by_side.training_run import TrainingRun
from gradcheck_kit.verdict import Verdict

EXAMPLES, FEATURES, WIDTH = 120, 8, 12
FUSED = "encoder.self_attn.in_proj_bias"
OPTIMISERS: dict[str, Callable[[Any], optim.Optimizer]] = {
    "SGD": lambda p: optim.SGD(p, lr=0.1),
    "momentum": lambda p: optim.SGD(p, lr=0.05, momentum=0.9),
    "Adam": lambda p: optim.Adam(p, lr=3e-3),
    "AdamW": lambda p: optim.AdamW(p, lr=3e-3),
    "RMSprop": lambda p: optim.RMSprop(p, lr=3e-3),
}


class Perceptron(nn.Module):
    def __init__(self, activation: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.first, self.second, self.last = nn.Linear(FEATURES, 24), nn.Linear(24, 24), nn.Linear(24, 3)
        self.norm, self.activation = nn.LayerNorm(24), activation

    def forward(self, x: Tensor) -> Tensor:
        hidden = self.activation(self.norm(self.first(x)))
        return self.last(self.activation(self.second(hidden)))  # type: ignore[no-any-return]


class Transformer(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.embedding, self.last = nn.Linear(2, WIDTH), nn.Linear(WIDTH, 3)
        self.encoder = nn.TransformerEncoderLayer(WIDTH, 2, 24, dropout=0.0, activation="gelu", batch_first=True)

    def forward(self, x: Tensor) -> Tensor:
        encoded = self.encoder(self.embedding(x.reshape(len(x), 4, 2)))
        return self.last(encoded.mean(1))  # type: ignore[no-any-return]


class ByHand(Transformer):
    """The same sums as textbooks have them, the three projections one after another."""

    def forward(self, x: Tensor) -> Tensor:
        h, layer = self.embedding(x.reshape(len(x), 4, 2)), self.encoder
        W, b = layer.self_attn.in_proj_weight.split(WIDTH), layer.self_attn.in_proj_bias.split(WIDTH)
        q, k, v = ((h @ W[i].T + b[i]).reshape(len(x), 4, 2, WIDTH // 2).transpose(1, 2) for i in range(3))
        weights = torch.softmax(q @ k.transpose(-1, -2) / (WIDTH // 2) ** 0.5, -1)
        attended = layer.self_attn.out_proj((weights @ v).transpose(1, 2).reshape(h.shape))
        h = layer.norm1(h + attended)
        h = layer.norm2(h + layer.linear2(nn.functional.gelu(layer.linear1(h))))
        return self.last(h.mean(1))  # type: ignore[no-any-return]


class Transposed(nn.Linear):
    """(W xᵀ)ᵀ + b."""

    def forward(self, x: Tensor) -> Tensor:
        rows = x.reshape(-1, x.shape[-1])
        return (self.weight @ rows.T.contiguous()).T.reshape(*x.shape[:-1], -1) + self.bias


class InBlocks(nn.Linear):
    """A sum over blocks of three features."""

    def forward(self, x: Tensor) -> Tensor:
        out = self.bias.expand(*x.shape[:-1], -1)
        for start in range(0, x.shape[-1], 3):
            out = out + x[..., start : start + 3] @ self.weight[:, start : start + 3].T
        return out


class PermutedRows(TorchTrainee):
    made = 0

    def loss_and_gradients(self, inputs: Any, labels: Any) -> float:
        self.made += 1
        order = np.random.default_rng(self.made).permutation(len(labels))
        return super().loss_and_gradients(inputs[order], labels[order])


NETWORKS: dict[str, Callable[[], nn.Module]] = {
    "tanh": lambda: Perceptron(torch.tanh),
    "GELU": lambda: Perceptron(nn.functional.gelu),
    "transformer": Transformer,
}
WITH_KINKS = {"ReLU": lambda: Perceptron(torch.relu)}


def side(
    network: str, optimiser: str, seed: int = 0, kind: type[TorchTrainee] = TorchTrainee, **options: Any
) -> TorchTrainee:
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        module = (NETWORKS | WITH_KINKS)[network]().to(options.get("dtype", torch.float32))
    for part in module.modules():
        if type(part) is nn.Linear and "linear" in options:
            part.__class__ = options["linear"]
    if options.get("by_hand") and isinstance(module, Transformer):
        module.__class__ = ByHand
    return kind("torch", module, OPTIMISERS[optimiser](module.parameters()), nn.functional.cross_entropy)


def trained(
    reference: TorchTrainee, candidate: TorchTrainee, seed: int = 0, epochs: int = 2, **options: Any
) -> ParityReport:
    generator = np.random.default_rng(seed)
    labels = np.arange(EXAMPLES) % 3
    inputs = (generator.normal(size=(EXAMPLES, FEATURES)) + 1.5 * np.eye(3, FEATURES)[labels]).astype(np.float32)
    start = {name: np.array(values, np.float64) for name, values in reference.parameters().items()}
    plan = Schedule(start, EXAMPLES, 20, epochs, seed)
    return train_parity(reference, candidate, plan, lambda i: (inputs[i], labels[i]), **options)


REWRITES: dict[str, dict[str, Any]] = {
    "rows permuted": {"kind": PermutedRows},
    "products transposed": {"linear": Transposed},
    "sums in blocks": {"linear": InBlocks},
    "attention by hand, rows permuted": {"kind": PermutedRows, "by_hand": True},
}


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("rewrite", REWRITES)
@pytest.mark.parametrize("network", NETWORKS)
def test_a_rewrite_that_only_rounds_otherwise_passes(network: str, rewrite: str, dtype: torch.dtype) -> None:
    for optimiser in OPTIMISERS:
        seed = len(rewrite)
        sides = (
            side(network, optimiser, seed, dtype=dtype),
            side(network, optimiser, seed, dtype=dtype, **REWRITES[rewrite]),
        )
        report = trained(*sides, seed)
        assert report.divergence is None, (optimiser, report)
        assert report.worst_of_law <= 1
        assert report.verdict is Verdict.PASS or not report.loss_fell


# ---------------------------------------------------------------- planted differences


class Planted(TorchTrainee):
    """From step `at` on it does as `spoil` and `change` say."""

    at, made = 1, 0

    def loss_and_gradients(self, inputs: Any, labels: Any) -> float:
        self.made += 1
        if self.made >= self.at:
            labels = self.labels(np.array(labels))
        loss = super().loss_and_gradients(inputs, labels)
        if self.made >= self.at:
            self.spoil({name: p.grad for name, p in self._module.named_parameters()})
        return loss

    def labels(self, labels: Any) -> Any:
        return labels

    def spoil(self, gradients: Any) -> None:
        pass


class WrongLabel(Planted):
    def labels(self, labels: Any) -> Any:
        labels[0] = (labels[0] + 1) % 3
        return labels


class NoBias(Planted):
    def step(self) -> None:
        if self.made >= self.at:
            dict(self._module.named_parameters())["last.bias"].grad = None
        super().step()


class FasterByOnePercent(Planted):
    def step(self) -> None:
        for group in self._optimizer.param_groups if self.made == self.at else ():
            group["lr"] *= 1.01
        super().step()


class ColumnOff(Planted):
    def spoil(self, gradients: Any) -> None:
        gradients["last.weight"][:, 2] *= 1.01


class PermutedColumnOff(PermutedRows, ColumnOff):
    pass


class ValuesOff(Planted):
    """The third of the fused bias that is the values'."""

    def spoil(self, gradients: Any) -> None:
        gradients[FUSED][2 * WIDTH :] *= 1.001


class KeysOff(Planted):
    """The third whose gradient is zero but for rounding has one of a thousandth of the values'."""

    def spoil(self, gradients: Any) -> None:
        size = 1e-3 * gradients[FUSED][2 * WIDTH :].norm()
        gradients[FUSED][WIDTH : 2 * WIDTH] += size * torch.linspace(-1, 1, WIDTH, dtype=size.dtype)


class OneKeyOff(Planted):
    def spoil(self, gradients: Any) -> None:
        gradients[FUSED][WIDTH + 3] += 1e-3 * gradients[FUSED][2 * WIDTH :].norm()


@dataclass(frozen=True)
class Difference:
    kind: type[Planted]
    stage: str
    tensor: str
    cause: str | None = None
    networks: tuple[str, ...] = tuple(NETWORKS)
    later: int = 0


DIFFERENCES = {
    "one wrong label": Difference(WrongLabel, "batch", "labels", "wrong-label"),
    "a bias that is not updated": Difference(NoBias, "update", "last.bias", "never-moves"),
    "a learning rate 1 % too large": Difference(FasterByOnePercent, "update", "", "learning-rate", later=1),
    "a column of a gradient 1 % too large": Difference(ColumnOff, "gradients", "last.weight", "gradient-part"),
    "the values' third times 1.001": Difference(ValuesOff, "gradients", FUSED, networks=("transformer",)),
    "the keys' third a thousandth of the values'": Difference(KeysOff, "gradients", FUSED, networks=("transformer",)),
    "one element of the keys' third": Difference(
        OneKeyOff, "gradients", FUSED, "gradient-part", networks=("transformer",)
    ),
}
PLANTED = [(name, network) for name, difference in DIFFERENCES.items() for network in difference.networks]


@pytest.mark.parametrize("at", [1, 7])
@pytest.mark.parametrize("optimiser", ["momentum", "Adam"])
@pytest.mark.parametrize(("name", "network"), PLANTED)
def test_a_clear_difference_fails_at_the_step_stage_and_tensor_where_it_begins(
    name: str, network: str, optimiser: str, at: int
) -> None:
    difference = DIFFERENCES[name]
    candidate = side(network, optimiser, kind=difference.kind)
    candidate.at = at  # type: ignore[attr-defined]
    report = trained(side(network, optimiser), candidate)
    first = report.divergence
    assert report.verdict is Verdict.FAIL, report
    assert first is not None
    assert (first.stage, first.cause) == (difference.stage, difference.cause), report
    assert first.step in (at, at + difference.later)
    assert difference.tensor in ("", first.tensor)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("kind", [KeysOff, OneKeyOff])
def test_what_was_left_out_counts_again_where_the_candidate_s_gradient_is_no_rounding(
    kind: type[Planted], dtype: torch.dtype
) -> None:
    sides = [
        side("transformer", "AdamW", dtype=dtype),
        side("transformer", "AdamW", kind=kind, dtype=dtype, by_hand=True),
    ]
    sides[1].at = 17  # type: ignore[attr-defined]
    report = trained(*sides, epochs=3)
    first = report.divergence
    assert any(f"elements of {FUSED} is nothing but rounding" in note for note in report.notes), report
    assert report.verdict is Verdict.FAIL
    assert first is not None
    assert (first.step, first.stage, first.tensor) == (17, "gradients", FUSED), report


class Coarse(nn.Linear):
    """Ten times the rounding of its format, as of an approximated function: off, but by no wide margin."""

    def forward(self, x: Tensor) -> Tensor:
        signs = 1 - 2 * (torch.arange(self.out_features) % 2)
        return super().forward(x) * (1 + 5e-6 * signs)  # type: ignore[no-any-return]


class Doubled(Planted):
    def spoil(self, gradients: Any) -> None:
        gradients["first.weight"] *= 2


@pytest.mark.parametrize("kind", [Planted, Doubled])
@pytest.mark.parametrize("network", ["tanh", "ReLU"])
def test_a_clear_difference_is_seen_behind_one_that_proves_nothing(network: str, kind: type[Planted]) -> None:
    candidate = side(network, "Adam", kind=kind, linear=Coarse)
    report = trained(side(network, "Adam"), candidate)
    if kind is Planted:
        assert report.verdict is not Verdict.FAIL, report
        return
    assert report.verdict is Verdict.FAIL, report
    assert report.divergence is not None
    assert (report.divergence.step, report.divergence.stage) == (1, "gradients")
    assert (report.divergence.tensor, report.divergence.cause) == ("first.weight", "gradient-factor")


# ---------------------------------------------------------------- what proves nothing


class Leaky(nn.Module):
    """Kinks that no replay watches."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.last = nn.Linear(FEATURES, 24, bias=False), nn.Linear(24, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.last(nn.functional.leaky_relu(self.first(x), 0.01))  # type: ignore[no-any-return]


class OtherSide(Leaky):
    """What is within rounding of zero lies on its other side, as other sums may put it."""

    def forward(self, x: Tensor) -> Tensor:
        z = self.first(x)
        turned = torch.where(z.abs() < 1e-6, -2 * z, 0.0).detach()
        return self.last(nn.functional.leaky_relu(z + turned, 0.01))  # type: ignore[no-any-return]


class UnitOff(Planted):
    """The gradient of one unit is wrong by about as much as one example makes of it."""

    def spoil(self, gradients: Any) -> None:
        gradients["first.weight"][4] *= 1.1


def beside_leaky(
    other: type[Leaky], kind: type[TorchTrainee], *, at_a_kink: bool, replay: bool | None = False
) -> ParityReport:
    """One step; at a kink, the first example puts unit 4 within rounding of zero."""
    with torch.random.fork_rng():
        torch.manual_seed(3)
        modules = [Leaky(), other()]
    weight = modules[0].first.weight.detach().numpy()[4].astype(np.float64)
    x = np.random.default_rng(0).normal(size=(20, FEATURES))
    x[0] -= (x[0] @ weight) / (weight @ weight) * weight * at_a_kink
    sides = [
        made("torch", module, optim.SGD(module.parameters(), lr=0.5), nn.functional.cross_entropy)
        for made, module in ((TorchTrainee, modules[0]), (kind, modules[1]))
    ]
    start = {name: np.array(values, np.float64) for name, values in sides[0].parameters().items()}
    plan, labels = Schedule(start, 20, 20, 1, 0), np.arange(20) % 3
    return train_parity(*sides, plan, lambda i: (x[i].astype(np.float32), labels[i]), replay=replay)


def test_a_kink_that_rounding_turns_proves_nothing_and_a_wrong_gradient_away_from_kinks_does() -> None:
    turned = beside_leaky(OtherSide, TorchTrainee, at_a_kink=True)
    assert turned.divergence is not None, turned
    assert (turned.divergence.stage, turned.verdict) == ("gradients", Verdict.INCONCLUSIVE), turned
    asked = beside_leaky(OtherSide, TorchTrainee, at_a_kink=True, replay=None)
    assert asked.divergence is None
    assert any("makes much of the rounding before it" in note for note in asked.notes)
    wrong = beside_leaky(Leaky, UnitOff, at_a_kink=False)
    assert wrong.divergence is not None
    assert (wrong.divergence.stage, wrong.verdict) == ("gradients", Verdict.FAIL), wrong


@pytest.mark.parametrize("kind", [PermutedRows, PermutedColumnOff])
def test_the_decisions_of_rows_in_another_order_are_not_compared(kind: type[TorchTrainee]) -> None:
    """They are those on other examples, which are no nearer to one another than chance."""
    report = trained(side("ReLU", "Adam"), side("ReLU", "Adam", kind=kind))
    assert not report.misjudged
    assert "branches were not replayed: torch has the rows of a batch in another order" in report.notes
    assert report.verdict is (Verdict.PASS if kind is PermutedRows else Verdict.FAIL), report


def test_what_the_optimiser_made_of_earlier_rounding_proves_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a second look nothing is left out: beside the reference's own state the keys' third has other steps.

    The eps is large, so that the first of them are too short to leave the law.
    """
    monkeypatch.setitem(OPTIMISERS, "large eps", lambda p: optim.AdamW(p, lr=3e-3, eps=1e-7))
    stages = []
    for seed in range(4):
        sides = [side("transformer", "large eps", seed, **of) for of in ({}, {"kind": PermutedRows, "by_hand": True})]
        report = trained(*sides, seed, epochs=3, replay=False)
        assert report.verdict is not Verdict.FAIL, report
        stages.append(None if report.divergence is None else report.divergence.stage)
    assert "update" in stages, "else this test asks nothing"


def test_a_look_that_finds_nothing_doubles_what_it_takes_to_look_again() -> None:
    def moment(size: float) -> Moment:
        return Moment({}, {}, 1.0, {"W": np.array([1.0, size])})

    screen, reference = Screen(Digits(("float32", "float32")).unit_roundoff), moment(0.0)
    asked = [screen.asks(reference, moment(size), {}) for size in (1e-5, 1e-3, 1.5e-3, 2.5e-3, 4e-3, np.nan)]
    assert asked == [False, True, False, True, False, True]
    assert not screen.asks(reference, replace(reference, gradients=None), {})
    assert not Screen(2.0**-24).asks(reference, moment(1.0), {"W": np.array([False, True])})


def test_a_run_that_is_taken_up_again_looks_at_the_steps_that_it_would_have_looked_at() -> None:
    sides = [side("tanh", "Adam") for _ in range(4)]
    start = {name: np.array(values, np.float64) for name, values in sides[0].parameters().items()}
    inputs = np.random.default_rng(0).normal(size=(EXAMPLES, FEATURES)).astype(np.float32)
    runs = [
        TrainingRun(*pair, Schedule(start, EXAMPLES, 60, 2, 0), lambda i: (inputs[i], i % 3))
        for pair in ((sides[0], sides[1]), (sides[2], sides[3]))
    ]
    runs[0]._screen.seen["last.bias"] = 0.25
    runs[0].epoch()
    runs[1].restore(runs[0].snapshot())
    assert runs[1]._screen.seen == {"last.bias": 0.25}
