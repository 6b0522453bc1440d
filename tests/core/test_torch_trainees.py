"""A torch side with any optimiser, a scheduler, a frozen or late layer: its steps are kept and remade as they were."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.functional import cross_entropy

from gradcheck_kit.side_by_side.checkpoint import obstacle
from gradcheck_kit.side_by_side.parity_report import ParityReport
from gradcheck_kit.side_by_side.schedule import Schedule
from gradcheck_kit.side_by_side.torch_trainee import TorchTrainee
from gradcheck_kit.side_by_side.training import TrainingRun, train_parity
from gradcheck_kit.verdict import Verdict

Array = np.ndarray[Any, Any]
Make = Callable[[Any], torch.optim.Optimizer]
EXAMPLES, BATCH = 130, 20
LABELS = np.arange(EXAMPLES) % 3
INPUTS = np.random.default_rng(0).normal(size=(EXAMPLES, 6)) + 1.5 * np.eye(3, 6)[LABELS]
LATE = 6  # the first step of a layer that joins, and of a difference


def batch(indices: Any) -> tuple[Array, Array]:
    return INPUTS[indices], LABELS[indices]


class TwoLayers(nn.Module):
    """`late`: a third is added from step 6 on, `in_place`: added to, without another tensor."""

    def __init__(self, late: bool = False, in_place: bool = False) -> None:
        super().__init__()
        torch.manual_seed(1)
        self.first, self.second, self.last = nn.Linear(6, 9), nn.Linear(9, 9), nn.Linear(9, 3)
        self.joins = nn.Linear(6, 3) if late else None
        self.in_place, self.steps = in_place, 0

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.steps += 1
        hidden = torch.tanh(self.first(x))
        between = self.second(hidden)
        if self.in_place:
            between += hidden
        else:
            between = between + hidden
        out: torch.Tensor = self.last(torch.tanh(between))
        return out if self.joins is None or self.steps < LATE else out + self.joins(x)


class Interrupted(TorchTrainee):
    """Whose late layer knows its step again after an interruption."""

    def load_state(self, parameters: Any, state: Any) -> None:
        super().load_state(parameters, state)
        self._module.steps = int(state["steps"])


class Thawing(TorchTrainee):
    """Whose first layer, frozen at first, is trained from a late step on."""

    made = 0

    def step(self) -> None:
        super().step()
        self.made += 1
        self._module.first.requires_grad_(self.made >= LATE - 1)  # type: ignore[union-attr,operator]

    def load_state(self, parameters: Any, state: Any) -> None:
        super().load_state(parameters, state)
        self.made = int(state.get("steps", 0))
        self._module.first.requires_grad_(self.made >= LATE - 1)  # type: ignore[union-attr,operator]


class Scheduled(TorchTrainee):
    """With a learning rate that falls after every step."""

    def __init__(self, *given: Any, **options: Any) -> None:
        super().__init__(*given, **options)
        self.scheduler = torch.optim.lr_scheduler.ExponentialLR(self._optimizer, 0.97)

    def step(self) -> None:
        super().step()
        self.scheduler.step()


class SetBefore(TorchTrainee):
    """With a learning rate that is set before every step."""

    made = 0

    def step(self) -> None:
        self.made += 1
        for group in self._optimizer.param_groups:
            group["lr"] = 0.01 * 0.97**self.made
        super().step()


def changing(kind: type[TorchTrainee], **numbers: Any) -> type[TorchTrainee]:
    """The same trainee, with other hyperparameters from a late step on."""

    class Changing(kind):  # type: ignore[valid-type,misc]
        steps = 0

        def step(self) -> None:
            self.steps += 1
            if self.steps >= LATE + 2:
                for group in self._optimizer.param_groups:
                    group.update(numbers)
            super().step()

    return Changing


def side(
    name: str,
    make: Make,
    kind: type[TorchTrainee] = TorchTrainee,
    dtype: torch.dtype = torch.float64,
    frozen: bool = False,
    autocast: torch.dtype | None = None,
    **options: Any,
) -> TorchTrainee:
    module = TwoLayers(**options).to(dtype)
    module.first.requires_grad_(not frozen)
    return kind(name, module, make(module.parameters()), cross_entropy, autocast=autocast)


def plan(like: TorchTrainee, epochs: int = 3) -> Schedule:
    start = {name: values.astype(np.float64) for name, values in like.parameters().items()}
    return Schedule(start, EXAMPLES, BATCH, epochs, 0)


def beside(make: Make, other: Make | None = None, **options: Any) -> ParityReport:
    """Of two torch sides in float64; `candidate_kind` where the candidate's is another."""
    kinds = options.pop("kind", TorchTrainee), options.pop("candidate_kind", None)
    reference = side("torch", make, kinds[0], **options)
    candidate = side("candidate", other or make, kinds[1] or kinds[0], **options)
    return train_parity(reference, candidate, plan(reference), batch)


