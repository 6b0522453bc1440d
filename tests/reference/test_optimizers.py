"""Every optimizer takes torch's steps; a wrong formula does not; a refused step changes nothing."""

import copy
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from reference_impls.optimizers import SGD, Adam, AdamW, Optimizer, RMSProp
from tests.mutants.optimizers import WRONG
from tests.refusals import expect_refusal

Array = npt.NDArray[Any]
Hyperparameters = Mapping[str, Any]
STEPS = 25
SHAPES = {"W": (7, 3), "b": (3,), "scale": ()}


@dataclass(frozen=True)
class Twin:
    """An optimizer, torch's of the same formula, and hyperparameters to run both with."""

    ours: Callable[..., Optimizer]
    theirs: Callable[..., torch.optim.Optimizer]
    hyperparameters: st.SearchStrategy[dict[str, Any]]


def sometimes(values: st.SearchStrategy[float]) -> st.SearchStrategy[float]:
    return st.one_of(st.just(0.0), values)


RATE = st.floats(1e-3, 0.3)
DECAY = sometimes(st.floats(1e-3, 0.5))
MOMENTUM = sometimes(st.floats(0.1, 0.95))
EPS = st.floats(1e-8, 1e-2)
BETAS = st.tuples(st.floats(0.0, 0.95), st.floats(0.5, 0.9999))
ADAM = st.fixed_dictionaries({"lr": RATE, "betas": BETAS, "eps": EPS, "weight_decay": DECAY, "amsgrad": st.booleans()})
SGD_PLAIN = st.fixed_dictionaries(
    {"lr": RATE, "momentum": MOMENTUM, "dampening": sometimes(st.floats(0.1, 0.9)), "weight_decay": DECAY}
)
SGD_NESTEROV = st.fixed_dictionaries(
    {"lr": RATE, "momentum": st.floats(0.1, 0.95), "weight_decay": DECAY, "nesterov": st.just(True)}
)
# Centered with an alpha near 0 is s - m² with s = m² but for rounding, on both sides.
RMSPROP = st.fixed_dictionaries(
    {
        "lr": RATE,
        "alpha": st.floats(0.5, 0.99),
        "eps": EPS,
        "weight_decay": DECAY,
        "momentum": MOMENTUM,
        "centered": st.booleans(),
    }
)
TWINS = {
    "SGD": Twin(SGD, partial(torch.optim.SGD, fused=False), st.one_of(SGD_PLAIN, SGD_NESTEROV)),
    "RMSProp": Twin(RMSProp, torch.optim.RMSprop, RMSPROP),
    "Adam": Twin(Adam, partial(torch.optim.Adam, fused=False), ADAM),
    "AdamW": Twin(AdamW, partial(torch.optim.AdamW, fused=False), ADAM),
}
# Of the largest parameter, a step: an update is a dozen roundings, and a root of a difference amplifies them.
ULPS_A_STEP = 8

every_optimizer = pytest.mark.parametrize("twin", TWINS.values(), ids=TWINS)


def largest_difference_in_ulps_a_step(twin: Twin, options: Hyperparameters, dtype: Any, seed: int) -> float:
    """Run both side by side on the same gradients, which depend on neither's parameters."""
    rng = np.random.default_rng(seed)
    params = {name: rng.normal(size=shape).astype(dtype) for name, shape in SHAPES.items()}
    tensors = {name: torch.tensor(array, requires_grad=True) for name, array in params.items()}
    ours = twin.ours(params, **options)
    theirs = twin.theirs(tensors.values(), foreach=False, **options)
    worst = 0.0
    for step in range(1, STEPS + 1):
        # Some elements get no gradient in some steps, and the scale differs from step to step.
        grads = {
            name: (rng.normal(size=shape) * rng.integers(0, 2, shape) * 2.0 ** rng.integers(-3, 3)).astype(dtype)
            for name, shape in SHAPES.items()
        }
        for name, tensor in tensors.items():
            tensor.grad = torch.tensor(grads[name])
        ours.step(grads)
        theirs.step()
        for name, array in params.items():
            expected = tensors[name].detach().numpy()
            assert (array.dtype, array.shape) == (expected.dtype, expected.shape)
            unit = np.finfo(dtype).eps * max(1.0, float(np.abs(expected).max()))
            worst = max(worst, float(np.abs(array - expected).max()) / unit / step)
    return worst


@every_optimizer
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@given(data=st.data(), seed=st.integers(0, 2**32 - 1))
def test_an_optimizer_takes_torchs_steps(twin: Twin, dtype: Any, data: st.DataObject, seed: int) -> None:
    options = data.draw(twin.hyperparameters)
    assert largest_difference_in_ulps_a_step(twin, options, dtype, seed) <= ULPS_A_STEP


