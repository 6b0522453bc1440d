"""The fast networks compute what the readable ones compute, up to rounding, and allocate nothing while they do."""

import copy
import tracemalloc
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import gradcheck_kit as gk
from gradcheck_kit.side_by_side.distance import distance
from gradcheck_kit.side_by_side.numpy_trainee import NumPyTrainee
from reference_impls.fast import FastLeNet, FastMLP, InPlaceAdam, InPlaceSGD, SeldomZeroFirst
from reference_impls.fast.classifier import BATCH_SIZES_KEPT
from reference_impls.fast.convolution import StripConvolution
from reference_impls.fast.cross_entropy import CrossEntropy
from reference_impls.fast.pooling import PairPool
from reference_impls.networks import MLP, LeNet
from reference_impls.optimizers import SGD, Adam
from tests.fast_networks import DTYPES, ULPS, Array, apart, batch_for, every_dtype, fast_twin, generator, lenet, mlp

# A product of bools and floats is worked through 8,192 elements at a time, three operands of 8 bytes each.
NUMPYS_BUFFERS = 8192 * 8 * 3 + 10_000


# --- the same function ---


@given(
    sizes=st.lists(st.integers(1, 37), min_size=2, max_size=5),
    batches=st.lists(st.integers(1, 29), min_size=1, max_size=4),
    dtype=st.sampled_from(DTYPES),
    seed=st.integers(0, 1000),
)
def test_an_mlp_of_any_size_has_the_same_loss_and_gradients(
    sizes: list[int], batches: list[int], dtype: Any, seed: int
) -> None:
    network = mlp(sizes, dtype, seed)
    fast = fast_twin(network)
    for i, rows in enumerate(batches):
        assert apart(network, fast, *batch_for(network, rows, seed + i)) <= ULPS


@every_dtype
@pytest.mark.parametrize("size", [28, 32])
def test_lenet_has_the_same_loss_and_gradients(size: int, dtype: Any) -> None:
    network = lenet(dtype, size, classes=7)
    fast = fast_twin(network)
    for rows in (1, 6, 3, 6):
        assert apart(network, fast, *batch_for(network, rows)) <= ULPS


@every_dtype
@pytest.mark.parametrize("network", [mlp([20, 9, 4]), mlp([5, 3])], ids=["hidden", "no hidden layer"])
def test_large_logits_do_not_overflow(network: MLP, dtype: Any) -> None:
    network = MLP.from_params({name: array.astype(dtype) for name, array in network.params.items()})
    network.params["0.W"][...] *= 1e4
    x, labels = batch_for(network, 8)
    assert np.isfinite(fast_twin(network).loss(x, labels))
    assert apart(network, fast_twin(network), x, labels) <= ULPS


@pytest.mark.parametrize("label_dtype", [np.uint8, np.int8, np.uint64])
@pytest.mark.parametrize("rows", [100, 300])
def test_labels_of_any_integer_dtype_are_as_those_of_the_widest(rows: int, label_dtype: Any) -> None:
    network = mlp([5, 4])
    x, labels = batch_for(network, rows)
    expected = network.loss(x, labels)
    assert fast_twin(network).loss(x, labels.astype(label_dtype)) == pytest.approx(expected, rel=1e-13)


def tied() -> tuple[LeNet, Array, Array]:
    """A network and a batch with many windows of equal maxima: sums of small integers, which both compute exactly."""
    network, rng = lenet(), generator(2)
    for i in (0, 1):
        network.params[f"{i}.W"][...] = rng.integers(-1, 2, network.params[f"{i}.W"].shape)
        network.params[f"{i}.b"][...] = 1.0
    network.params["2.W"] *= 1e-2
    x = rng.integers(0, 2, (5, 1, 28, 28)).astype(np.float64)
    x[:, :, :, 14:] = 0.0
    x[:, :, 20:] = 1.0
    return network, x, np.arange(5)


def test_among_equal_maxima_the_first_gets_the_gradient() -> None:
    network, x, labels = tied()
    assert apart(network, fast_twin(network), x, labels) <= ULPS


