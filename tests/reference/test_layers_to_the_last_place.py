"""Convolution, pooling, norms, softmax and losses beside torch: equal to 16 units in the last place of their terms.

An element is a sum of terms, and its rounding error is that of the terms, however much they cancel. So the unit here is
the last place of the sum of their absolute values, which each family below states.
"""

import inspect
from collections import Counter
from collections.abc import Callable

import numpy as np
import pytest
import torch
from hypothesis import given, note, settings
from hypothesis import strategies as st

from reference_impls.layers import (
    AvgPool2d,
    BatchNorm1d,
    BatchNorm2d,
    BCELoss,
    BCEWithLogitsLoss,
    Conv2d,
    LayerNorm,
    LogSoftmax,
    MaxPool2d,
    MSELoss,
    Softmax,
    SoftmaxWithLoss,
)
from tests.cases import CASES, Array, Case, Example
from tests.cases.images import Convolution, Pooling
from tests.cases.normalization import LayerNormalization

UNITS = 16.0  # the largest seen was 2.3
CONFIGURATIONS = {"float64": 500, "float32": 200}  # of each layer
Arrays = dict[str, Array]
Magnitudes = Callable[[Case, Example, Array], Arrays]

# ---------------------------------------------------------------- both sides


def point_of(example: Example) -> Arrays:
    names = inspect.signature(example.layer.forward).parameters
    return {**dict(zip(names, example.inputs, strict=True)), **example.layer.params}


def mine(example: Example, u: Array) -> Arrays:
    """The output and the gradients, by the names of the inputs."""
    layer = example.layer
    output = np.asarray(layer.forward(*example.inputs))
    first = next(iter(inspect.signature(layer.forward).parameters))
    return {"output": output, first: layer.backward(u), **layer.grads}


def of_torch(case: Case, example: Example, point: Arrays, u: Array, wanted: tuple[str, ...]) -> Arrays:
    """The same by the torch twin and autograd."""
    tensors = {name: torch.tensor(array) for name, array in point.items()}
    for name in wanted:
        tensors[name].requires_grad_()
    output = case.twin_at(example)(tensors)
    pulled = torch.autograd.grad(output, [tensors[name] for name in wanted], torch.tensor(u))
    return {"output": output.detach().numpy(), **{n: g.numpy() for n, g in zip(wanted, pulled, strict=True)}}


def cotangent(example: Example, seed: int) -> Array:
    shape = np.shape(example.layer.forward(*example.inputs))
    return np.asarray(np.random.default_rng(seed).normal(size=shape), example.draw.dtype)


# ---------------------------------------------------------------- the terms of each family, in absolute values


def linear(case: Case, example: Example, u: Array) -> Arrays:
    """Sums of products: the same sums of the products' absolute values."""
    point = {name: abs(array.astype(np.float64)) for name, array in point_of(example).items()}
    return of_torch(case, example, point, abs(u.astype(np.float64)), tuple(point))


def selection(case: Case, example: Example, u: Array) -> Arrays:
    """The output is copied, so it is equal; a gradient is a sum of cotangents."""
    point = {name: array.astype(np.float64) for name, array in point_of(example).items()}
    terms = of_torch(case, example, point, abs(u.astype(np.float64)), tuple(point))
    return {**terms, "output": 0.0 * terms["output"]}


