"""The networks, with biases off zero."""

from collections.abc import Callable
from typing import Any, Literal

from hypothesis import strategies as st
from torch import sigmoid

from gradcheck_kit.cli.torch_twins import TWINS
from reference_impls.networks import MLP, LeNet, SimpleNet, XORNet
from tests.cases.case import KINK_AT_ZERO, ROWS, SIDES, ZEROS, Case, LayerAndInputs, Values


def _with_biases(network: Any, values: Values) -> Any:
    """A fresh network has none; but at zero inputs and biases every unit lies on its kink, so there they stay."""
    if values.kind != ZEROS:
        for name, parameter in network.params.items():
            if name.endswith(".b"):
                parameter[...] = values.normal(*parameter.shape)
    return network


def _mlp(values: Values, shapes: tuple[int, list[int]]) -> LayerAndInputs:
    rows, sizes = shapes
    network = _with_biases(MLP(sizes, values.rng, dtype=values.dtype), values)
    return network, (values.real(rows, sizes[0]),)


def _simple(values: Values, rows: int) -> LayerAndInputs:
    return _with_biases(SimpleNet(values.rng, dtype=values.dtype), values), (values.real(rows, 10),)


def _lenet(values: Values, rows: int) -> LayerAndInputs:
    return _with_biases(LeNet(values.rng, dtype=values.dtype), values), (values.real(rows, 1, 28, 28),)


def _xor(hidden: Literal["sigmoid", "relu"]) -> Callable[[Values, Any], LayerAndInputs]:
    def build(values: Values, rows: int) -> LayerAndInputs:
        network = XORNet(values.rng, hidden=hidden, dtype=values.dtype)
        return _with_biases(network, values), (values.real(rows, 2),)

    return build


NETWORKS = (
    *(
        Case(
            f"MLP of {depth} affine layer{'s' if depth > 1 else ''}",
            MLP,
            st.tuples(ROWS, st.lists(SIDES, min_size=depth + 1, max_size=depth + 1)),
            _mlp,
            TWINS["MLP"],
            kinks=KINK_AT_ZERO if depth > 1 else frozenset(),
            smooth=depth == 1,
            batched=1,
        )
        for depth in (1, 2, 3)
    ),
    Case("SimpleNet", SimpleNet, ROWS, _simple, TWINS["SimpleNet"], kinks=KINK_AT_ZERO, smooth=False, batched=1),
    Case(
        "LeNet",
        LeNet,
        st.integers(0, 2),
        _lenet,
        TWINS["LeNet"],
        kinks=KINK_AT_ZERO,
        smooth=False,
        batched=1,
    ),
    Case("XORNet, sigmoid", XORNet, ROWS, _xor("sigmoid"), TWINS["XORNet"], batched=1),
    Case(
        "XORNet, relu",
        XORNet,
        ROWS,
        _xor("relu"),
        lambda p: sigmoid(TWINS["MLP"](p)),
        kinks=KINK_AT_ZERO,
        smooth=False,
        batched=1,
    ),
)
