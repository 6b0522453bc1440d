"""A tensor whose gradient is nothing but rounding differs between right programs: it is left out, and named."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from gradcheck_kit.side_by_side.parity_report import ParityReport
from gradcheck_kit.side_by_side.rounded_gradients import Gradients
from gradcheck_kit.side_by_side.schedule import Schedule
from gradcheck_kit.side_by_side.shadow import Shadow
from gradcheck_kit.side_by_side.shadows import Shadows
from gradcheck_kit.side_by_side.torch_trainee import TorchTrainee
from gradcheck_kit.side_by_side.training import train_parity
from gradcheck_kit.verdict import Verdict

EXAMPLES, WIDTH = 130, 32
LABELS = np.arange(EXAMPLES) % 3
INPUTS = (np.random.default_rng(0).normal(size=(EXAMPLES, 6)) + 1.5 * np.eye(3, 6)[LABELS]).astype(np.float32)
OPTIMISERS: dict[str, Callable[..., torch.optim.Optimizer]] = {
    "Adam": torch.optim.Adam,
    "RMSprop": torch.optim.RMSprop,
    "SGD": torch.optim.SGD,
}


class ByHand(nn.Module):
    """Batch norm as textbooks have it, its running statistics too; `factor` is a mistake in its weight."""

    def __init__(self, factor: float = 1.0) -> None:
        super().__init__()
        self.weight, self.bias = nn.Parameter(torch.ones(WIDTH)), nn.Parameter(torch.zeros(WIDTH))
        self.factor = factor
        self.register_buffer("running_mean", torch.zeros(WIDTH))
        self.register_buffer("running_var", torch.ones(WIDTH))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        centred = x - x.mean(0)
        var = (centred * centred).mean(0)
        with torch.no_grad():
            self.running_mean.mul_(0.9).add_(0.1 * x.mean(0))
            self.running_var.mul_(0.9).add_(0.1 * var * len(x) / (len(x) - 1))
        return centred * (self.weight * self.factor / torch.sqrt(var + 1e-5)) + self.bias


def network(norm: nn.Module) -> nn.Module:
    with torch.random.fork_rng():
        torch.manual_seed(1)
        return nn.Sequential(nn.Linear(6, WIDTH), norm, nn.ReLU(), nn.Linear(WIDTH, 3))


class Silent(TorchTrainee):
    """It tells no gradients, so that nothing shows which of them are rounding."""

    gradients = None  # type: ignore[assignment]


class Noisy(nn.Module):
    """Noise on every row, of a generator that is copied with it: the order of rows matters, and rounding does not."""

    def __init__(self, seed: int | None) -> None:
        super().__init__()
        self.drawn = np.random.default_rng(seed)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + torch.tensor(self.drawn.normal(size=tuple(x.shape)), dtype=x.dtype)


class LateMistake(TorchTrainee):
    """From its fifth step on, the columns of the last layer's gradient are up to half too long."""

    made = 0

    def step(self) -> None:
        self.made += 1
        if self.made >= 5:
            gradients = dict(self.gradients())
            self.set_gradients({**gradients, "3.weight": gradients["3.weight"] * np.linspace(1, 1.5, WIDTH)})
        super().step()


def side(norm: nn.Module, optimiser: str, kind: type[TorchTrainee] = TorchTrainee) -> TorchTrainee:
    module = network(norm)
    rates = {"Adam": 0.01, "RMSprop": 0.01, "SGD": 0.1}
    made = OPTIMISERS[optimiser](module.parameters(), lr=rates[optimiser])
    return kind(type(norm).__name__, module, made, nn.functional.cross_entropy)


def trained(
    candidate: TorchTrainee, optimiser: str, kind: type[TorchTrainee] = TorchTrainee, **options: Any
) -> ParityReport:
    start = {n: p.detach().double().numpy().copy() for n, p in network(nn.BatchNorm1d(WIDTH)).named_parameters()}
    plan = Schedule(start, EXAMPLES, 20, 6, seed=0)
    reference = side(nn.BatchNorm1d(WIDTH), optimiser, kind)
    return train_parity(reference, candidate, plan, lambda i: (INPUTS[i], LABELS[i]), **options)


def left_out(report: ParityReport) -> list[str]:
    return [note for note in report.notes if "left out of the law" in note]


@pytest.mark.parametrize("shadows", [None, 1])
@pytest.mark.parametrize("optimiser", ["Adam", "RMSprop"])
def test_a_bias_before_a_batch_norm_is_left_out_where_an_optimiser_makes_steps_of_its_rounding(
    optimiser: str, shadows: int | None
) -> None:
    report = trained(side(ByHand(), optimiser), optimiser, shadows=shadows)
    assert report.verdict is Verdict.PASS, report
    assert report.worst_of_law < 1
    assert [("the gradient of 0.bias is" in note) for note in left_out(report)] == [True]
    assert report.max_difference["0.bias"] > 1e-3, "it is told how far that tensor went"


