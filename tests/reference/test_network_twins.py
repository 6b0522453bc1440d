"""Every network and its torch twin: the same state under the same names, and the same training step by step."""

import copy
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import gradcheck_kit as gk
from reference_impls.layers import BatchNorm1d, Conv2d
from reference_impls.networks import LeNet, SimpleNet
from reference_impls.networks.classifier import Classifier
from reference_impls.networks.network import Network
from reference_impls.networks.storage import read_arrays
from reference_impls.optimizers import SGD, Adam
from tests.networks import NETWORKS, Array, Twin, tensor
from tests.refusals import expect_refusal

every_network = pytest.mark.parametrize("twin", NETWORKS.values(), ids=NETWORKS)
every_dtype = pytest.mark.parametrize("dtype", [np.float32, np.float64])


def generator(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def into_torch(network: Network, module: torch.nn.Module) -> None:
    module.load_state_dict({name: torch.from_numpy(array) for name, array in network.state_dict().items()})


def both(twin: Twin, dtype: Any) -> tuple[Network, torch.nn.Sequential]:
    network, module = twin.ours(generator(), dtype), twin.module(dtype)
    into_torch(network, module)
    return network, module


def gradients_in_torchs_layout(network: Network) -> dict[str, Array]:
    """The gradients under torch's names: the state of a copy that has them in the place of its parameters."""
    twin = copy.deepcopy(network)
    for name, gradient in network.grads.items():
        twin.params[name][...] = gradient
    return twin.state_dict()


def assert_states_equal(ours: dict[str, Array], theirs: dict[str, Any], ulps: int = 0) -> None:
    assert list(ours) == list(theirs)
    for name, array in ours.items():
        expected = np.asarray(theirs[name])
        assert (array.dtype, array.shape) == (expected.dtype, expected.shape), name
        scale = max(float(np.abs(expected).max()), float(np.finfo(array.dtype).tiny))
        assert np.abs(array - expected).max() <= ulps * np.finfo(array.dtype).eps * scale, name


# --- state ---


@every_network
@every_dtype
def test_the_state_goes_into_torchs_twin_and_back(twin: Twin, dtype: Any) -> None:
    network, module = both(twin, dtype)
    assert_states_equal(network.state_dict(), module.state_dict())
    other = twin.ours(generator(1), dtype)
    other.load_state_dict({name: value.numpy() for name, value in module.state_dict().items()})
    for name, array in network.params.items():
        np.testing.assert_array_equal(other.params[name], array)


def test_a_square_weight_that_was_not_transposed_computes_something_else_in_torch() -> None:
    """The planted bug: no shape gives it away, so the tests of the twins' outputs have to."""
    network, module = both(NETWORKS["XORNet"], np.float64)
    x, _ = NETWORKS["XORNet"].batch(generator(1), 3)
    expected = network.forward(x)
    np.testing.assert_allclose(module(torch.tensor(x)).detach().numpy(), expected, rtol=1e-14)
    state = network.state_dict()
    planted = {**state, "0.weight": state["0.weight"].T.copy()}
    module.load_state_dict({name: torch.from_numpy(array) for name, array in planted.items()})
    assert np.abs(module(torch.tensor(x)).detach().numpy() - expected).max() > 1e-3


@every_network
@pytest.mark.parametrize("suffix", [".npz", ".safetensors"])
def test_a_network_comes_back_from_its_file(twin: Twin, suffix: str, tmp_path: Path) -> None:
    if suffix == ".safetensors":
        pytest.importorskip("safetensors")
    path = tmp_path / f"network{suffix}"
    network, other = twin.ours(generator(), np.float32), twin.ours(generator(1), np.float32)
    network.save(path)
    held = dict(other.params)
    other.load(path)
    for name, array in network.params.items():
        np.testing.assert_array_equal(other.params[name], array)
        assert other.params[name] is held[name], "an optimizer that holds the array goes on with it"


def test_torch_reads_our_safetensors_and_we_read_torchs(tmp_path: Path) -> None:
    safetensors_torch = pytest.importorskip("safetensors.torch")
    network, module = both(NETWORKS["SimpleNet"], np.float32)
    network.save(tmp_path / "ours.safetensors")
    module.load_state_dict(safetensors_torch.load_file(tmp_path / "ours.safetensors"))
    with torch.no_grad():
        module[0].weight += 1.0
    safetensors_torch.save_file(module.state_dict(), tmp_path / "theirs.safetensors")
    network.load(tmp_path / "theirs.safetensors")
    assert_states_equal(network.state_dict(), module.state_dict())


def test_a_state_shares_no_memory_with_the_network() -> None:
    network = SimpleNet(generator())
    state = network.state_dict()
    for array in state.values():
        assert array.flags.c_contiguous
        assert not any(np.shares_memory(array, own) for own in network.params.values())


def test_a_refused_state_changes_nothing() -> None:
    network = SimpleNet(generator())
    before, state = network.state_dict(), SimpleNet(generator(1)).state_dict()
    with pytest.raises(ValueError, match=r"2\.bias"):
        network.load_state_dict({**state, "2.bias": np.zeros(3)})
    assert_states_equal(network.state_dict(), before)


def test_a_state_for_a_read_only_parameter_is_refused_before_anything_is_written() -> None:
    network = SimpleNet(generator())
    before, state = network.state_dict(), SimpleNet(generator(1)).state_dict()
    network.params["1.b"].flags.writeable = False
    with pytest.raises(ValueError, match=r"'2\.bias' is read-only"):
        network.load_state_dict(state)
    assert_states_equal(network.state_dict(), before)


def test_loading_drops_a_pending_backward() -> None:
    network = SimpleNet(generator())
    network.forward(np.ones((1, 10)))
    network.load_state_dict(network.state_dict())
    with pytest.raises(RuntimeError, match="before forward"):
        network.backward(np.ones((1, 2)))


def test_running_statistics_are_part_of_the_state() -> None:
    layer = BatchNorm1d(np.ones(3), np.zeros(3))
    network = Classifier([layer])
    network.forward(generator().normal(3.0, 2.0, (8, 3)))
    state = network.state_dict()
    assert list(state) == ["0.weight", "0.bias", "0.running_mean", "0.running_var"]
    other = Classifier([BatchNorm1d(np.ones(3), np.zeros(3))])
    other.load_state_dict(state)
    np.testing.assert_array_equal(other.layers[0].buffers["running_mean"], layer.buffers["running_mean"])


def test_a_file_that_needs_pickle_is_refused(tmp_path: Path) -> None:
    np.savez(tmp_path / "objects.npz", **{"0.weight": np.array([object()], dtype=object)})
    with pytest.raises(ValueError, match="allow_pickle"):
        SimpleNet(generator()).load(tmp_path / "objects.npz")


def test_without_safetensors_the_error_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "safetensors", None)
    monkeypatch.setitem(sys.modules, "safetensors.numpy", None)
    for call in (SimpleNet(generator()).save, SimpleNet(generator()).load):
        with pytest.raises(ModuleNotFoundError, match=r"gradcheck-kit\[safetensors\].*or use .npz"):
            call(tmp_path / "network.safetensors")
    assert list(tmp_path.iterdir()) == []


