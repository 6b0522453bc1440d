"""A fast MLP that leaves out inputs of zeros computes what the readable one computes, and so do sorted examples."""

import copy
import pickle
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import gradcheck_kit as gk
from reference_impls.fast import FastLeNet, FastMLP, InPlaceSGD, SeldomZeroFirst
from reference_impls.fast.sparse_affine import Places
from reference_impls.fast.sparse_rows import SparseRows
from reference_impls.networks import MLP
from tests.fast_networks import DTYPES, ULPS, Array, apart, batch_for, every_dtype, fast_twin, generator, lenet, mlp


def batch_with_zeros(network: MLP, rows: int, seed: int, share: float) -> tuple[Array, Array]:
    """A batch in which an input is zero in all rows with probability ``share``, and else in half of them."""
    x, labels = batch_for(network, rows, seed)
    rng = generator(seed)
    x[:, rng.random(x.shape[1]) < share] = 0.0
    x[rng.random(x.shape) < 0.5] = rng.choice([0.0, -0.0])
    return x, labels


@given(
    sizes=st.lists(st.integers(1, 37), min_size=3, max_size=5),
    dense=st.floats(0, 1),
    batches=st.lists(st.tuples(st.integers(1, 29), st.sampled_from([0.0, 0.7, 1.0])), min_size=1, max_size=4),
    dtype=st.sampled_from(DTYPES),
    seed=st.integers(0, 1000),
)
def test_an_mlp_that_leaves_out_zeros_has_the_same_loss_and_gradients(
    sizes: list[int], dense: float, batches: list[tuple[int, float]], dtype: Any, seed: int
) -> None:
    network = mlp(sizes, dtype, seed)
    fast = FastMLP(copy.deepcopy(network), dense_inputs=round(dense * sizes[0]))
    for i, (rows, share) in enumerate(batches):
        assert apart(network, fast, *batch_with_zeros(network, rows, seed + i, share)) <= ULPS


def test_a_gradient_whose_zeros_are_remembered_cannot_be_written_to_by_others_nor_in_a_copy() -> None:
    network = mlp([12, 5, 3])
    fast = FastMLP(network, dense_inputs=4)
    x, labels = batch_with_zeros(network, 6, 0, share=0.7)
    fast.loss(x, labels)
    fast.backward()
    for one in (fast, copy.deepcopy(fast), pickle.loads(pickle.dumps(fast))):
        assert one.sparse_rows["0.W"].array is one.grads["0.W"]
        with pytest.raises(ValueError, match="read-only"):
            one.grads["0.W"][11] = 1.0
        for seed in (1, 2, 3):
            assert apart(network, one, *batch_with_zeros(network, 6, seed, share=0.7)) <= ULPS
        one.grads["0.W"] = np.ones((12, 5))
        assert apart(network, one, x, labels) <= ULPS
    assert all(array.flags.writeable for array in fast_twin(network).grads.values())


def test_inputs_that_are_seldom_zero_come_first_and_those_of_most_batches_are_counted() -> None:
    x = np.zeros((1000, 5), np.uint8)
    for column, often in enumerate([5, 1000, 0, 500, 200]):
        x[:often, column] = 1
    examples = SeldomZeroFirst(x, batch=100)
    assert examples.order.tolist() == [1, 3, 4, 0, 2]
    assert examples.dense == 3  # the next is zero in 0.995 ** 100 = 61 % of all batches
    assert SeldomZeroFirst(x, batch=1).dense == 1  # 500 of 1000 is not less than half
    assert len(examples) == 1000


def examples_with_zeros(rows: int, inputs: int, seed: int, dtype: Any = np.float64) -> Array:
    """The further to the right an input stands, the more often it is zero, or minus zero; the columns are mixed."""
    rng = generator(seed)
    x = rng.normal(size=(rows, inputs)).astype(dtype)
    x[rng.random(x.shape) < np.linspace(0, 1, inputs)] = rng.choice([0.0, -0.0])
    return x[:, rng.permutation(inputs)]


@given(
    rows=st.integers(1, 30),
    inputs=st.integers(1, 20),
    batch=st.integers(1, 40),
    seed=st.integers(0, 1000),
    data=st.data(),
)
def test_a_batch_of_sorted_examples_is_what_an_array_would_give(
    rows: int, inputs: int, batch: int, seed: int, data: st.DataObject
) -> None:
    x = examples_with_zeros(rows, inputs, seed)
    examples = SeldomZeroFirst(x, batch)
    expected = x[:, examples.order]
    integers = st.lists(st.integers(-rows, rows - 1)).map(lambda numbers: np.array(numbers, np.intp))
    bools = st.lists(st.booleans(), min_size=rows, max_size=rows).map(np.array)
    which = data.draw(st.one_of(st.slices(rows), st.just(slice(2, 1)), integers, bools))
    taken = examples[which]
    np.testing.assert_array_equal(np.asarray(taken), expected[which])
    assert (taken.shape, taken.dtype) == (expected[which].shape, x.dtype)
    assert taken.head.shape[1] == examples.dense
    with pytest.raises(ValueError, match="does not keep its zeros"):
        taken.__array__(copy=False)
    assert np.all(taken.value != 0)


