"""benchmarks.training times trainers that do the same, and says so when one does not."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from benchmarks import trainers
from benchmarks.trainers import BATCH, TRAINERS, Task, operations
from benchmarks.training import EAGER, FAST, Timing, they_compute_the_same, times_eager
from reference_impls.networks import MLP

STEPS = 5


@pytest.fixture
def task() -> Task:
    rng = np.random.default_rng(0)
    return Task(
        "6-5-3",
        lambda: MLP([6, 5, 3], np.random.default_rng(1), dtype=np.float32),
        lambda: [nn.Linear(6, 5), nn.ReLU(), nn.Linear(5, 3)],
        rng.normal(size=(3 * BATCH, 6)).astype(np.float32),
        rng.integers(0, 3, 3 * BATCH),
        operations((30, 15)),
        goal=1.0,
        steps=2,
    )


def after_some_steps(task: Task, names: list[str]) -> dict[str, Timing]:
    timings = {name: Timing(TRAINERS[name](task)) for name in names}
    for timing in timings.values():
        timing.turn(STEPS)
    return timings


def test_the_trainers_lose_alike_beyond_the_first_pass_over_the_examples(task: Task) -> None:
    timings = after_some_steps(
        task, [FAST, f"{FAST}, dark pixels left out", "NumPy, textbook", EAGER, "torch eager, DataLoader"]
    )
    they_compute_the_same(timings)
    assert all(len(timing.losses) == STEPS for timing in timings.values())
    assert timings[EAGER].losses[-1] < timings[EAGER].losses[1]


def test_jax_computes_the_same(task: Task) -> None:
    pytest.importorskip("jax")
    they_compute_the_same(after_some_steps(task, ["JAX jit", EAGER]))


def test_a_trainer_that_does_something_else_is_named(task: Task, monkeypatch: pytest.MonkeyPatch) -> None:
    timings = after_some_steps(task, [EAGER])
    monkeypatch.setattr(trainers, "RATE", 0.11)
    timings |= after_some_steps(task, [FAST])
    with pytest.raises(RuntimeError, match=FAST):
        they_compute_the_same(timings)


def test_a_trainer_on_other_batches_is_named(task: Task) -> None:
    timings = after_some_steps(task, [EAGER]) | after_some_steps(replace(task, x=task.x[::-1].copy()), [FAST])
    with pytest.raises(RuntimeError, match=FAST):
        they_compute_the_same(timings)


def test_ratios_are_of_the_same_round() -> None:
    """A machine that halves its speed in one round halves both."""
    eager, ours = Timing(lambda i: 0.0, seconds=[2.0, 4.0, 2.0]), Timing(lambda i: 0.0, seconds=[1.0, 2.0, 1.0])
    assert times_eager(ours, eager) == (2.0, 2.0, 2.0)


def test_operations_leave_out_the_gradient_of_the_input() -> None:
    """Forward, the weights' gradients, and the second layer's input: two for each multiplication."""
    assert operations((784 * 128, 128 * 10)) == 2 * (2 * 784 * 128 + 3 * 128 * 10)


def test_a_compiler_that_fails_without_a_word_is_named_as_the_reason(
    task: Task, monkeypatch: pytest.MonkeyPatch
) -> None:
    def silent(*_: object) -> None:
        raise RuntimeError

    monkeypatch.setattr(torch, "compile", lambda _: silent)
    with pytest.raises(trainers.NotRunnableError, match=r"^RuntimeError$"):
        TRAINERS["torch.compile"](task)