# --- gradients and training ---


@every_network
@every_dtype
def test_loss_and_gradients_equal_torchs(twin: Twin, dtype: Any) -> None:
    network, module = both(twin, dtype)
    x, targets = twin.batch(generator(2), 5)
    x_torch = tensor(x, dtype).requires_grad_()
    loss = twin.loss(module(x_torch), tensor(targets, dtype))
    loss.backward()
    ours = network.loss(x.astype(dtype), targets)
    assert abs(ours - loss.item()) <= 32 * np.finfo(dtype).eps * max(1.0, loss.item())
    dx = network.backward()
    assert_states_equal({"x": dx}, {"x": x_torch.grad}, 256)
    expected = {name: parameter.grad for name, parameter in module.named_parameters()}
    assert_states_equal(gradients_in_torchs_layout(network), expected, 256)


@every_network
def test_a_network_agrees_with_differences(twin: Twin) -> None:
    network = twin.ours(generator(), np.float64)
    x, _ = twin.batch(generator(3), 2)
    assert gk.check(network, x)


OPTIMIZERS: dict[str, tuple[Callable[..., Any], Callable[..., Any]]] = {
    "SGD": (
        lambda p: SGD(p, 0.05, momentum=0.9, nesterov=True),
        lambda p: torch.optim.SGD(p, 0.05, 0.9, nesterov=True),
    ),
    "Adam": (Adam, torch.optim.Adam),
}