@pytest.mark.parametrize("make", [lambda: mlp([31, 17, 13, 5]), lambda: lenet(classes=5)], ids=["MLP", "LeNet"])
@pytest.mark.parametrize("options", [{}, {"momentum": 0.9, "nesterov": True, "weight_decay": 1e-3}], ids=str)
def test_training_stays_together_over_epochs_with_a_partial_last_batch(make: Callable[[], Any], options: Any) -> None:
    network = make()
    fast = fast_twin(network)
    sides = [
        NumPyTrainee("readable", network, lambda p: SGD(p, 0.05, **options)),
        NumPyTrainee("fast", fast, lambda p: InPlaceSGD(p, 0.05, **options)),
    ]
    x, labels = batch_for(network, 17)
    for t, start in enumerate([0, 6, 12] * 2, start=1):
        for side in sides:
            side.loss_and_gradients(x[start : start + 6], labels[start : start + 6])
            side.step()
        by_tensor, norm, _ = distance(sides[0].parameters(), sides[1].parameters())
        whole = np.sqrt(sum(d * d for d in by_tensor.values()))
        assert whole / norm <= 3 * np.finfo(np.float64).eps / 2 * (30 + np.sqrt(t))
    assert fast.accuracy(x, labels) == network.accuracy(x, labels)


@every_dtype
@pytest.mark.parametrize("make", [lambda d: mlp([11, 7, 3], d), lenet], ids=["MLP", "LeNet"])
def test_a_fast_network_agrees_with_differences(make: Callable[[Any], Any], dtype: Any) -> None:
    network = make(dtype)
    x, _ = batch_for(network, 2)
    assert gk.check(fast_twin(network), x)


# --- planted bugs: each is right in all but one thing ---


def forgets_the_mean(self: CrossEntropy) -> Array:
    return CrossEntropy_gradient(self) * self.logits.dtype.type(self.logits.shape[1])


def exchanges_top_and_bottom(self: PairPool, dout: Array, dz: Array) -> None:
    np.logical_not(self._top_won, out=self._top_won)
    PairPool_backward(self, dout, dz)


def gives_ties_to_the_last(self: PairPool, z: Array, out: Array) -> None:
    PairPool_forward(self, z, out)
    np.greater(z[:, :, :, ::2], z[:, :, :, 1::2], out=self._left_won)


def overwrites_where_strips_overlap(self: StripConvolution) -> Array:
    StripConvolution_gradient_of_input(self)
    for strip, dx in zip(self._overlapping(self._dx), self._dx_of_strips, strict=True):
        strip[...] = dx
    return self._dx


CrossEntropy_gradient = CrossEntropy.gradient
PairPool_forward, PairPool_backward = PairPool.forward, PairPool.backward
StripConvolution_gradient_of_input = StripConvolution.gradient_of_input


