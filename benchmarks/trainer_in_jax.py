"""The training step in JAX: loss, gradients and update as one compiled function; needs jax."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import numpy.typing as npt

from reference_impls.networks import LeNet
from reference_impls.networks.classifier import Classifier

Array = npt.NDArray[Any]
Params = dict[str, Any]


def trainer(
    network: Classifier, x: Array, labels: Array, batch: Callable[[int], slice], rate: float
) -> Callable[[int], float]:
    """A step of SGD from the network's weights on `x[batch(i)]`."""
    logits_of = _lenet if isinstance(network, LeNet) else _mlp
    examples, classes = jnp.asarray(x), jnp.asarray(labels.astype(np.int32))
    rows = batch(0).stop

    def loss_of(params: Params, x: Any, labels: Any) -> Any:
        log_p = jax.nn.log_softmax(logits_of(params, x))
        return -jnp.mean(jnp.take_along_axis(log_p, labels[:, None], axis=1))

    def update(params: Params, start: int) -> tuple[Params, Any, Params]:
        taken = [jax.lax.dynamic_slice_in_dim(array, start, rows) for array in (examples, classes)]
        loss, grads = jax.value_and_grad(loss_of)(params, *taken)
        return {name: p - rate * grads[name] for name, p in params.items()}, loss, grads

    compiled = jax.jit(update, donate_argnums=0)
    # Copies: the arrays that are given away must not be the network's.
    state: dict[str, Params] = {"params": {name: jnp.array(p, copy=True) for name, p in network.params.items()}}

    def step(i: int) -> float:
        state["params"], loss, state["grads"] = compiled(state["params"], batch(i).start)
        return float(loss)

    return step


def _mlp(params: Params, x: Any) -> Any:
    depth = len(params) // 2
    for i in range(depth):
        x = x @ params[f"{i}.W"] + params[f"{i}.b"]
        x = jax.nn.relu(x) if i < depth - 1 else x
    return x


def _lenet(params: Params, x: Any) -> Any:
    for i, padding in ((0, 2), (1, 0)):
        around = [(padding, padding)] * 2
        x = jax.lax.conv_general_dilated(x, params[f"{i}.W"], (1, 1), around)
        x = jax.nn.relu(x + params[f"{i}.b"][:, None, None])
        x = jax.lax.reduce_window(x, -jnp.inf, jax.lax.max, (1, 1, 2, 2), (1, 1, 2, 2), "VALID")
    x = x.reshape(len(x), -1)
    for i in (2, 3, 4):
        x = x @ params[f"{i}.W"] + params[f"{i}.b"]
        x = jax.nn.relu(x) if i < 4 else x
    return x