@every_optimizer
def test_the_defaults_are_torchs(twin: Twin) -> None:
    options = {"lr": 0.1} if twin.ours is SGD else {}
    theirs = twin.theirs([torch.zeros(1, requires_grad=True)], **options).defaults
    ours = vars(twin.ours({"W": np.zeros(1)}, **options))
    shared = theirs.keys() & ours.keys()
    assert {"lr", "weight_decay"} <= shared
    assert {name: ours[name] for name in shared} == {name: theirs[name] for name in shared}


# --- planted bugs ---


@pytest.mark.parametrize("wrong", WRONG, ids=lambda wrong: wrong.__name__)
def test_a_nearly_right_formula_is_told_from_torchs(wrong: type[Optimizer]) -> None:
    name, options = WRONG[wrong]
    options = {"lr": 0.01, **options}
    right = TWINS[name]
    planted = Twin(wrong, right.theirs, right.hyperparameters)
    assert largest_difference_in_ulps_a_step(right, options, np.float64, seed=0) <= ULPS_A_STEP
    assert largest_difference_in_ulps_a_step(planted, options, np.float64, seed=0) > 10 * ULPS_A_STEP


# --- what belongs to the user ---


@every_optimizer
def test_a_refused_step_changes_nothing_and_does_not_count(twin: Twin) -> None:
    options = {"lr": 0.1}
    params, twins = {"W": np.ones(2), "b": np.ones(3)}, {"W": np.ones(2), "b": np.ones(3)}
    interrupted, straight = twin.ours(params, **options), twin.ours(twins, **options)
    good = {"W": np.array([1.0, -2.0]), "b": np.array([0.5, 0.0, 3.0])}
    for _ in range(3):
        with pytest.raises(ValueError, match="'b'"):
            interrupted.step({"W": np.ones(2), "b": np.ones(2)})
        interrupted.step(good)
        straight.step(good)
    for name, array in params.items():
        np.testing.assert_array_equal(array, twins[name])


@every_optimizer
def test_gradients_are_read_only_to_a_step_and_parameters_are_moved_in_place(twin: Twin) -> None:
    array, gradient = np.ones(3), np.arange(3.0)
    gradient.flags.writeable = False
    options = {"momentum": 0.9} if twin.ours in (SGD, RMSProp) else {}
    optimizer = twin.ours({"W": array}, lr=0.1, weight_decay=0.1, **options)
    for _ in range(3):
        optimizer.step({"W": gradient})
    assert (array != 1.0).all()
    np.testing.assert_array_equal(gradient, np.arange(3.0))


def test_without_decay_a_parameter_at_infinity_stays_there() -> None:
    optimizer = SGD({"W": np.array([np.inf])}, 0.1)
    optimizer.step({"W": np.ones(1)})
    assert optimizer.params["W"] == np.inf


def test_a_velocity_does_not_live_in_the_callers_gradient() -> None:
    gradient = np.ones(2)
    optimizer = SGD({"W": np.zeros(2)}, 0.1, momentum=0.9)
    optimizer.step({"W": gradient})
    gradient[:] = 100.0
    optimizer.step({"W": np.ones(2)})
    np.testing.assert_allclose(optimizer.params["W"], -0.1 * (1 + 1.9))


def test_a_learning_rate_can_be_changed_between_steps_as_torchs() -> None:
    """lr multiplies at the end and is no part of the velocity."""
    array = np.zeros(1)
    tensor = torch.zeros(1, dtype=torch.float64, requires_grad=True)
    ours, theirs = SGD({"W": array}, 0.5, momentum=0.5), torch.optim.SGD([tensor], 0.5, momentum=0.5)
    for lr in (0.5, 0.25, 1.0):
        ours.lr = theirs.param_groups[0]["lr"] = lr
        tensor.grad = torch.ones(1, dtype=torch.float64)
        ours.step({"W": np.ones(1)})
        theirs.step()
    np.testing.assert_array_equal(array, tensor.detach().numpy())