def test_where_the_law_is_kept_nothing_is_left_out() -> None:
    report = trained(side(ByHand(), "SGD"), "SGD", shadows=1)
    assert report.verdict is Verdict.PASS
    assert not left_out(report)


@pytest.mark.parametrize("shadows", [None, 1])
@pytest.mark.parametrize("optimiser", ["Adam", "RMSprop"])
def test_where_no_gradients_are_told_rounding_that_drives_the_first_step_decides_nothing(
    optimiser: str, shadows: int | None
) -> None:
    report = trained(side(ByHand(), optimiser), optimiser, Silent, shadows=shadows)
    assert report.verdict is Verdict.INCONCLUSIVE, report
    assert report.chaotic_from == 1
    assert any("after step 1: it is chaotic" in note for note in report.notes)


@pytest.mark.parametrize("seed", [0, None])
@pytest.mark.parametrize("shadows", [None, 1])
def test_a_reference_that_draws_numbers_is_not_driven_by_rounding(seed: int | None, shadows: int | None) -> None:
    """With a seed a copy makes the same bits and a moved one is near, so that only the order of its rows drives it."""
    start = {n: p.detach().double().numpy().copy() for n, p in network(Noisy(seed)).named_parameters()}
    plan = Schedule(start, EXAMPLES, 20, 2, seed=0)
    sides = side(Noisy(seed), "Adam"), side(Noisy(1), "Adam")
    report = train_parity(*sides, plan, lambda i: (INPUTS[i], LABELS[i]), shadows=shadows, replay=True)
    assert report.chaotic_from is None
    assert not any("it is chaotic" in note for note in report.notes)
    assert report.verdict is Verdict.FAIL


@pytest.mark.parametrize("optimiser", ["Adam", "RMSprop"])
def test_a_difference_in_another_tensor_is_still_one(optimiser: str) -> None:
    report = trained(side(ByHand(factor=1.001), optimiser), optimiser)
    assert report.verdict is Verdict.FAIL
    assert report.divergence is not None
    assert (report.divergence.step, report.divergence.stage) == (1, "activations")


@pytest.mark.parametrize("rate", [0.01, 0.01 * (1 + 1e-4)])
def test_a_start_that_is_the_reference_s_own_arrays_stays_the_start(rate: float) -> None:
    """Copies that began where the reference is now would be far off at once, as if rounding drove it."""
    reference, candidate = (network(ByHand()) for _ in range(2))
    sides = [
        TorchTrainee("torch", made, torch.optim.Adam(made.parameters(), lr=lr), nn.functional.cross_entropy)
        for made, lr in ((reference, 0.01), (candidate, rate))
    ]
    start = {name: p.detach().numpy() for name, p in reference.named_parameters()}
    report = train_parity(*sides, Schedule(start, EXAMPLES, 20, 3, 0), lambda i: (INPUTS[i], LABELS[i]))
    assert report.chaotic_from is None
    assert (report.divergence is None) is (rate == 0.01), report
    assert report.moved > 0.01


@pytest.mark.parametrize("optimiser", ["Adam", "RMSprop"])
def test_a_difference_that_comes_later_is_found_in_its_tensor(optimiser: str) -> None:
    report = trained(side(ByHand(), optimiser, LateMistake), optimiser)
    assert report.verdict is Verdict.FAIL
    assert left_out(report)
    assert report.divergence is not None
    assert (report.divergence.step, report.divergence.what) == (5, "3.weight")
    assert report.divergence.tensor == "3.weight"


class Decaying(TorchTrainee):
    """The bias before the batch norm, which no output feels, shrinks beside every step."""

    def step(self) -> None:
        super().step()
        with torch.no_grad():
            self._own["0.bias"].mul_(0.99)


def test_what_is_no_step_of_rounding_is_not_left_out_where_the_gradient_is_rounding() -> None:
    """SGD makes no steps of it, and so it explains none: copies of the reference are not apart there themselves."""
    module = network(ByHand())
    candidate = Decaying("decaying", module, torch.optim.SGD(module.parameters(), lr=0.1), nn.functional.cross_entropy)
    report = trained(candidate, "SGD")
    first = report.divergence
    assert not left_out(report)
    assert report.verdict is Verdict.FAIL
    assert first is not None
    assert (first.step, first.stage, first.tensor, first.cause) == (1, "update", "0.bias", "weight-decay")


