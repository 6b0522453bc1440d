"""The fast networks compute what the readable ones compute, up to rounding, and allocate nothing while they do."""

import copy
import pickle
import tracemalloc
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
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
from reference_impls.fast.sparse_affine import Places
from reference_impls.fast.sparse_rows import SparseRows
from reference_impls.networks import MLP, LeNet
from reference_impls.optimizers import SGD, Adam

Array = npt.NDArray[Any]
ULPS = 256  # of float rounding, of the largest gradient or 1: products of up to some hundred terms
DTYPES = (np.float32, np.float64)
# A product of bools and floats is worked through 8,192 elements at a time, three operands of 8 bytes each.
NUMPYS_BUFFERS = 8192 * 8 * 3 + 10_000

every_dtype = pytest.mark.parametrize("dtype", DTYPES)


def generator(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def mlp(sizes: list[int], dtype: Any = np.float64, seed: int = 0) -> MLP:
    """An MLP whose biases are not zero."""
    return moved(MLP(sizes, generator(seed), dtype=dtype))


def lenet(dtype: Any = np.float64, size: int = 28, classes: int = 10) -> LeNet:
    return moved(LeNet(generator(), image_size=size, classes=classes, dtype=dtype))


def moved(network: Any) -> Any:
    rng = generator(99)
    for name, array in network.params.items():
        if name.endswith("b"):
            array[...] = rng.normal(0.0, 0.1, array.shape)
    return network


def fast_twin(network: MLP | LeNet) -> FastMLP | FastLeNet:
    """The fast form of a copy, so that both can learn."""
    twin = copy.deepcopy(network)
    return FastMLP(twin) if isinstance(twin, MLP) else FastLeNet(twin)


def batch_for(network: Any, rows: int, seed: int = 1) -> tuple[Array, Array]:
    rng, dtype = generator(seed), network.params["0.W"].dtype
    last = max(name for name in network.params if name.endswith("b"))
    shape = (network.params["0.W"].shape[0],)
    if isinstance(network, LeNet):
        shape = (1, network.image_size, network.image_size)
    return rng.normal(size=(rows, *shape)).astype(dtype), rng.integers(0, network.params[last].size, rows)


def apart(one: Any, other: Any, x: Array, labels: Array) -> float:
    """The largest difference of the loss and of any gradient, in ulps of the largest number in each or of 1."""
    losses = [network.loss(x, labels) for network in (one, other)]
    for network in (one, other):
        network.backward()
    assert one.grads.keys() == other.grads.keys()
    pairs = [tuple(losses), *((one.grads[name], other.grads[name]) for name in one.grads)]
    eps = np.finfo(x.dtype).eps
    worst = 0.0
    for ours, theirs in pairs:
        assert (ours.dtype, ours.shape) == (theirs.dtype, theirs.shape)
        worst = max(worst, float(np.abs(ours - theirs).max() / (eps * max(1.0, float(np.abs(ours).max())))))
    return worst


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


@every_dtype
def test_a_fast_network_that_leaves_out_zeros_agrees_with_differences(dtype: Any) -> None:
    network = mlp([11, 7, 3], dtype)
    x, _ = batch_with_zeros(network, 3, 0, share=0.5)
    assert gk.check(FastMLP(network, dense_inputs=4), x)


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


def leaves_the_rows_of_the_batch_before(self: SparseRows, tail: Array, rows: Array) -> None:
    self.tail = self.tail[:0]
    SparseRows_put(self, tail, rows)


def keeps_the_marks_of_the_batch_before(self: Places, numbers: Array) -> tuple[Array, Array]:
    there, _ = Places_of(self, np.concatenate([getattr(self, "before", numbers), numbers]))
    self.before = numbers  # type: ignore[attr-defined]
    return there, np.searchsorted(there, numbers) - (len(there) > len(np.unique(numbers)))


def takes_the_numbers_of_the_next_example(self: SeldomZeroFirst, rows: Array) -> tuple[Array, Array]:
    return SeldomZeroFirst_numbers_of(self, (rows + 1) % len(self))


CrossEntropy_gradient = CrossEntropy.gradient
Places_of, SparseRows_put, SeldomZeroFirst_numbers_of = Places.of, SparseRows.put, SeldomZeroFirst._numbers_of
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
