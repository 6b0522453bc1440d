"""A pure JAX loss and a hand-given update as a trainee."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from gradcheck_kit.side_by_side.names import check_fit
from gradcheck_kit.side_by_side.rules import Rule
from gradcheck_kit.side_by_side.trainee import Named, Values, floating
from gradcheck_kit.subject import UsageError

Tree = Mapping[str, Any]
Update = Callable[[Tree, Tree, Tree, int], tuple[Tree, Tree]]


def plain_sgd(lr: float) -> Update:
    """The update p - lr·g, which keeps no state."""
    return lambda parameters, gradients, state, step: ({n: p - lr * gradients[n] for n, p in parameters.items()}, {})


class JaxTrainee:
    """A loss that is a pure function of a dict of parameters; jax.grad gives its gradients.

    Args:
        name: what reports call it.
        shapes: of the parameters, by the schedule's names.
        loss: `loss(parameters, inputs, labels)`, a scalar.
        update: `update(parameters, gradients, state, step)` → (parameters, state), the step counted from 1, the state a
            dict as `Offers.state` has it, "<parameter>/<kind>", empty before the first.
        logits: `logits(parameters, inputs)`, for the accuracy; left out, or in a regression, it is nan.
        dtype: "float64" or "float32".
        jit: whether loss and gradients are compiled.
        rule: the update's formula, where it is one that `rules` knows.

    Raises:
        UsageError: dtype is float64, which JAX does not compute in unless it is told to.
    """

    device = "cpu"

    def __init__(
        self,
        name: str,
        shapes: Mapping[str, tuple[int, ...]],
        loss: Callable[[Tree, Any, Any], Any],
        update: Update,
        *,
        logits: Callable[[Tree, Any], Any] | None = None,
        dtype: str = "float64",
        jit: bool = True,
        rule: Rule | None = None,
    ) -> None:
        import jax

        if dtype == "float64" and not jax.config.jax_enable_x64:
            raise UsageError('JAX computes in float32; call jax.config.update("jax_enable_x64", True) at the start')
        self.name, self.dtype = name, dtype
        self._shapes, self._update, self._logits, self._rule = dict(shapes), update, logits, rule
        of_loss = jax.value_and_grad(loss)
        self._loss_and_gradients = jax.jit(of_loss) if jit else of_loss
        self.load({name: np.zeros(shape) for name, shape in shapes.items()})

    def load(self, parameters: Named) -> None:
        check_fit(self.name, self._shapes, {n: np.shape(a) for n, a in parameters.items()})
        self._parameters: Tree = {n: self._array(parameters[n]) for n in self._shapes}
        self._gradients: Tree = {}
        self._state: Tree = {}
        self._steps = 0
        self._batch: tuple[Values, Values] | None = None

    def parameters(self) -> Named:
        return {n: np.asarray(p) for n, p in self._parameters.items()}

    def loss_and_gradients(self, inputs: Values, labels: Values) -> float:
        if floating(labels):  # targets of a regression
            labels = np.asarray(labels, self.dtype)
        self._batch = (np.asarray(inputs, self.dtype), labels)
        loss, self._gradients = self._loss_and_gradients(self._parameters, self._array(inputs), labels)
        return float(loss)

    def step(self) -> None:
        self._steps += 1
        self._parameters, self._state = self._update(self._parameters, self._gradients, self._state, self._steps)

    def accuracy(self, inputs: Values, labels: Values) -> float:
        if self._logits is None or floating(labels):
            return float("nan")
        predicted = np.asarray(self._logits(self._parameters, self._array(inputs))).argmax(axis=1)
        return float(np.mean(predicted == labels))

    # ---------------------------------------------------------------- what it offers beside

    def gradients(self) -> Named:
        return {n: np.asarray(self._gradients[n]) for n in self._parameters if n in self._gradients}

    def activations(self) -> Named:
        """The batch alone: a pure function shows nothing on its way."""
        return {} if self._batch is None else dict(zip(("inputs", "labels"), self._batch, strict=True))

    def state(self) -> Named:
        return {key: np.asarray(values) for key, values in self._state.items()} | {"steps": np.asarray(self._steps)}

    def load_state(self, parameters: Named, state: Named) -> None:
        self.load(parameters)
        self._steps = int(state["steps"]) if "steps" in state else 0
        self._state = {key: self._array(values) for key, values in state.items() if key != "steps"}

    def set_gradients(self, gradients: Named) -> None:
        self._gradients = {n: self._array(values) for n, values in gradients.items()}

    def rule(self) -> Rule | None:
        return self._rule

    def _array(self, values: Any) -> Any:
        import jax.numpy as jnp

        return jnp.asarray(np.asarray(values), dtype=self.dtype)