def apart_after_training(twin: Twin, ours: Callable[..., Any], theirs: Callable[..., Any], steps: int) -> float:
    """‖ΔW‖ ÷ ‖W‖ of all parameters, the largest over the steps, in unit roundoffs; float64, no resynchronisation."""
    network, module = both(twin, np.float64)
    our_optimizer, their_optimizer = ours(network.params), theirs(module.parameters())
    rng, worst = generator(4), 0.0
    for _ in range(steps):
        x, targets = twin.batch(rng, 16)
        network.loss(x, targets)
        network.backward()
        our_optimizer.step(network.grads)
        their_optimizer.zero_grad()
        twin.loss(module(tensor(x, np.float64)), tensor(targets, np.float64)).backward()
        their_optimizer.step()
        pairs = [(ours_now, module.state_dict()[name].numpy()) for name, ours_now in network.state_dict().items()]
        distance = np.sqrt(sum(float(((a - b) ** 2).sum()) for a, b in pairs))
        size = np.sqrt(sum(float((b**2).sum()) for _, b in pairs))
        worst = max(worst, distance / size / (np.finfo(np.float64).eps / 2))
    return worst


@every_network
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_a_network_trains_as_torchs_twin_step_by_step(twin: Twin, optimizer: str) -> None:
    ours, theirs = OPTIMIZERS[optimizer]
    assert apart_after_training(twin, ours, theirs, steps=15) < 256


class ForgetsTheBias(Conv2d):
    """The planted bug: a convolution whose bias learns at nine tenths of its rate."""

    def backward(self, cotangent: Array) -> Array:
        dx = super().backward(cotangent)
        self.grads["b"] = 0.9 * self.grads["b"]
        return dx


def test_a_lenet_with_a_wrong_bias_gradient_trains_as_another_network() -> None:
    def planted(rng: np.random.Generator, dtype: Any) -> Network:
        network = LeNet(rng, dtype=dtype)
        network.layers[3].__class__ = ForgetsTheBias
        return network

    twin = NETWORKS["LeNet 28"]
    wrong = Twin(planted, twin.theirs, twin.batch, twin.loss)
    ours, theirs = OPTIMIZERS["SGD"]
    assert apart_after_training(wrong, ours, theirs, steps=3) > 1e6


# --- classifiers ---


def test_lenet_has_61706_numbers_in_ten_arrays() -> None:
    network = LeNet(generator())
    assert sum(array.size for array in network.params.values()) == 61_706
    assert list(network.params) == [f"{i}.{name}" for i in range(5) for name in "Wb"]


def test_accuracy_is_taken_in_parts_and_leaves_a_pending_backward_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    network = LeNet(generator())
    x, labels = NETWORKS["LeNet 28"].batch(generator(1), 7)
    network.loss(x, labels)
    expected = network.backward()
    right = network.forward(x).argmax(axis=1)
    network.loss(x, labels)
    monkeypatch.setattr("reference_impls.networks.classifier.ROWS_AT_ONCE", 3)
    assert network.accuracy(x, right) == 1.0
    assert network.accuracy(x, np.where(np.arange(7) < 2, (right + 1) % 10, right)) == pytest.approx(5 / 7)
    np.testing.assert_array_equal(network.backward(), expected)
    assert np.isnan(network.accuracy(x[:0], labels[:0]))