def in_bfloat16(make: Make, other: Make | None = None, **options: Any) -> ParityReport:
    """Of a side in float32 and one under autocast."""
    options = {"dtype": torch.float32, **options}
    reference = side("torch", make, **options)
    candidate = side("autocast", other or make, autocast=torch.bfloat16, **options)
    return train_parity(reference, candidate, plan(reference), batch, precision="bfloat16")


def of(name: str, **numbers: Any) -> Make:
    return lambda parameters: getattr(torch.optim, name)(parameters, **{"lr": 0.01, **numbers})


class WithOwnKinds(torch.optim.Optimizer):
    """Not torch's: counts in Python, keeps a Python float, and a kind that no other has."""

    def __init__(self, parameters: Any, lr: float) -> None:
        super().__init__(parameters, {"lr": lr})

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:  # type: ignore[override]
        for group in self.param_groups:
            for p in group["params"]:
                state = self.state[p]
                state["step"] = state.get("step", 0) + 1
                state["decay"] = state.get("decay", 1.0) * 0.9
                state["pull"] = state.get("pull", torch.zeros_like(p)) * 0.7 + p.grad
                p -= group["lr"] * state["pull"] * (1 + state["decay"] ** state["step"])


OPTIMISERS: dict[str, Make] = {
    "Adagrad": of("Adagrad"),
    "Adadelta": of("Adadelta", lr=1.0),
    "Adamax": of("Adamax"),
    "NAdam": of("NAdam"),
    "RAdam": of("RAdam", lr=0.05),
    "Rprop": of("Rprop"),
    "ASGD": of("ASGD", lr=0.1, t0=4),
    "Adam": of("Adam"),
    "Adam with amsgrad": of("Adam", amsgrad=True),
    "AdamW": of("AdamW", weight_decay=0.1),
    "SGD": of("SGD", lr=0.1),
    "SGD with momentum": of("SGD", momentum=0.9, dampening=0.5),
    "SGD with Nesterov": of("SGD", momentum=0.9, nesterov=True),
    "RMSprop": of("RMSprop"),
    "RMSprop, centered, with momentum": of("RMSprop", centered=True, momentum=0.9),
    "not torch's": lambda parameters: WithOwnKinds(parameters, lr=0.01),
}

# ---------------------------------------------------------------- every optimiser's state is whole


def states(trainee: TorchTrainee) -> list[dict[str, Any]]:
    return [dict(trainee._optimizer.state.get(p, {})) for p in trainee._own.values()]


def same(one: Any, other: Any) -> bool:
    """Of one type, dtype, and every bit."""
    if not isinstance(one, torch.Tensor):
        return type(one) is type(other) and one == other
    return one.dtype == other.dtype and torch.equal(one, other)


def taken_up_again(fresh: Callable[[], tuple[TorchTrainee, TorchTrainee]], path: Path) -> None:
    """Assert that a run saved after its first epoch ends as the uninterrupted one, to the last bit."""
    sides = fresh(), fresh(), fresh()
    runs = [TrainingRun(*pair, plan(pair[0]), batch, shadows=0) for pair in sides]
    for _ in range(3):
        runs[0].epoch()
    runs[1].epoch()
    saved: dict[str, Any] = runs[1].snapshot()
    np.savez(path / "run.npz", **saved)
    with np.load(path / "run.npz", allow_pickle=False) as held:
        runs[2].restore(dict(held))
    for one, other in zip(states(sides[1][0]), states(sides[2][0]), strict=True):
        assert one.keys() == other.keys()
        assert all(same(one[key], other[key]) for key in one)
    runs[2].epoch()
    runs[2].epoch()
    whole, again = runs[0].report("run"), runs[2].report("run")
    assert np.array_equal(whole.losses, again.losses)
    for pair, resumed in zip(sides[0], sides[2], strict=True):
        assert all(np.array_equal(p, resumed.parameters()[n]) for n, p in pair.parameters().items())
    assert whole.verdict is again.verdict


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16], ids=str)
@pytest.mark.parametrize("name", OPTIMISERS)
def test_a_run_taken_up_again_ends_as_if_it_had_not_been_interrupted(
    name: str, dtype: torch.dtype, tmp_path: Path
) -> None:
    make = OPTIMISERS[name]
    taken_up_again(lambda: (side("one", make, dtype=dtype), side("other", make, dtype=dtype)), tmp_path)