def normalization(case: Case, example: Example, u: Array) -> Arrays:
    """An error of x's last place is magnified by 1/std in xhat, and once more in dx."""
    shapes, x = example.shapes, example.inputs[0].astype(np.float64)
    gamma, beta = (abs(example.layer.params[name].astype(np.float64)) for name in ("gamma", "beta"))
    if x.size == 0:
        return {"output": x, "x": x, "gamma": 0.0 * gamma, "beta": 0.0 * beta}
    if isinstance(shapes, LayerNormalization):
        own, other = tuple(range(-gamma.ndim, 0)), tuple(range(x.ndim - gamma.ndim))
    else:
        own = other = (0, *range(2, x.ndim))
        gamma, beta = (a.reshape(-1, *[1] * (x.ndim - 2)) for a in (gamma, beta))
    if isinstance(shapes, LayerNormalization) or shapes.training:
        mean, var = x.mean(own, keepdims=True), x.var(own, keepdims=True)
    else:
        mean, var = (a.reshape(gamma.shape) for a in shapes.running)
    std = np.sqrt(var + shapes.eps)
    largest = np.max(abs((x - mean) / std), axis=own, keepdims=True, initial=0.0)
    of_xhat = (1 + largest) * (1 + (np.max(abs(x), axis=own, keepdims=True, initial=0.0) + abs(mean)) / std)
    dxhat = np.max(abs(u) * gamma, axis=own, keepdims=True, initial=0.0)
    return {
        "output": gamma * of_xhat + beta,
        "x": dxhat / std * (1 + largest) * of_xhat,
        "gamma": np.sum(abs(u) * of_xhat, axis=other),
        "beta": np.sum(abs(u), axis=other, dtype=np.float64),
    }


def softmax(case: Case, example: Example, u: Array) -> Arrays:
    """exp turns an error of its argument's last place into a relative one; its argument is at most the range."""
    x, axis = example.inputs[0].astype(np.float64), example.layer.axis
    shifted = x - x.max(axis, keepdims=True, initial=-np.inf)
    length = 2 + np.max(abs(shifted), axis=axis, keepdims=True, initial=0.0)
    total = np.exp(shifted).sum(axis, keepdims=True)
    p, u = np.exp(shifted) / total, abs(u)
    if case.of is LogSoftmax:
        return {"output": length + abs(shifted), "x": u + p * length * u.sum(axis, keepdims=True)}
    return {"output": p * length, "x": p * length * (u + np.sum(u * p * length, axis=axis, keepdims=True))}


def per_term(example: Example, u: Array, terms: int) -> float:
    return float(abs(u)) / (max(terms, 1) if example.layer.reduction == "mean" else 1)


def cross_entropy(case: Case, example: Example, u: Array) -> Arrays:
    logits, labels = example.inputs[0].astype(np.float64), example.inputs[1]
    classes = logits.shape[1]
    t = np.eye(classes)[labels] if labels.ndim == 1 else labels.astype(np.float64)
    t = t * (1 - example.shapes[2]) + example.shapes[2] / classes
    shifted = logits - logits.max(1, keepdims=True)
    length = 2 + np.log(classes) + abs(shifted).max(1, keepdims=True)
    p = np.exp(shifted) / np.exp(shifted).sum(1, keepdims=True)
    each = per_term(example, u, len(logits))
    scale = each / abs(float(u))
    return {"output": np.sum(t * length) * scale, "logits": each * (p * length * t.sum(1, keepdims=True) + t)}


def elementwise(case: Case, example: Example, u: Array) -> Arrays:
    (name, value), (_, target) = point_of(example).items()
    y, t = value.astype(np.float64), target.astype(np.float64)
    if case.of is MSELoss:
        terms, slopes = (y - t) ** 2, 2 * abs(y - t)
    elif case.of is BCELoss:
        with np.errstate(divide="ignore"):
            log_p, log_q = (np.minimum(abs(a), 100.0) for a in (np.log(y), np.log1p(-y)))
        terms, slopes = t * log_p + (1 - t) * log_q, (y + t) / np.maximum(y * (1 - y), 1e-12)
    else:
        terms, slopes = 1 + (1 + t) * abs(y), 1 / (1 + np.exp(-np.clip(y, -700, 700))) + t
    each = per_term(example, u, y.size)
    return {"output": np.sum(terms) * each / abs(float(u)), name: each * slopes}


