"""The networks learn, start where their initialization says, and hand out the arrays they compute with."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from reference_impls.layers import ReLU, Sigmoid
from reference_impls.networks import MLP, LeNet, XORNet
from reference_impls.networks.initialization import glorot, he
from reference_impls.networks.network import Network
from reference_impls.networks.xor import INPUTS, TARGETS, XOR_SEED, train_xor
from reference_impls.optimizers import SGD
from tests.refusals import expect_refusal


def generator(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def small_batch(dtype: Any = np.float64) -> tuple[np.ndarray, np.ndarray]:
    rng = generator(1)
    return rng.normal(size=(20, 6)).astype(dtype), rng.integers(0, 3, 20)


# --- XOR ---


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("loss", ["squared", "bce"])
@pytest.mark.parametrize("hidden", ["relu", "sigmoid"])
def test_xor_reaches_the_four_right_answers(hidden: Any, loss: Any, dtype: Any) -> None:
    network = XORNet(generator(XOR_SEED), hidden=hidden, loss=loss, dtype=dtype)
    train_xor(network)
    probability = network.forward(np.array(INPUTS, dtype))
    assert probability.dtype == dtype
    np.testing.assert_allclose(probability, TARGETS, atol=0.1)


def test_an_xor_net_has_nine_parameters_named_by_layer() -> None:
    network = XORNet(generator())
    assert {name: array.shape for name, array in network.params.items()} == {
        "0.W": (2, 2),
        "0.b": (2,),
        "1.W": (2, 1),
        "1.b": (1,),
    }


def test_an_xor_net_has_the_layer_and_the_loss_that_were_chosen() -> None:
    x, targets = np.array(INPUTS), np.array(TARGETS)
    for hidden, activation, draw in (("relu", ReLU, he), ("sigmoid", Sigmoid, glorot)):
        network = XORNet(generator(), hidden=hidden)  # type: ignore[arg-type]
        assert type(network.layers[1]) is activation
        np.testing.assert_array_equal(network.params["0.W"], draw(generator(), 2, 2, np.dtype(float)))
    p = XORNet(generator()).forward(x)
    for loss, expected in (
        ("squared", np.mean((p - targets) ** 2)),
        ("bce", -np.mean(targets * np.log(p) + (1 - targets) * np.log(1 - p))),
    ):
        assert XORNet(generator(), loss=loss).loss(x, targets) == pytest.approx(expected, rel=1e-12)  # type: ignore[arg-type]


def test_training_an_xor_net_takes_as_many_steps_as_asked() -> None:
    trained, stepped = XORNet(generator()), XORNet(generator())
    train_xor(trained, lr=0.5, steps=1)
    stepped.loss(np.array(INPUTS), np.array(TARGETS))
    stepped.backward()
    for name, array in trained.params.items():
        np.testing.assert_array_equal(array, stepped.params[name] - 0.5 * stepped.grads[name])


def test_xor_targets_must_be_a_column() -> None:
    with pytest.raises(ValueError, match=r"pass target.reshape\(\(4, 1\)\)"):
        XORNet(generator()).loss(np.array(INPUTS), np.array([0.0, 1.0, 1.0, 0.0]))


# --- initialization ---


def test_he_weights_are_normal_with_variance_two_over_fan_in() -> None:
    weights = MLP([400, 300, 10], generator()).params["0.W"]
    assert weights.mean() == pytest.approx(0.0, abs=1e-3)
    assert weights.var() == pytest.approx(2 / 400, rel=0.02)
    kurtosis = np.mean(weights**4) / weights.var() ** 2
    assert kurtosis == pytest.approx(3.0, abs=0.1)


def test_glorot_weights_are_uniform_within_their_limit() -> None:
    weights = MLP([400, 300, 10], generator(), initialization="glorot").params["0.W"]
    limit = np.sqrt(6 / 700)
    assert 0.999 * limit < np.abs(weights).max() <= limit
    assert weights.var() == pytest.approx(2 / 700, rel=0.02)


@pytest.mark.parametrize("make", [lambda g: MLP([4, 3, 2], g), XORNet, LeNet], ids=["MLP", "XORNet", "LeNet"])
def test_biases_start_at_zero(make: Callable[[np.random.Generator], Network]) -> None:
    network = make(generator())
    biases = [array for name, array in network.params.items() if name.endswith(".b")]
    assert len(biases) == len(network.params) // 2
    assert not any(bias.any() for bias in biases)


def test_a_filter_starts_as_a_column_of_an_affine_layers_draw() -> None:
    filters = LeNet(generator()).params["0.W"]
    np.testing.assert_array_equal(filters.reshape(6, 25).T, he(generator(), 25, 6, np.dtype(float)))


def test_sizes_may_be_integers_of_numpy_and_one() -> None:
    sizes = (np.int64(4), 1, 3)
    assert MLP(sizes, generator()).params["0.W"].shape == (4, 1)
    assert LeNet(generator(), classes=np.int64(3)).params["4.b"].shape == (3,)  # type: ignore[arg-type]
    assert LeNet(generator(), classes=1).params["4.b"].shape == (1,)


@pytest.mark.parametrize("initialization", ["he", "glorot"])
def test_weights_come_only_from_the_generator(initialization: Any) -> None:
    first = MLP([5, 4, 3], generator(3), initialization=initialization)
    np.random.random(7)  # noqa: NPY002 - the global state must not matter
    second = MLP([5, 4, 3], generator(3), initialization=initialization)
    other = MLP([5, 4, 3], generator(4), initialization=initialization)
    for name in ("0.W", "1.W"):
        np.testing.assert_array_equal(first.params[name], second.params[name])
        assert (first.params[name] != other.params[name]).all()


@pytest.mark.parametrize("initialization", ["he", "glorot"])
def test_float32_and_float64_networks_start_from_the_same_weights(initialization: Any) -> None:
    wide = MLP([5, 4, 3], generator(), initialization=initialization)
    narrow = MLP([5, 4, 3], generator(), initialization=initialization, dtype=np.float32)
    for name, array in wide.params.items():
        np.testing.assert_array_equal(narrow.params[name], array.astype(np.float32))


# --- the protocol ---


@pytest.mark.parametrize("network", [MLP([2, 3, 2], generator()), XORNet(generator())], ids=["MLP", "XORNet"])
def test_params_are_the_layers_own_arrays(network: Any) -> None:
    x = np.array(INPUTS)
    before = network.forward(x)
    assert network.params["0.W"] is network.layers[0].params["W"]
    network.params["1.b"] += 1.0
    assert (network.forward(x) != before).all()


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize("sizes", [[6, 3], [6, 5, 3], [6, 5, 4, 3]], ids=str)
def test_loss_gradients_and_logits_keep_the_dtype_at_every_depth(sizes: list[int], dtype: Any) -> None:
    network = MLP(sizes, generator(), dtype=dtype)
    x, labels = small_batch(dtype)
    assert type(network.loss(x, labels)) is dtype
    dx = network.backward()
    assert (dx.dtype, dx.shape) == (x.dtype, x.shape)
    assert network.grads.keys() == network.params.keys()
    for name, array in network.params.items():
        assert (network.grads[name].dtype, network.grads[name].shape) == (dtype, array.shape)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_loss_and_gradients_agree_with_torch(dtype: Any) -> None:
    torch = pytest.importorskip("torch")
    network = MLP([6, 5, 3], generator(), dtype=dtype)
    x, labels = small_batch(dtype)
    parameters = {name: torch.tensor(array, requires_grad=True) for name, array in network.params.items()}
    tensor = torch.tensor(x, requires_grad=True)
    hidden = torch.relu(tensor @ parameters["0.W"] + parameters["0.b"])
    logits = hidden @ parameters["1.W"] + parameters["1.b"]
    loss = torch.nn.functional.cross_entropy(logits, torch.tensor(labels))
    loss.backward()
    tolerance = 1e-5 if dtype is np.float32 else 1e-13
    np.testing.assert_allclose(network.loss(x, labels), loss.item(), rtol=tolerance)
    np.testing.assert_allclose(network.backward(), tensor.grad, rtol=tolerance, atol=tolerance)
    for name, parameter in parameters.items():
        np.testing.assert_allclose(network.grads[name], parameter.grad, rtol=tolerance, atol=tolerance)


def test_backward_after_loss_equals_pulling_back_the_gradient_of_the_logits() -> None:
    network = MLP([6, 5, 3], generator())
    x, labels = small_batch()
    network.loss(x, labels)
    dx = network.backward()
    grads = dict(network.grads)
    logits = network.forward(x)
    probability = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(network.backward((probability - np.eye(3)[labels]) / len(x)), dx, atol=1e-15)
    for name, gradient in network.grads.items():
        np.testing.assert_allclose(gradient, grads[name], atol=1e-15)
        assert gradient is not grads[name]


def test_accuracy_counts_right_rows_and_leaves_a_pending_backward_alone() -> None:
    network = MLP([6, 5, 3], generator())
    x, labels = small_batch()
    network.loss(x, labels)
    expected = network.backward()
    right = network.forward(x).argmax(axis=1)
    network.loss(x, labels)
    assert network.accuracy(-x, right) < 1.0
    np.testing.assert_array_equal(network.backward(), expected)
    assert network.accuracy(x, right) == 1.0
    assert network.accuracy(x, np.eye(3)[right]) == 1.0
    assert network.accuracy(x, np.where(np.arange(20) < 5, (right + 1) % 3, right)) == 0.75
    assert np.isnan(network.accuracy(x[:0], labels[:0]))


def test_from_params_rebuilds_the_network_from_copies() -> None:
    network = MLP([6, 5, 4, 3], generator(), dtype=np.float32)
    x, labels = small_batch(np.float32)
    twin = MLP.from_params(network.params)
    np.testing.assert_array_equal(twin.forward(x), network.forward(x))
    assert twin.loss(x, labels) == network.loss(x, labels)
    for name, array in network.params.items():
        assert not np.shares_memory(array, twin.params[name])


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_loss_falls_on_random_data(dtype: Any) -> None:
    network = MLP([6, 16, 3], generator(), dtype=dtype)
    x, labels = small_batch(dtype)
    optimizer = SGD(network.params, 0.5)
    first = network.loss(x, labels)
    for _ in range(200):
        network.loss(x, labels)
        network.backward()
        optimizer.step(network.grads)
    assert network.loss(x, labels) < 0.1 * first
    assert network.accuracy(x, labels) == 1.0
    assert {array.dtype for array in network.params.values()} == {np.dtype(dtype)}


# --- SGD ---


def torch_and_numpy_after_steps(dtype: Any, lr: float, steps: int) -> tuple[np.ndarray, np.ndarray]:
    torch = pytest.importorskip("torch")
    rng = generator(5)
    parameter = rng.normal(size=(37, 11)).astype(dtype)
    tensor = torch.tensor(parameter, requires_grad=True)
    theirs, ours = torch.optim.SGD([tensor], lr=lr), SGD({"W": parameter}, lr)
    for _ in range(steps):
        gradient = rng.normal(size=parameter.shape).astype(dtype)
        tensor.grad = torch.tensor(gradient)
        theirs.step()
        ours.step({"W": gradient})
    return tensor.detach().numpy(), parameter


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_sgd_equals_torchs_bit_for_bit_where_the_product_is_exact(dtype: Any) -> None:
    theirs, ours = torch_and_numpy_after_steps(dtype, lr=0.125, steps=5)
    np.testing.assert_array_equal(theirs, ours)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_sgd_differs_from_torchs_by_at_most_the_rounding_of_the_product(dtype: Any) -> None:
    # torch's vectorized CPU kernel fuses product and subtraction into one rounding; NumPy rounds twice.
    theirs, ours = torch_and_numpy_after_steps(dtype, lr=0.1, steps=5)
    np.testing.assert_allclose(theirs, ours, rtol=0, atol=5 * 2 * np.finfo(dtype).eps)


def test_a_refused_sgd_step_changes_nothing() -> None:
    params = {"W": np.ones(2), "b": np.ones(3)}
    with pytest.raises(ValueError, match="'b'"):
        SGD(params, 0.1).step({"W": np.ones(2), "b": np.ones(2)})
    np.testing.assert_array_equal(params["W"], 1.0)


# --- errors ---

ONE = {"W": np.ones(2)}
BAD_CALLS: dict[str, tuple[Any, type[Exception], list[str]]] = {
    "rng": (lambda: MLP([2, 2], 0), TypeError, ["rng is a int", "np.random.default_rng(0)"]),
    "XOR rng": (lambda: XORNet(None), TypeError, ["rng is a NoneType", "np.random.default_rng(0)"]),
    "sizes": (lambda: MLP([784], generator()), ValueError, ["[784]", "two or more"]),
    "no sizes": (lambda: MLP(784, generator()), TypeError, ["sizes is 784", "[784, 128, 10]"]),
    "sizes of text": (lambda: MLP("784", generator()), TypeError, ["sizes is '784'", "[784, 128, 10]"]),
    "size 0": (lambda: MLP([784, 0, 10], generator()), ValueError, ["[784, 0, 10]", "positive"]),
    "size no integer": (lambda: MLP([784, 2.5, 10], generator()), TypeError, ["sizes[1] is 2.5", "positive"]),
    "initialization": (
        lambda: MLP([2, 2], generator(), initialization="xavier"),
        ValueError,
        ["'xavier'", '"he" or "glorot"'],
    ),
    "dtype": (lambda: MLP([2, 2], generator(), dtype=int), TypeError, ["int", "np.float32"]),
    "dtype None": (lambda: MLP([2, 2], generator(), dtype=None), TypeError, ["None", "np.float32"]),
    "hidden": (lambda: XORNet(generator(), hidden="tanh"), ValueError, ["'tanh'", '"relu" or "sigmoid"']),
    "loss": (lambda: XORNet(generator(), loss="mse"), ValueError, ["'mse'", '"squared" or "bce"']),
    "backward first": (
        lambda: MLP([2, 2], generator()).backward(),
        RuntimeError,
        ["MLP", "before forward", "loss(...)"],
    ),
    "features": (
        lambda: MLP([5, 2], generator()).forward(np.ones((3, 7))),
        ValueError,
        ["x has 7 features a row (shape (3, 7))", "W takes 5 (shape (5, 2))"],
    ),
    "float64 into float32": (
        lambda: MLP([5, 2], generator(), dtype=np.float32).forward(np.ones((3, 5))),
        TypeError,
        ["x is float64, W is float32", "pass x.astype(np.float32)"],
    ),
    "label": (
        lambda: MLP([5, 2], generator()).loss(np.ones((2, 5)), np.array([1, 2])),
        ValueError,
        ["label 2 in row 1"],
    ),
    "no params": (lambda: MLP.from_params({}), ValueError, ["'0.W', '0.b'"]),
    "missing bias": (lambda: MLP.from_params({"0.W": np.ones((2, 2))}), ValueError, ["['0.W']", "'0.b'"]),
    "another letter": (
        lambda: MLP.from_params({"0.W": np.ones((2, 2)), "0.bias": np.ones(2)}),
        ValueError,
        ["['0.W', '0.bias']", "pass '0.W', '0.b'"],
    ),
    "dtypes of two layers": (
        lambda: MLP.from_params(
            {
                "0.W": np.ones((2, 3)),
                "0.b": np.ones(3),
                "1.W": np.ones((3, 2), np.float32),
                "1.b": np.ones(2, np.float32),
            }
        ),
        TypeError,
        ["params['1.W'] is float32, params['0.W'] is float64"],
    ),
    "broken chain": (
        lambda: MLP.from_params({"0.W": np.ones((2, 3)), "0.b": np.ones(3), "1.W": np.ones((4, 2)), "1.b": np.ones(2)}),
        ValueError,
        ["'0.W' has shape (2, 3)", "'1.W' has shape (4, 2)"],
    ),
    "lr negative": (lambda: SGD(ONE, -0.1), ValueError, ["lr is -0.1", ">= 0"]),
    "lr nan": (lambda: SGD(ONE, float("nan")), ValueError, ["lr is nan"]),
    "lr infinite": (lambda: SGD(ONE, float("inf")), ValueError, ["lr is inf"]),
    "lr text": (lambda: SGD(ONE, "fast"), TypeError, ["'fast'", "0.1"]),
    "gradient missing": (lambda: SGD(ONE, 0.1).step({}), ValueError, ["['W']", "backward"]),
    "gradient unknown": (
        lambda: SGD(ONE, 0.1).step({"W": np.ones(2), "V": np.ones(2)}),
        ValueError,
        ["['V']"],
    ),
    "gradient shape": (
        lambda: SGD(ONE, 0.1).step({"W": np.ones(3)}),
        ValueError,
        ["grads['W']", "(3,)", "(2,)"],
    ),
    "gradient dtype": (
        lambda: SGD(ONE, 0.1).step({"W": np.ones(2, np.float32)}),
        TypeError,
        ["grads['W'] is float32, params['W'] is float64"],
    ),
}


@pytest.mark.parametrize(("bad_call", "error", "words"), BAD_CALLS.values(), ids=BAD_CALLS.keys())
def test_a_bad_call_says_what_came_and_what_belongs(bad_call: Any, error: type[Exception], words: list[str]) -> None:
    expect_refusal(bad_call, error, words)


def test_backward_without_a_cotangent_needs_loss_as_the_latest_call() -> None:
    network = MLP([6, 3], generator())
    x, labels = small_batch()
    network.loss(x, labels)
    network.forward(x)
    with pytest.raises(RuntimeError, match="without a cotangent needs loss"):
        network.backward()


def test_a_forward_that_raised_leaves_nothing_to_pull_back() -> None:
    network = MLP([6, 3], generator())
    x, labels = small_batch()
    network.loss(x, labels)
    with pytest.raises(ValueError, match="features"):
        network.forward(x[:, :2])
    with pytest.raises(RuntimeError, match="before forward"):
        network.backward()