@pytest.mark.parametrize("name", ["Adam", "AdamW", "RMSprop", "Adagrad", "NAdam"])
@pytest.mark.parametrize("thawed", [False, True])
def test_a_layer_that_joined_late_goes_on_with_its_own_count(name: str, thawed: bool, tmp_path: Path) -> None:
    def fresh() -> tuple[TorchTrainee, TorchTrainee]:
        make = OPTIMISERS[name]
        if thawed:
            return side("one", make, Thawing, frozen=True), side("other", make, Thawing, frozen=True)
        return side("one", make, Interrupted, late=True), side("other", make, Interrupted, late=True)

    taken_up_again(fresh, tmp_path)


@pytest.mark.parametrize("name", sorted(OPTIMISERS.keys() - {"Adadelta", "Rprop"}))
def test_a_right_pair_passes_under_autocast_and_one_with_another_rate_does_not(name: str) -> None:
    assert in_bfloat16(OPTIMISERS[name]).verdict is Verdict.PASS
    if name == "not torch's":
        return
    wrong = in_bfloat16(OPTIMISERS[name], lambda parameters: changed_rate(OPTIMISERS[name](parameters)))
    assert wrong.divergence is not None
    assert (wrong.verdict, wrong.divergence.stage, wrong.divergence.step) == (Verdict.FAIL, "update", 1)


def changed_rate(optimizer: torch.optim.Optimizer) -> torch.optim.Optimizer:
    for group in optimizer.param_groups:
        group["lr"] *= 1.01
    return optimizer


@pytest.mark.parametrize("name", sorted(OPTIMISERS.keys() - {"Rprop", "ASGD"}))  # whose rates are in their state
def test_a_rate_that_is_another_from_a_late_step_on_is_a_report_for_every_optimiser(name: str) -> None:
    rate = OPTIMISERS[name]([torch.zeros(1)]).param_groups[0]["lr"]
    report = beside(OPTIMISERS[name], candidate_kind=changing(TorchTrainee, lr=rate * 1.001))
    found = report.divergence
    assert found is not None
    assert (found.step, found.stage, found.cause) == (LATE + 2, "update", "learning-rate"), found


def test_what_the_state_does_not_hold_is_said_before_a_run_is_interrupted() -> None:
    assert obstacle(side("torch", of("Adam"))) is None
    assert "of the scheduler of the learning rate" in str(obstacle(side("torch", of("Adam"), Scheduled)))
    listed = side("torch", of("SGD"))
    listed._optimizer.state[next(iter(listed._own.values()))]["history"] = [1.0]
    assert "history of the optimiser" in str(obstacle(listed))


# ---------------------------------------------------------------- steps are remade with the numbers that they had


@pytest.mark.parametrize("kind", [Scheduled, SetBefore])
def test_a_learning_rate_that_is_scheduled_is_no_difference(kind: type[TorchTrainee]) -> None:
    assert beside(of("Adam"), kind=kind).verdict is Verdict.PASS
    assert in_bfloat16(of("Adam"), kind=kind).verdict is Verdict.PASS


@pytest.mark.parametrize("kind", [Scheduled, SetBefore])
def test_a_wrong_update_beside_a_scheduled_one_has_its_own_cause(kind: type[TorchTrainee]) -> None:
    for make, other, cause in (
        (of("Adam"), of("Adam", eps=1e-7), "eps"),
        (of("SGD", momentum=0.9), of("SGD", momentum=0.9, nesterov=True), "nesterov"),
    ):
        found = beside(make, other, kind=kind).divergence
        assert found is not None
        assert (found.step, found.cause) == (1, cause), found
    late = beside(of("Adam"), kind=kind, candidate_kind=changing(kind, eps=1e-7)).divergence
    assert late is not None
    assert (late.step, late.cause) == (LATE + 2, "eps"), late
    assert "from this step on" in late.evidence


def test_a_candidate_without_the_scheduler_is_off_by_the_factor_that_it_lacks() -> None:
    found = beside(of("Adam"), kind=Scheduled, candidate_kind=TorchTrainee).divergence
    assert found is not None
    assert (found.step, found.cause) == (2, "learning-rate")
    assert f"{1 / 0.97:.9f}" in found.evidence


# ---------------------------------------------------------------- frozen layers, and layers that join