ONE = {"W": np.ones(2)}
BAD_CALLS: dict[str, tuple[Callable[[], object], type[Exception], list[str]]] = {
    "momentum negative": (lambda: SGD(ONE, 0.1, momentum=-0.9), ValueError, ["SGD: momentum is -0.9", ">= 0"]),
    "momentum text": (lambda: SGD(ONE, 0.1, momentum="high"), TypeError, ["momentum is 'high'"]),  # type: ignore[arg-type]
    "dampening nan": (lambda: SGD(ONE, 0.1, dampening=float("nan")), ValueError, ["dampening is nan"]),
    "decay infinite": (lambda: SGD(ONE, 0.1, weight_decay=float("inf")), ValueError, ["weight_decay is inf"]),
    "nesterov alone": (lambda: SGD(ONE, 0.1, nesterov=True), ValueError, ["momentum 0.0", "momentum > 0"]),
    "nesterov dampened": (
        lambda: SGD(ONE, 0.1, momentum=0.9, dampening=0.1, nesterov=True),
        ValueError,
        ["dampening 0.1", "no dampening"],
    ),
    "lr bool": (lambda: Adam(ONE, True), TypeError, ["Adam: lr is a bool"]),
    "lr negative": (lambda: RMSProp(ONE, -1.0), ValueError, ["RMSProp: lr is -1.0"]),
    "alpha 1": (lambda: RMSProp(ONE, alpha=1.0), ValueError, ["alpha is 1.0", "< 1"]),
    "beta 1": (lambda: Adam(ONE, betas=(1.0, 0.999)), ValueError, ["betas[0] is 1.0", "0.9"]),
    "beta negative": (lambda: AdamW(ONE, betas=(0.9, -0.1)), ValueError, ["AdamW: betas[1] is -0.1"]),
    "eps negative": (lambda: Adam(ONE, eps=-1e-8), ValueError, ["eps is -1e-08"]),
    "integer parameter": (lambda: Adam({"W": np.arange(3)}), TypeError, ["Adam: params['W'] is int64"]),
    "read-only parameter": (
        lambda: Adam({"W": np.broadcast_to(1.0, 2)}).step({"W": np.ones(2)}),
        ValueError,
        ["params['W'] is read-only", "W.copy()"],
    ),
    "gradient unknown": (lambda: Adam(ONE).step({"V": np.ones(2)}), ValueError, ["['W']", "['V']", "given to Adam"]),
    "one gradient missing, one unknown": (
        lambda: Adam({"W": np.ones(2), "b": np.ones(1)}).step({"W": np.ones(2), "V": np.ones(2)}),
        ValueError,
        ["lack the parameters ['b']", "unknown ones ['V']"],
    ),
    "gradient of another dtype": (
        lambda: Adam(ONE).step({"W": np.ones(2, np.float32)}),
        TypeError,
        ["grads['W'] is float32, params['W'] is float64"],
    ),
    "no update": (lambda: Optimizer(ONE, 0.1).step(ONE), NotImplementedError, ["_update"]),
}


@pytest.mark.parametrize(("bad_call", "error", "words"), BAD_CALLS.values(), ids=BAD_CALLS.keys())
def test_a_bad_call_says_what_came_and_what_belongs(
    bad_call: Callable[[], object], error: type[Exception], words: list[str]
) -> None:
    expect_refusal(bad_call, error, words)


@pytest.mark.parametrize("make", [lambda p: SGD(p, 0.1, momentum=0.9), lambda p: RMSProp(p, momentum=0.5), Adam, AdamW])
def test_an_optimizer_with_the_state_of_another_goes_on_as_that_one(make: Any) -> None:
    generator = np.random.default_rng(0)
    params = [{"0.W": np.ones((2, 3)), "0.b": np.ones(3)} for _ in range(2)]
    one, other = (make(own) for own in params)
    gradients = [{n: generator.normal(size=p.shape) for n, p in params[0].items()} for _ in range(6)]
    for gradient in gradients[:3]:
        one.step(gradient)
    for name, p in params[1].items():
        p[...] = params[0][name]
    saved = one.state_dict()
    first = copy.deepcopy(saved)
    other.load_state_dict(saved)
    for gradient in gradients[3:]:
        one.step(gradient)
        other.step(gradient)
    assert all(np.array_equal(params[0][n], params[1][n]) for n in params[0])
    for key, array in saved.items():
        np.testing.assert_array_equal(array, first[key], "later steps must not change what was saved")
    for bad in ({"1.W/mean": np.ones(3), "steps": np.asarray(1)}, {k: v for k, v in saved.items() if k != "steps"}):
        with pytest.raises(ValueError, match="state_dict"):
            other.load_state_dict(bad)


SUGGESTED: list[tuple[Callable[..., Optimizer], dict[str, Any], str]] = [
    (SGD, {"lr": -1.0}, "0.1"),
    (SGD, {"lr": 0.1, "momentum": -1.0}, "0.9"),
    (SGD, {"lr": 0.1, "dampening": -1.0}, "0.0"),
    (SGD, {"lr": 0.1, "weight_decay": -1.0}, "0.0001"),
    (RMSProp, {"alpha": -1.0}, "0.99"),
    (RMSProp, {"eps": -1.0}, "1e-08"),
    (RMSProp, {"weight_decay": -1.0}, "0.0001"),
    (RMSProp, {"momentum": -1.0}, "0.9"),
    (Adam, {"betas": (-1.0, 0.9)}, "0.9"),
    (Adam, {"betas": (0.9, -1.0)}, "0.999"),
    (Adam, {"eps": -1.0}, "1e-08"),
    (Adam, {"weight_decay": -1.0}, "0.01"),
]


@pytest.mark.parametrize(("optimizer", "options", "usual"), SUGGESTED)
def test_the_message_of_a_bad_hyperparameter_suggests_a_usual_one(
    optimizer: Callable[..., Optimizer], options: dict[str, Any], usual: str
) -> None:
    with pytest.raises(ValueError, match=rf"such as {re.escape(usual)}$"):
        optimizer(ONE, **options)