@every_dtype
@pytest.mark.parametrize(
    "batches",
    [
        [slice(0, 6), slice(6, 12), slice(12, 18), slice(18, 20)],
        [generator(5).permutation(20)[i : i + 6] for i in (0, 6, 12, 18)],
        [np.zeros(6, int), np.arange(6)],
    ],
    ids=["in order", "shuffled", "one example again and again"],
)
def test_training_on_sorted_examples_is_training_on_the_examples(batches: list[Any], dtype: Any) -> None:
    network = mlp([20, 9, 4], dtype)
    x, labels = examples_with_zeros(20, 20, 0, dtype), generator(1).integers(0, 4, 20)
    examples = SeldomZeroFirst(x, batch=6)
    assert 0 < examples.dense < 20
    sorted_network = copy.deepcopy(network)
    sorted_network.params["0.W"][...] = network.params["0.W"][examples.order]
    fast = FastMLP(sorted_network, dense_inputs=examples.dense)
    for twin, seen in ((network, x), (fast, examples)):
        optimizer = InPlaceSGD(twin.params, 0.1, sparse_rows=getattr(twin, "sparse_rows", None))
        for rows in batches:
            twin.loss(seen[rows], labels[rows])
            twin.backward()
            optimizer.step(twin.grads)
    ulps = 64 * np.finfo(dtype).eps
    np.testing.assert_allclose(fast.params["0.W"], network.params["0.W"][examples.order], rtol=ulps, atol=ulps)


@pytest.mark.parametrize("dense_inputs", [None, 0, 3, 20])
def test_a_batch_is_taken_whatever_the_network_leaves_out(dense_inputs: int | None) -> None:
    network = mlp([20, 9, 4])
    examples = SeldomZeroFirst(examples_with_zeros(12, 20, 0), batch=6)
    fast = FastMLP(copy.deepcopy(network), dense_inputs=dense_inputs)
    u = generator(3).normal(size=(5, 4))
    for _ in "first", "again":
        batch = examples[2:7]
        np.testing.assert_allclose(fast.forward(batch), network.forward(np.asarray(batch)), rtol=1e-12, atol=1e-13)
        dx = fast.backward(u)
        np.testing.assert_allclose(dx, network.backward(u), rtol=1e-11, atol=1e-13)
    images = SeldomZeroFirst(generator(1).random((3, 784)), batch=3)[:]
    with pytest.raises(ValueError, match=r"FastLeNet: x has shape \(3, 784\)"):
        FastLeNet(lenet()).forward(images)


@every_dtype
def test_a_fast_network_that_leaves_out_zeros_agrees_with_differences(dtype: Any) -> None:
    network = mlp([11, 7, 3], dtype)
    x, _ = batch_with_zeros(network, 3, 0, share=0.5)
    assert gk.check(FastMLP(network, dense_inputs=4), x)


# --- planted bugs ---


def leaves_the_rows_of_the_batch_before(self: SparseRows, tail: Array, rows: Array) -> None:
    self.tail = self.tail[:0]
    SparseRows_put(self, tail, rows)


def keeps_the_marks_of_the_batch_before(self: Places, numbers: Array) -> tuple[Array, Array]:
    there, _ = Places_of(self, np.concatenate([getattr(self, "before", numbers), numbers]))
    self.before = numbers  # type: ignore[attr-defined]
    return there, np.searchsorted(there, numbers) - (len(there) > len(np.unique(numbers)))


def takes_the_numbers_of_the_next_example(self: SeldomZeroFirst, rows: Array) -> tuple[Array, Array]:
    return SeldomZeroFirst_numbers_of(self, (rows + 1) % len(self))


Places_of, SparseRows_put, SeldomZeroFirst_numbers_of = Places.of, SparseRows.put, SeldomZeroFirst._numbers_of


@pytest.mark.parametrize(
    ("owner", "method", "bug"),
    [
        (SparseRows, "put", leaves_the_rows_of_the_batch_before),
        (Places, "of", keeps_the_marks_of_the_batch_before),
    ],
)
def test_a_bug_that_needs_inputs_of_zeros_is_seen_with_them_alone(
    owner: Any, method: str, bug: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(owner, method, bug)
    network = mlp([31, 17, 5])
    for share, seen in ((0.7, True), (None, False)):
        fast = FastMLP(copy.deepcopy(network), dense_inputs=4)
        batches = [
            batch_for(network, 6, seed) if share is None else batch_with_zeros(network, 6, seed, share)
            for seed in (0, 1, 2)
        ]
        assert (max(apart(network, fast, *batch) for batch in batches) > 1e6) is seen


def test_wrong_numbers_behind_the_head_are_seen_in_a_shuffled_batch_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(SeldomZeroFirst, "_numbers_of", takes_the_numbers_of_the_next_example)
    examples = SeldomZeroFirst(examples_with_zeros(20, 20, 0), batch=6)
    network = mlp([20, 9, 4])
    fast = FastMLP(copy.deepcopy(network), dense_inputs=examples.dense)
    labels = np.arange(6) % 4
    for rows, seen in ((slice(3, 9), False), (np.arange(3, 9), True)):
        expected = network.loss(np.asarray(examples[:])[rows], labels)
        assert bool(abs(fast.loss(examples[rows], labels) - expected) > 1e-9) is seen
