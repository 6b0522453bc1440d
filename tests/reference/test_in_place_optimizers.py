"""An optimizer in place is the readable one to the last bit, whatever the shapes, the options and the arrays."""

import copy
import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from reference_impls.fast import InPlaceAdam, InPlaceAdamW, InPlaceSGD
from reference_impls.fast.in_place import InPlace
from reference_impls.fast.sparse_rows import SparseRows
from reference_impls.optimizers import SGD, Adam, AdamW
from reference_impls.optimizers.optimizer import Optimizer

Array = npt.NDArray[Any]
Make = Callable[..., Optimizer]

BLOCK = InPlace.block

SHAPES = {
    "0-d": (),
    "vector": (5,),
    "empty": (0, 3),
    "some blocks and a part": (3 * BLOCK // 100 + 7, 100),
    "rows longer than a block": (2, BLOCK + 1),
    "filters": (6, 1, 5, 5),
}
OPTIONS: list[dict[str, Any]] = [
    {},
    {"weight_decay": 0.01},
    {"momentum": 0.9},
    {"momentum": 0.9, "dampening": 0.3, "weight_decay": 0.01},
    {"momentum": 0.9, "nesterov": True},
    {"momentum": 0.9, "nesterov": True, "weight_decay": 0.01},
]
OF_ADAM: list[dict[str, Any]] = [{}, {"weight_decay": 0.01}, {"amsgrad": True}, {"betas": (0.5, 0.0), "eps": 0.1}]
PAIRS: list[tuple[Make, Make, dict[str, Any]]] = [
    *((InPlaceSGD, SGD, options) for options in OPTIONS),
    *((InPlaceAdam, Adam, options) for options in OF_ADAM),
    *((InPlaceAdamW, AdamW, options) for options in OF_ADAM),
]
every_pair = pytest.mark.parametrize(("fast", "readable", "options"), PAIRS, ids=str)


def arrays(rng: np.random.Generator, dtype: Any) -> dict[str, Array]:
    return {name: np.asarray(rng.normal(size=shape)).astype(dtype) for name, shape in SHAPES.items()}


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("same_arrays", [True, False], ids=["the same arrays", "new arrays"])
@every_pair
def test_every_step_is_the_readable_one_to_the_last_bit(
    fast: Make, readable: Make, options: dict[str, Any], same_arrays: bool, dtype: Any
) -> None:
    rng = np.random.default_rng(0)
    ours = arrays(rng, dtype)
    theirs = {name: array.copy() for name, array in ours.items()}
    mine, textbook = fast(ours, 0.1, **options), readable(theirs, 0.1, **options)
    held = {name: np.empty_like(array) for name, array in ours.items()}
    for _ in range(3):
        fresh = arrays(rng, dtype)
        for name, array in held.items():
            array[...] = fresh[name]
        mine.step(held if same_arrays else fresh)
        textbook.step(fresh)
        mine.lr = textbook.lr = textbook.lr * 0.5  # acts at once
        for name, array in ours.items():
            np.testing.assert_array_equal(array, theirs[name])
            np.testing.assert_array_equal(held[name], fresh[name], err_msg="gradients are only read")
    kept = textbook.state_dict()
    assert mine.state_dict().keys() == kept.keys()
    for name, array in mine.state_dict().items():
        np.testing.assert_array_equal(array, kept[name])


@every_pair
@pytest.mark.parametrize(
    "again",
    [copy.deepcopy, lambda both: pickle.loads(pickle.dumps(both))],
    ids=["deepcopy", "pickle"],
)
def test_a_copy_goes_on_as_the_original_would(again: Any, fast: Make, readable: Make, options: dict[str, Any]) -> None:
    rng = np.random.default_rng(0)
    ours, grads = arrays(rng, np.float64), arrays(rng, np.float64)
    theirs = {name: array.copy() for name, array in ours.items()}
    mine, textbook = fast(ours, 0.1, **options), readable(theirs, 0.1, **options)
    mine.step(grads)
    copied, their_grads, params = again((mine, grads, ours))
    before = {name: array.copy() for name, array in ours.items()}
    copied.step(their_grads)
    for _ in range(2):
        textbook.step(grads)
    for name, array in params.items():
        np.testing.assert_array_equal(array, theirs[name])
        np.testing.assert_array_equal(ours[name], before[name], err_msg="the original stays")


@every_pair
def test_a_state_that_is_loaded_is_gone_on_from(fast: Make, readable: Make, options: dict[str, Any]) -> None:
    rng = np.random.default_rng(0)
    ours, grads = arrays(rng, np.float64), arrays(rng, np.float64)
    mine = fast(ours, 0.1, **options)
    mine.step(grads)
    start, kept = {name: array.copy() for name, array in ours.items()}, mine.state_dict()
    mine.step(grads)
    after = {name: array.copy() for name, array in ours.items()}
    for other in (mine, fast(ours, 0.1, **options), readable(ours, 0.1, **options)):
        for name, array in start.items():
            ours[name][...] = array
        other.load_state_dict(kept)
        other.step(grads)
        for name, array in after.items():
            np.testing.assert_array_equal(ours[name], array)


@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_options_that_change_during_training_act_as_in_sgd(options: dict[str, Any]) -> None:
    rng = np.random.default_rng(0)
    ours = arrays(rng, np.float64)
    theirs = {name: array.copy() for name, array in ours.items()}
    mine, textbook = InPlaceSGD(ours, 0.1), SGD(theirs, 0.1)
    grads = arrays(rng, np.float64)
    for changed in ({}, options, {}, {"momentum": 0.0, "nesterov": False}, options):
        for optimizer in (mine, textbook):
            for name, value in changed.items():
                setattr(optimizer, name, value)
            optimizer.step(grads)
        for name, array in ours.items():
            np.testing.assert_array_equal(array, theirs[name])


def sparse_gradient(rows: int = 3 * BLOCK // 100 + 7, dense: int = 5) -> SparseRows:
    return SparseRows(np.empty((rows, 100)), dense)


@pytest.mark.parametrize("options", OPTIONS, ids=str)
@pytest.mark.parametrize("dense", [0, 5, BLOCK // 100 + 1, 3 * BLOCK // 100 + 7])
def test_known_rows_of_zeros_change_no_bit(dense: int, options: dict[str, Any]) -> None:
    rng = np.random.default_rng(0)
    sparse = sparse_gradient(dense=dense)
    W = rng.normal(size=sparse.array.shape)
    ours, theirs = {"W": W}, {"W": W.copy()}
    mine, textbook = InPlaceSGD(ours, 0.1, sparse_rows={"W": sparse}, **options), SGD(theirs, 0.1, **options)
    for _ in range(3):
        sparse.head[...] = rng.normal(size=sparse.head.shape)
        tail = dense + np.flatnonzero(rng.random(len(W) - dense) < 0.1)
        sparse.put(tail, rng.normal(size=(len(tail), 100)))
        for optimizer in (mine, textbook):
            optimizer.step({"W": sparse.array})
        np.testing.assert_array_equal(ours["W"], theirs["W"])


def test_another_gradient_than_the_one_whose_zeros_are_known_is_read_whole() -> None:
    sparse = sparse_gradient()
    params = {"W": np.zeros(sparse.array.shape)}
    optimizer = InPlaceSGD(params, 0.5, sparse_rows={"W": sparse})
    optimizer.step({"W": sparse.array})
    optimizer.step({"W": np.ones(sparse.array.shape)})
    np.testing.assert_array_equal(params["W"], -0.5)


@pytest.mark.parametrize("name", ["V", "W"])
def test_zeros_of_no_parameter_are_refused(name: str) -> None:
    with pytest.raises(ValueError, match=rf"'{name}', \(.*pass network.sparse_rows with network.params"):
        InPlaceSGD({"W": np.ones((2, 100))}, 0.5, sparse_rows={name: sparse_gradient()})


def test_rows_that_are_known_to_be_zero_are_not_read() -> None:
    sparse = sparse_gradient()
    sparse.array.flags.writeable = True
    sparse.array[-1] = np.nan  # which only who reads it sees
    params = {"W": np.ones(sparse.array.shape)}
    InPlaceSGD(params, 0.5, sparse_rows={"W": sparse}).step({"W": sparse.array})
    assert np.isfinite(params["W"]).all()


def test_a_column_major_parameter_moves_too() -> None:
    p, g = np.asfortranarray(np.ones((4, 3))), np.arange(12.0).reshape(4, 3)
    InPlaceSGD({"W": p}, 0.5).step({"W": g})
    np.testing.assert_array_equal(p, 1 - 0.5 * g)


def test_another_array_in_the_parameters_is_the_one_that_moves() -> None:
    params, grads = {"W": np.ones(3)}, {"W": np.ones(3)}
    optimizer = InPlaceSGD(params, 0.5)
    optimizer.step(grads)
    params["W"] = np.zeros(3)
    optimizer.step(grads)
    np.testing.assert_array_equal(params["W"], [-0.5] * 3)


@pytest.mark.parametrize(
    ("grads", "error"),
    [({"W": np.ones(3)}, ValueError), ({"W": np.ones(2, np.float32)}, TypeError), ({"V": np.ones(2)}, ValueError)],
)
def test_gradients_that_do_not_fit_are_refused_after_ones_that_did(grads: dict[str, Array], error: Any) -> None:
    params = {"W": np.ones(2)}
    optimizer = InPlaceSGD(params, 0.5)
    optimizer.step({"W": np.ones(2)})
    with pytest.raises(error):
        optimizer.step(grads)
    np.testing.assert_array_equal(params["W"], [0.5, 0.5])


def test_a_parameter_made_read_only_is_refused_before_any_moves() -> None:
    params, grads = {"W": np.ones(2), "b": np.ones(2)}, {"W": np.ones(2), "b": np.ones(2)}
    optimizer = InPlaceSGD(params, 0.5)
    optimizer.step(grads)
    params["b"].flags.writeable = False
    with pytest.raises(ValueError, match="read-only"):
        optimizer.step(grads)
    np.testing.assert_array_equal(params["W"], [0.5, 0.5])
