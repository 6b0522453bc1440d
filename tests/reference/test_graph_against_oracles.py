"""The graph's derivatives, first and second, against two oracles: torch.autograd and numerical derivatives."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import gradcheck_kit as gk
from reference_impls.autograd import Variable, gradients
from tests.operations import OPERATIONS, Array, Operation
from tests.random_graphs import Graph, random_graph

# Error in unit roundoffs, of the largest element; a graph of dozens of steps amplifies each step's rounding.
ULPS = {"float64": 64, "float32": 64, "graph": 2**14}

every_operation = pytest.mark.parametrize("operation", OPERATIONS.values(), ids=OPERATIONS)
every_dtype = pytest.mark.parametrize("dtype", [np.float32, np.float64])
seeds = st.integers(0, 2**32 - 1)


def assert_equal_up_to_rounding(ours: Array, theirs: torch.Tensor, ulps: int) -> None:
    expected = theirs.detach().numpy()
    assert (ours.shape, ours.dtype) == (expected.shape, expected.dtype)
    scale = max(1.0, float(np.abs(expected).max(initial=0.0)))
    assert np.abs(ours - expected).max(initial=0.0) <= ulps * np.finfo(ours.dtype).eps * scale


def assert_first_and_second_derivatives_equal_torchs(
    ours: Callable[..., Variable],
    theirs: Callable[..., torch.Tensor],
    points: Sequence[Array],
    rng: np.random.Generator,
    ulps: int,
) -> None:
    """The output; its gradients along random cotangents; and the gradients of those along random tangents."""
    variables = [Variable(point) for point in points]
    tensors = [torch.tensor(point, requires_grad=True) for point in points]
    y, y_torch = ours(*variables), theirs(*tensors)
    assert_equal_up_to_rounding(y.data, y_torch, ulps)
    cotangent = rng.normal(size=y.shape).astype(y.dtype)
    first = gradients(y, variables, cotangent, create_graph=True)
    first_torch = torch.autograd.grad(y_torch, tensors, torch.tensor(cotangent), create_graph=True)
    for found, expected in zip(first, first_torch, strict=True):
        assert_equal_up_to_rounding(found.data, expected, ulps)
    tangents = [rng.normal(size=point.shape).astype(point.dtype) for point in points]
    slope = sum((g * v).sum() for g, v in zip(first, tangents, strict=True))
    slope_torch = sum((g * torch.tensor(v)).sum() for g, v in zip(first_torch, tangents, strict=True))
    if not slope_torch.requires_grad:  # type: ignore[union-attr] - a linear function
        assert not slope.requires_grad or not any(g.data.any() for g in _second(slope, variables))
        return
    second_torch = torch.autograd.grad(slope_torch, tensors, allow_unused=True, materialize_grads=True)
    for found, expected in zip(_second(slope, variables), second_torch, strict=True):
        assert_equal_up_to_rounding(found.data, expected, 4 * ulps)


def _second(slope: Any, variables: Sequence[Variable]) -> Sequence[Variable]:
    """The gradients of the slope, which need not depend on every variable: 0 · variable makes it."""
    return gradients(slope + sum((0.0 * x).sum() for x in variables), variables)


def subject(function: Callable[..., Variable], points: Sequence[Array], name: str) -> gk.Subject:
    """What gk.check takes: the graph's forward, and its backward as the VJP."""
    names = [f"x{i}" for i in range(len(points))]

    def forward(*arrays: Array) -> Array:
        return function(*map(Variable, arrays)).data

    def vjp(cotangent: Array, *arrays: Array) -> tuple[Array, ...]:
        variables = [Variable(array) for array in arrays]
        function(*variables).backward(cotangent)
        return tuple(x.grad.data for x in variables if x.grad is not None)

    return gk.function(forward, *points, vjp=vjp, names=names, name=name)


# --- every operation ---


@every_operation
@every_dtype
@given(seed=seeds)
def test_an_operation_and_its_derivatives_equal_torchs(operation: Operation, dtype: Any, seed: int) -> None:
    rng = np.random.default_rng(seed)
    points = [point.astype(dtype) for point in operation.draw(rng)]
    ulps = ULPS[np.dtype(dtype).name]
    assert_first_and_second_derivatives_equal_torchs(operation.ours, operation.theirs, points, rng, ulps)


@every_operation
def test_an_operation_agrees_with_differences(operation: Operation) -> None:
    points = operation.draw(np.random.default_rng(0))
    assert gk.check(subject(operation.ours, points, "operation"))


@every_operation
def test_the_derivative_of_an_operation_agrees_with_differences(operation: Operation) -> None:
    """The backward is itself a function, with a backward: v ↦ the gradient along a fixed cotangent."""
    rng = np.random.default_rng(1)
    points = operation.draw(rng)
    cotangent = rng.normal(size=operation.ours(*map(Variable, points)).shape)
    tangents = [rng.normal(size=point.shape) for point in points]

    def slope(*variables: Variable) -> Variable:
        first = gradients(operation.ours(*variables), variables, cotangent, create_graph=True)
        # The squares keep the function from being constant where the operation is linear.
        terms = [(g * v + x * x).sum() for g, v, x in zip(first, tangents, variables, strict=True)]
        return sum(terms[1:], terms[0])

    assert gk.check(subject(slope, points, "slope"))


# --- whole graphs ---


def leaves_of(graph: Graph, rng: np.random.Generator) -> list[Array]:
    return [rng.uniform(-1.5, 1.5, shape) for shape in graph.leaves]


@given(seed=seeds)
def test_a_random_graph_and_its_derivatives_equal_torchs(seed: int) -> None:
    rng = np.random.default_rng(seed)
    for _ in range(4):
        graph = random_graph(rng)
        assert_first_and_second_derivatives_equal_torchs(
            graph.ours, graph.theirs, leaves_of(graph, rng), rng, ULPS["graph"]
        )


@pytest.mark.parametrize("seed", range(8))
def test_a_random_smooth_graph_agrees_with_differences(seed: int) -> None:
    rng = np.random.default_rng(seed)
    graph = random_graph(rng, smooth=True)
    assert gk.check(subject(graph.ours, leaves_of(graph, rng), f"graph {seed}"))


def test_random_graphs_reuse_results_and_join_ways_of_unequal_length() -> None:
    """Else the properties above would hold of chains alone."""
    graph = random_graph(np.random.default_rng(0))
    operands = [i for step in graph.steps for i in step.operands]
    assert max(operands.count(i) for i in set(operands)) >= 4
    assert any(len(step.operands) == 2 and abs(step.operands[0] - step.operands[1]) > 3 for step in graph.steps)


# --- derivatives of any order ---


@pytest.mark.parametrize("order", range(1, 6))
def test_derivatives_of_any_order_equal_torchs(order: int) -> None:
    y = x = Variable(np.array([0.3, -1.2]))
    y_torch = x_torch = torch.tensor(x.data, requires_grad=True)
    y, y_torch = (x * x * x).sum() * (1.0 / (1.0 + x * x)).sum(), (x_torch**3).sum() * (1 / (1 + x_torch**2)).sum()
    for _ in range(order):
        (slope,) = gradients(y, [x], create_graph=True)
        (slope_torch,) = torch.autograd.grad(y_torch, x_torch, create_graph=True)
        y, y_torch = (slope * np.array([1.0, 2.0])).sum(), (slope_torch * torch.tensor([1.0, 2.0])).sum()
    np.testing.assert_allclose(slope.data, slope_torch.detach().numpy(), rtol=1e-12)