MAGNITUDES: dict[type, Magnitudes] = {
    Conv2d: linear,
    AvgPool2d: linear,
    MaxPool2d: selection,
    BatchNorm1d: normalization,
    BatchNorm2d: normalization,
    LayerNorm: normalization,
    Softmax: softmax,
    LogSoftmax: softmax,
    SoftmaxWithLoss: cross_entropy,
    MSELoss: elementwise,
    BCELoss: elementwise,
    BCEWithLogitsLoss: elementwise,
}
JUDGED = [case for case in CASES if case.of in MAGNITUDES]


def units_apart(case: Case, example: Example, found: Arrays, u: Array) -> float:
    """The largest difference from torch's, in units of the last place of the terms."""
    theirs = of_torch(case, example, point_of(example), u, tuple(found)[1:])
    magnitudes = MAGNITUDES[case.of](case, example, u)
    form = np.finfo(example.draw.dtype)
    worst = 0.0
    for name, array in found.items():
        assert array.shape == theirs[name].shape, name
        assert array.dtype == theirs[name].dtype, name
        unit = form.eps * magnitudes[name] + form.tiny  # below the least normal number some flush to zero
        apart = np.where(np.isnan(array) & np.isnan(theirs[name]), 0.0, abs(array - theirs[name].astype(np.float64)))
        assert not np.isnan(apart).any(), name
        worst = max(worst, float(np.max(apart / unit, initial=0.0)))
    return worst


# ---------------------------------------------------------------- the sentences


def features(example: Example) -> dict[str, bool]:
    """Which corners there are, and in which of them an example lies."""
    shape, drawn = np.shape(example.inputs[0]), example.shapes
    image = isinstance(drawn, Convolution | Pooling)
    corners = {
        "configurations": True,
        "a batch of none": shape[:1] == (0,),
        "a batch of one": shape[:1] == (1,),
        "odd sizes": any(n % 2 for n in (shape[2:] if image else shape)),
    }
    if not image:
        return corners
    size, kernel, stride = drawn.x[2:], drawn.kernel, drawn.stride or drawn.kernel
    return {
        **corners,
        "a kernel of one element": kernel == (1, 1),
        "a kernel as large as the image": kernel == size,
        "a stride larger than the kernel": any(s > k for s, k in zip(stride, kernel, strict=True)),
        "padding": drawn.padding != (0, 0),
    }


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("case", JUDGED, ids=lambda case: case.name)
def test_output_and_gradients_equal_torchs_to_the_last_places_of_their_terms(case: Case, dtype: str) -> None:
    rows = sum(other.of is case.of for other in JUDGED)
    share = -(-CONFIGURATIONS[dtype] // rows)
    seen: Counter[str] = Counter()

    @settings(max_examples=share, derandomize=True, database=None)
    @given(case.examples(dtypes=(dtype,)), st.integers(0, 2**32 - 1))
    def agree(example: Example, seed: int) -> None:
        u = cotangent(example, seed)
        apart = units_apart(case, example, mine(example, u), u)
        note(f"{apart:.1f} units apart")
        assert apart <= UNITS
        seen.update({corner: int(there) for corner, there in features(example).items()})

    agree()
    assert seen["configurations"] >= share
    assert len(seen) == (8 if case.of in (Conv2d, MaxPool2d, AvgPool2d) else 4)
    assert min(seen.values()) >= 5, seen


@pytest.mark.parametrize("case", JUDGED, ids=lambda case: case.name)
def test_a_gradient_wrong_by_a_ten_millionth_is_farther_apart(case: Case) -> None:
    seen: list[float] = []

    @settings(max_examples=25, derandomize=True, database=None)
    @given(case.examples(dtypes=("float64",), kinds=("normal",)), st.integers(0, 2**32 - 1))
    def measure(example: Example, seed: int) -> None:
        u = cotangent(example, seed)
        found = mine(example, u)
        name = tuple(found)[1]
        if np.any(found[name]):
            seen.append(units_apart(case, example, {**found, name: found[name] * (1 + 1e-7)}, u))

    measure()
    assert len(seen) >= 5
    assert min(seen) > UNITS, seen
