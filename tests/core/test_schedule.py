"""The schedule that two training runs share: every example once in an epoch, and a fingerprint that tells changes."""

import json
from typing import Any

import numpy as np
import pytest

import gradcheck_kit as gk
from gradcheck_kit.side_by_side.schedule import Schedule


def schedule(**changes: Any) -> Schedule:
    given: dict[str, Any] = {
        "parameters": {"W": np.arange(6.0).reshape(2, 3), "b": np.zeros(3)},
        "examples": 23,
        "batch_size": 5,
        "epochs": 3,
        "seed": 4,
    }
    return Schedule(**{**given, **changes})


@pytest.mark.parametrize(("examples", "batch_size"), [(23, 5), (20, 5), (4, 9), (1, 1), (7, 1)])
def test_every_epoch_has_every_example_once_and_keeps_the_last_batch(examples: int, batch_size: int) -> None:
    given = schedule(examples=examples, batch_size=batch_size)
    for number in range(given.epochs):
        batches = list(given.epoch(number))
        assert sorted(np.concatenate(batches)) == list(range(examples))
        assert [len(b) for b in batches[:-1]] == [batch_size] * (len(batches) - 1)
        assert len(batches) == given.steps_per_epoch
        assert len(batches[-1]) == (examples % batch_size or batch_size)
    assert given.steps == given.epochs * given.steps_per_epoch


def test_epochs_have_different_orders_and_each_repeats() -> None:
    orders = [tuple(np.concatenate(list(schedule().epoch(n)))) for n in range(3)]
    assert len(set(orders)) == 3
    assert orders == [tuple(np.concatenate(list(schedule().epoch(n)))) for n in range(3)]


def test_the_same_schedule_has_the_same_fingerprint() -> None:
    assert schedule().fingerprint == schedule().fingerprint
    parameters = dict(reversed(schedule().parameters.items()))
    assert schedule(parameters=parameters).fingerprint == schedule().fingerprint  # the order of names is no matter


W0 = schedule().parameters["W"]
B0 = schedule().parameters["b"]


@pytest.mark.parametrize(
    "change",
    [
        {"seed": 5},
        {"examples": 22},
        {"batch_size": 6},
        {"epochs": 4},
        {"parameters": {"W": W0 + np.spacing(W0), "b": B0}},
        {"parameters": {"W": W0.T, "b": B0}},
        {"parameters": {"W": W0, "c": B0}},
        {"parameters": {"W": W0}},
        {"parameters": {"W": W0, "b": -B0}},
    ],
)
def test_any_change_of_the_schedule_changes_the_fingerprint(change: dict[str, Any]) -> None:
    assert schedule(**change).fingerprint != schedule().fingerprint


def test_a_schedule_tells_of_itself_in_plain_values() -> None:
    told = schedule().to_dict()
    assert json.loads(json.dumps(told, allow_nan=False)) == told
    assert told["fingerprint"] == schedule().fingerprint


@pytest.mark.parametrize("change", [{"examples": 0}, {"batch_size": -1}, {"epochs": 0}])
def test_an_empty_schedule_is_a_usage_error(change: dict[str, int]) -> None:
    with pytest.raises(gk.UsageError, match=next(iter(change))):
        schedule(**change)