def test_a_frozen_layer_is_not_moved_by_the_copy_that_remakes_a_step() -> None:
    decayed = of("AdamW", weight_decay=0.1)
    assert in_bfloat16(decayed, frozen=True).verdict is Verdict.PASS
    assert in_bfloat16(decayed, frozen=True, kind=Thawing).verdict is Verdict.PASS
    for other, cause in ((of("AdamW", weight_decay=0.1, eps=1e-7), "eps"), (of("AdamW", lr=0.0101), "learning-rate")):
        base = decayed if cause == "eps" else of("AdamW")
        found = beside(base, other, frozen=True).divergence
        assert found is not None
        assert (found.stage, found.tensor, found.cause) == ("update", "second.weight", cause), found


class Thaws(TorchTrainee):
    """Decays its frozen layer all the same."""

    def step(self) -> None:
        super().step()
        with torch.no_grad():
            for p in self._module.first.parameters():  # type: ignore[union-attr]
                p *= 0.999


def test_a_candidate_that_decays_a_frozen_layer_is_found_there() -> None:
    found = beside(of("AdamW", weight_decay=0.1), frozen=True, candidate_kind=Thaws).divergence
    assert found is not None
    assert (found.step, found.stage, found.tensor) == (1, "update", "first.weight")


LATE_LAYERS: dict[str, dict[str, Any]] = {
    "first": {"kind": Thawing, "frozen": True},
    "joins": {"kind": TorchTrainee, "late": True},
}


@pytest.mark.parametrize("layer", LATE_LAYERS)
def test_the_step_of_a_layer_that_joined_late_is_explained_by_its_own_count(layer: str) -> None:
    options = LATE_LAYERS[layer]
    found = beside(of("Adam"), **options, candidate_kind=changing(options["kind"], eps=1e-7)).divergence
    assert found is not None
    assert (found.step, found.stage, found.cause) == (LATE + 2, "update", "eps"), found


def counting_alike(kind: type[TorchTrainee]) -> type[TorchTrainee]:
    """The same, but a late layer takes the others' count for its own."""

    class CountsAlike(kind):  # type: ignore[valid-type,misc]
        def step(self) -> None:
            super().step()
            held = [state for p in self._own.values() if (state := self._optimizer.state.get(p))]
            most = max(float(state["step"]) for state in held)
            for state in held:
                state["step"].fill_(most)

    return CountsAlike


@pytest.mark.parametrize("layer", LATE_LAYERS)
def test_a_late_layer_with_the_count_of_the_others_is_another_computation(layer: str) -> None:
    options = LATE_LAYERS[layer]
    assert beside(of("Adam"), **options).verdict is Verdict.PASS
    found = beside(of("Adam"), **options, candidate_kind=counting_alike(options["kind"])).divergence
    assert found is not None
    assert (found.step, found.tensor.split(".")[0]) == (LATE + 1, layer), found


# ---------------------------------------------------------------- operations in place


@pytest.mark.parametrize(("one", "other"), [(False, True), (True, False), (True, True)])
def test_an_operation_in_place_after_a_layer_is_no_difference_of_the_layer(one: bool, other: bool) -> None:
    def trained(rate: float) -> ParityReport:
        sides = side("torch", of("SGD", lr=0.1), in_place=one), side("candidate", of("SGD", lr=rate), in_place=other)
        return train_parity(*sides, plan(sides[0]), batch)

    assert trained(0.1).verdict is Verdict.PASS
    found = trained(0.101).divergence
    assert found is not None
    assert (found.stage, found.tensor, found.cause) == ("update", "first.weight", "learning-rate")


class OverwritesItsInput(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.only = nn.Linear(6, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x *= 2
        out: torch.Tensor = self.only(x)
        return out


def test_a_module_that_overwrites_its_input_is_told_the_batch_as_it_was_given() -> None:
    module = OverwritesItsInput().double()
    trainee = TorchTrainee("torch", module, torch.optim.SGD(module.parameters(), lr=0.1), cross_entropy)
    trainee.loss_and_gradients(INPUTS, LABELS)
    assert np.array_equal(trainee.activations()["inputs"], INPUTS)


def test_names_with_a_slash_keep_their_state_and_its_layout(tmp_path: Path) -> None:
    def fresh() -> tuple[TorchTrainee, TorchTrainee]:
        sides = []
        for name in ("one", "other"):
            torch.manual_seed(0)
            module = nn.Linear(6, 3, dtype=torch.float64)
            layout = {"fc/W": ("weight", True), "fc/b": ("bias", False)}
            sides.append(TorchTrainee(name, module, of("Adam")(module.parameters()), cross_entropy, layout))
        return sides[0], sides[1]

    taken_up_again(fresh, tmp_path)
    trainee = fresh()[0]
    trainee.loss_and_gradients(INPUTS, LABELS)
    trainee.step()
    assert trainee.state()["fc/W/mean"].shape == (6, 3)