@pytest.mark.parametrize(
    ("owner", "method", "bug"),
    [
        (CrossEntropy, "gradient", forgets_the_mean),
        (PairPool, "backward", exchanges_top_and_bottom),
        (StripConvolution, "gradient_of_input", overwrites_where_strips_overlap),
    ],
    ids=lambda value: getattr(value, "__name__", value),
)
def test_a_planted_bug_is_seen(owner: Any, method: str, bug: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(owner, method, bug)
    network = lenet()
    assert apart(network, fast_twin(network), *batch_for(network, 4)) > 1e6


def test_a_pool_that_gives_ties_to_the_last_is_seen_at_ties_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(PairPool, "forward", gives_ties_to_the_last)
    network, x, labels = tied()
    assert apart(network, fast_twin(network), x, labels) > 1e6
    network = lenet()
    assert apart(network, fast_twin(network), *batch_for(network, 4)) <= ULPS


# --- nothing is allocated ---


def most_memory_of_a_step(network: Any, optimizer: Any, x: Array, labels: Array) -> int:
    """Bytes at most allocated at once during a step that is not the first."""
    most = 0
    for _ in range(2):
        tracemalloc.start()
        network.loss(x, labels)
        network.backward()
        optimizer.step(network.grads)
        most = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    return most


@pytest.mark.parametrize(
    ("make", "rows", "twin"),
    [
        (lambda: mlp([784, 256, 64, 10]), 64, fast_twin),
        (lambda: mlp([784, 256, 64, 10]), 64, lambda n: FastMLP(copy.deepcopy(n), dense_inputs=700)),
        (lenet, 20, fast_twin),
    ],
    ids=["MLP", "MLP, zeros left out", "LeNet"],
)
@pytest.mark.parametrize(("optimizer", "readable"), [(InPlaceSGD, SGD), (InPlaceAdam, Adam)], ids=["SGD", "Adam"])
def test_a_step_allocates_no_array(
    make: Callable[[], Any], rows: int, twin: Callable[[Any], Any], optimizer: Any, readable: Any
) -> None:
    network = make()
    x, labels = batch_for(network, rows)
    fast = twin(network)
    for sparse in getattr(fast, "sparse_rows", {}).values():
        seldom = x[:, sparse.dense :]
        seldom[generator(2).random(seldom.shape) < 0.95] = 0
    assert most_memory_of_a_step(network, readable(network.params, 0.01), x, labels) > 4 * NUMPYS_BUFFERS
    assert most_memory_of_a_step(fast, optimizer(fast.params, 0.01), x, labels) < NUMPYS_BUFFERS


# --- the protocol ---


def test_the_parameters_are_the_readable_networks_own() -> None:
    network = mlp([4, 3, 2])
    fast = FastMLP(network)
    assert all(fast.params[name] is array for name, array in network.params.items())
    state = mlp([4, 3, 2], seed=5).state_dict()
    fast.load_state_dict(state)
    for name, array in network.state_dict().items():
        np.testing.assert_array_equal(array, state[name])
        np.testing.assert_array_equal(fast.state_dict()[name], state[name])


@pytest.mark.parametrize("make", [lambda: mlp([9, 5, 3]), lenet], ids=["MLP", "LeNet"])
def test_forward_and_a_cotangent_are_those_of_the_readable_network(make: Callable[[], Any]) -> None:
    network = make()
    fast = fast_twin(network)
    x, _ = batch_for(network, 3)
    logits = fast.forward(x)
    np.testing.assert_allclose(logits, network.forward(x), rtol=1e-12, atol=1e-13)
    u = generator(3).normal(size=logits.shape)
    np.testing.assert_allclose(fast.backward(u), network.backward(u), rtol=1e-11, atol=1e-13)
    for name in network.grads:
        np.testing.assert_allclose(fast.grads[name], network.grads[name], rtol=1e-11, atol=1e-12)


def test_the_gradient_of_images_has_their_shape() -> None:
    network = mlp([12, 5, 3])
    fast, x = fast_twin(network), generator().normal(size=(2, 1, 4, 3))
    u = generator(3).normal(size=fast.forward(x).shape)
    network.forward(x)
    np.testing.assert_allclose(fast.backward(u), network.backward(u), rtol=1e-11, atol=1e-13)


@pytest.mark.parametrize("make", [lambda: mlp([9, 5, 3]), lenet], ids=["MLP", "LeNet"])
def test_gradients_stay_in_their_arrays_and_a_second_backward_changes_nothing(make: Callable[[], Any]) -> None:
    fast = fast_twin(make())
    x, labels = batch_for(fast.network, 3)
    before, held = (x.copy(), labels.copy()), dict(fast.grads)
    fast.loss(x, labels)
    assert fast.backward() is None
    first = {name: array.copy() for name, array in fast.grads.items()}
    fast.backward(np.ones((3, fast.forward(x).shape[1])))
    fast.loss(x, labels)
    for _ in range(2):
        fast.backward()
        for name, array in fast.grads.items():
            assert array is held[name]
            np.testing.assert_array_equal(array, first[name])
    np.testing.assert_array_equal(x, before[0])
    np.testing.assert_array_equal(labels, before[1])


@pytest.mark.parametrize("make", [lambda: mlp([9, 5, 3]), lenet], ids=["MLP", "LeNet"])
def test_a_copy_learns_on_its_own(make: Callable[[], Any]) -> None:
    fast = fast_twin(make())
    x, labels = batch_for(fast.network, 3)
    fast.loss(x, labels)
    other = copy.deepcopy(fast)
    with pytest.raises(RuntimeError, match="before forward"):
        other.backward()
    before = fast.state_dict()
    other.loss(x, labels)
    other.backward()
    InPlaceSGD(other.params, 0.1).step(other.grads)
    for name, array in fast.state_dict().items():
        np.testing.assert_array_equal(array, before[name])
    assert apart(other.network, other, x, labels) <= ULPS


def test_memory_is_kept_for_a_few_batch_sizes_only() -> None:
    fast = fast_twin(mlp([4, 3, 2]))
    for rows in range(1, 20):
        fast.forward(np.ones((rows, 4)))
    assert len(fast._of_batch) <= BATCH_SIZES_KEPT


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda f: f.backward(), RuntimeError, "before forward"),
        (lambda f: (f.forward(np.ones((2, 4))), f.backward()), RuntimeError, "needs loss"),
        (lambda f: (f.forward(np.ones((2, 4))), f.backward(np.ones((2, 4)))), ValueError, "pass a cotangent of shape"),
        (lambda f: f.loss(np.ones((0, 4)), np.zeros(0, int)), ValueError, "at least one row"),
        (lambda f: f.loss(np.ones((2, 5)), np.zeros(2, int)), ValueError, "pass x with 4 features"),
        (lambda f: f.loss(np.ones((2, 4), np.float32), np.zeros(2, int)), TypeError, "astype"),
        (lambda f: f.loss(np.ones((2, 4)), np.array([0, -1])), ValueError, "label -1 in row 1"),
        (lambda f: f.loss(np.ones((2, 4)), np.array([3, 0])), ValueError, "label 3 in row 0"),
        (lambda f: f.loss(np.ones((2, 4)), np.eye(3)[:2]), ValueError, "argmax"),
        (lambda f: f.loss(np.ones((2, 4)), np.zeros(3, int)), ValueError, "shape"),
        (lambda f: f.loss(np.ones((2, 4)), np.zeros(2)), TypeError, "astype"),
        (lambda f: FastMLP(mlp([4, 3], np.float16)), TypeError, "float32"),
        (lambda f: FastLeNet(mlp([4, 3])), TypeError, "pass a LeNet"),
        (lambda f: FastMLP(mlp([4, 5, 3]), dense_inputs=5), ValueError, "from 0 to 4"),
        (lambda f: FastMLP(mlp([4, 5, 3]), dense_inputs=-1), ValueError, "from 0 to 4"),
        (lambda f: FastMLP(mlp([4, 5, 3]), dense_inputs=2.0), TypeError, "pass an integer"),
        (lambda f: FastMLP(mlp([4, 5, 3]), dense_inputs=True), TypeError, "pass an integer"),
        (lambda f: FastMLP(mlp([4, 3]), dense_inputs=2), ValueError, "no hidden layer"),
        (lambda f: SeldomZeroFirst(np.ones((3, 2, 2)), 1), ValueError, "reshape"),
        (lambda f: SeldomZeroFirst(np.ones((0, 2)), 1), ValueError, "pass \\(rows, inputs\\)"),
        (lambda f: SeldomZeroFirst(np.ones((3, 2)), 0), ValueError, "at least 1"),
        (lambda f: SeldomZeroFirst(np.ones((3, 2)), 2.0), TypeError, "pass the number of examples in a batch"),
        (lambda f: SeldomZeroFirst(np.ones((3, 2)), 2)[1], TypeError, "pass a slice or an array of integers"),
        (lambda f: SeldomZeroFirst(np.ones((3, 2)), 2)[[1, 7]], IndexError, "7"),
        (lambda f: f.loss(SeldomZeroFirst(np.ones((3, 2)), 2)[:], np.zeros(3, int)), ValueError, "4 features"),
        (lambda f: f.loss(SeldomZeroFirst(np.ones((3, 4), int), 2)[:], np.zeros(3, int)), TypeError, "astype"),
        (lambda f: f.loss(SeldomZeroFirst(np.ones((3, 4)), 2)[:0], np.zeros(0, int)), ValueError, "one row"),
        (lambda f: FastLeNet(lenet()).forward(np.ones((2, 1, 32, 32))), ValueError, r"\(batch, 1, 28, 28\)"),
    ],
)
def test_what_does_not_fit_is_refused_with_what_to_pass(call: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        call(fast_twin(mlp([4, 5, 3])))


@pytest.mark.parametrize("kind", [np.int8, np.uint8, np.int32, np.uint64])
def test_labels_of_any_integer_dtype_and_layout_are_taken(kind: Any) -> None:
    fast = fast_twin(mlp([4, 5, 3]))
    x, labels = batch_for(fast.network, 6)
    expected = fast.loss(x, labels)
    assert fast.loss(x, labels.astype(kind)) == expected
    assert fast.loss(x, np.repeat(labels, 2)[::2]) == expected


def test_after_a_refused_batch_no_backward_is_pending() -> None:
    fast = fast_twin(mlp([4, 5, 3]))
    fast.loss(*batch_for(fast.network, 2))
    with pytest.raises(ValueError, match="label"):
        fast.loss(np.ones((2, 4)), np.array([0, 9]))
    with pytest.raises(RuntimeError, match="needs loss"):
        fast.backward()