class OneFeatureUphill(TorchTrainee):
    """The gradient of one input's weights has the other sign."""

    def loss_and_gradients(self, inputs: Any, labels: Any) -> float:
        loss = super().loss_and_gradients(inputs, labels)
        gradient = self._own["0.weight"].grad
        assert gradient is not None
        gradient[:, 5] *= -1
        return loss


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("kind", [TorchTrainee, OneFeatureUphill])
def test_the_gradient_of_a_tiny_input_is_small_and_no_rounding(kind: type[TorchTrainee], dtype: torch.dtype) -> None:
    """Adam makes whole steps of it, which are right or wrong as those of any other."""
    inputs = INPUTS * np.array([1, 1, 1, 1, 1, torch.finfo(dtype).eps], np.float32)
    modules = [network(nn.Tanh()).to(dtype) for _ in range(2)]
    sides = [
        made("torch", module, torch.optim.Adam(module.parameters(), lr=0.01, eps=1e-30), nn.functional.cross_entropy)
        for made, module in zip((TorchTrainee, kind), modules, strict=True)
    ]
    plan = Schedule({n: p.detach().double().numpy() for n, p in modules[0].named_parameters()}, EXAMPLES, 20, 2, 0)
    report = train_parity(*sides, plan, lambda i: (inputs[i], LABELS[i]))
    assert not left_out(report)
    assert (report.divergence is None) is (kind is TorchTrainee), report
    assert report.verdict is not Verdict.PASS or kind is TorchTrainee


def rounding(seen: Gradients) -> dict[str, list[bool]]:
    return {name: mask.tolist() for name, mask in seen.rounding(2.0**-24).items()}


def test_a_gradient_is_all_rounding_by_its_size_over_all_steps_and_never_all_of_them_are() -> None:
    seen = Gradients()
    real, small = np.ones(3), np.full(3, 1e-9)
    seen.add({"W": real, "b": small}, {"W": real * (1 + 1e-7), "b": -small})
    assert rounding(seen) == {"b": [True] * 3}
    seen.add({"W": small, "b": real}, {"W": -small, "b": real})
    assert rounding(seen) == {}, "a gradient that was one in any step"
    alone = Gradients()
    alone.add({"W": real, "b": small}, {"W": -real, "b": -small})
    assert rounding(alone) == {}
    alone.add({"W": real * math.nan}, {"W": real})
    assert rounding(alone) == {"b": [True] * 3}, "what is no number is no rounding"


# What the second of three elements is, beside two that are 1 and known to 1e-8; and whether it is rounding.
SECOND: dict[str, tuple[float, float, bool]] = {
    "of the last places of the others": (1e-8, -1e-8, True),
    "known no better than the others, and small": (5e-8, 4e-8, True),
    "of the last places, but known by itself": (1e-8, 1.00001e-8, False),
    "small beside the others, but well above what they differ by": (1e-6, 1.01e-6, False),
    "exactly zero": (0.0, 0.0, False),
}


@pytest.mark.parametrize("name", SECOND)
def test_an_element_is_rounding_where_it_is_no_larger_than_what_copies_differ_by(name: str) -> None:
    one, other, expected = SECOND[name]
    seen = Gradients()
    seen.add({"W": np.array([1.0, one, -1.0])}, {"W": np.array([1.0 + 1e-8, other, -1.0])})
    assert rounding(seen) == ({"W": [False, True, False]} if expected else {})


@pytest.mark.parametrize(("lucky", "expected"), [(0, 8), (2, 10), (3, 8)])
def test_a_few_elements_that_are_equal_or_zero_by_luck_are_rounding_as_those_beside_them(
    lucky: int, expected: int
) -> None:
    seen = Gradients()
    noise = np.array([1e-8] * 8 + [5e-9, 0.0, 0.0][:lucky] + [1.0])
    seen.add({"W": noise}, {"W": noise * np.array([-1.0] * 8 + [1.0] * lucky + [1 + 1e-7])})
    assert sum(rounding(seen)["W"]) == expected


def test_beside_a_program_that_draws_numbers_no_element_is_rounding() -> None:
    """What its copies differ by says nothing of rounding: only the last places of the gradients do."""
    seen = Gradients()
    seen.add({"W": np.array([1.0, 1e-4, -1.0])}, {"W": np.array([1.05, 2e-4, -1.05])})
    assert rounding(seen) == {}


def test_what_was_left_out_is_kept_with_a_run_that_is_taken_up_again() -> None:
    def shadow() -> Shadow:
        made = Shadow.of(side(ByHand(), "Adam"), dict(side(ByHand(), "Adam").parameters()), 0)
        assert made is not None
        return made

    first, again = shadow(), shadow()
    first.gradients.add({"W": np.ones(3)}, {"W": np.zeros(3)})
    first.norms["1"] = 2.0
    again.restore(first.to_arrays())
    assert again.gradients.steps == 1
    assert again.gradients.apart["W"].tolist() == [1.0] * 3
    assert again.gradients.squares["W"].tolist() == [1.0] * 3
    assert again.norms == {"1": 2.0}
    plan = Schedule({"W": np.ones(1)}, 2, 1, 1, 0)
    held = [Shadows(side(ByHand(), "Adam"), plan, lambda i: (INPUTS[i], LABELS[i]), 1e-7) for _ in range(2)]
    held[0].left_out.masks["0.bias"] = np.array([True, False])
    held[0].left_out.levels["0.bias"] = 1e-9
    held[1].restore(held[0].to_arrays())
    assert held[1].left_out.masks["0.bias"].tolist() == [True, False]
    assert held[1].left_out.levels == {"0.bias": 1e-9}