def test_accuracy_uses_running_statistics_and_leaves_them_and_the_mode_alone() -> None:
    network = Classifier([BatchNorm1d(np.ones(2), np.zeros(2))])
    x = np.array([[5.0, 1.0], [7.0, 2.0]])
    assert network.accuracy(x, np.array([0, 0])) == 1.0, "with the batch's statistics it would be a tie"
    np.testing.assert_array_equal(network.layers[0].buffers["running_mean"], 0.0)
    assert network.layers[0].training


def test_train_and_eval_reach_every_layer() -> None:
    network = LeNet(generator())
    assert network.eval() is network
    assert not any(layer.training for layer in network.layers)
    assert all(layer.training for layer in network.train().layers)


STATE = SimpleNet(generator()).state_dict()
BAD_CALLS: dict[str, tuple[Callable[[], object], type[Exception], list[str]]] = {
    "state lacks a name": (
        lambda: SimpleNet(generator()).load_state_dict({k: v for k, v in STATE.items() if k != "0.bias"}),
        ValueError,
        ["SimpleNet", "lacks ['0.bias']", "state_dict()"],
    ),
    "state in our names": (
        lambda: SimpleNet(generator()).load_state_dict(SimpleNet(generator()).params),
        ValueError,
        ["['0.bias', '0.weight', '2.bias', '2.weight']", "unknown ['0.W'"],
    ),
    "state names more": (
        lambda: SimpleNet(generator()).load_state_dict({**STATE, "4.weight": STATE["0.weight"]}),
        ValueError,
        ["lacks [] and names the unknown ['4.weight'];"],
    ),
    "weight as ours": (
        lambda: SimpleNet(generator()).load_state_dict({**STATE, "0.weight": STATE["0.weight"].T}),
        ValueError,
        ["'0.weight'", "(10, 50)", "torch's layout", "(50, 10)"],
    ),
    "state dtype": (
        lambda: SimpleNet(generator(), dtype=np.float32).load_state_dict(STATE),
        TypeError,
        ["state['0.weight'] is float64", "the parameter is float32"],
    ),
    "state of lists": (
        lambda: SimpleNet(generator()).load_state_dict({**STATE, "0.bias": [0.0] * 50}),  # type: ignore[dict-item]
        TypeError,
        ["list"],
    ),
    "suffix": (lambda: SimpleNet(generator()).save("network.pt"), ValueError, ["network.pt", '".pt"', ".npz"]),
    "read suffix": (lambda: read_arrays("network"), ValueError, ['""', ".safetensors"]),
    "LeNet rng": (lambda: LeNet(0), TypeError, ["LeNet", "int", "default_rng"]),  # type: ignore[arg-type]
    "LeNet size": (lambda: LeNet(generator(), image_size=30), ValueError, ["image_size is 30", "28 or 32"]),
    "LeNet classes": (lambda: LeNet(generator(), classes=0), ValueError, ["classes is 0", "10"]),
    "LeNet boolean classes": (lambda: LeNet(generator(), classes=True), TypeError, ["classes is True", "10"]),
    "LeNet classes, no integer": (
        lambda: LeNet(generator(), classes=2.5),  # type: ignore[arg-type]
        TypeError,
        ["classes is 2.5", "positive integer"],
    ),
    "LeNet flat images": (
        lambda: LeNet(generator()).forward(np.ones((2, 784))),
        ValueError,
        ["(2, 784)", "x.reshape(-1, 1, 28, 28)"],
    ),
    "LeNet image size": (lambda: LeNet(generator()).forward(np.ones((2, 1, 32, 32))), ValueError, ["(2, 1, 32, 32)"]),
    "LeNet dtype": (
        lambda: LeNet(generator(), dtype=np.float32).forward(np.ones((2, 1, 28, 28))),
        TypeError,
        ["float64", "float32"],
    ),
}


@pytest.mark.parametrize(("bad_call", "error", "words"), BAD_CALLS.values(), ids=BAD_CALLS.keys())
def test_a_bad_call_says_what_came_and_what_belongs(
    bad_call: Callable[[], object], error: type[Exception], words: list[str]
) -> None:
    expect_refusal(bad_call, error, words)
