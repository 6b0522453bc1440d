"""What every optimizer has: parameters that it updates in place, and a step that checks before it writes."""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from reference_impls.layers.arguments import float_array, same_dtype
from reference_impls.layers.layer import Array


class Optimizer:
    """Base class: a subclass writes ``_update``, which moves one parameter.

    The arrays in ``params`` are updated in place, so the layers that hold them learn. All arithmetic is in the
    parameter's own dtype; the hyperparameters are rounded to it.
    """

    def __init__(self, params: Mapping[str, Array], lr: float) -> None:
        """Keep references to ``params`` and the learning rate.

        Raises:
            TypeError: lr is no real number, or a parameter no float16/32/64 array.
            ValueError: lr is negative, infinite or nan.
        """
        self.lr = self._at_least_zero("lr", lr, 0.1)
        for name, parameter in params.items():
            float_array(type(self).__name__, f"params[{name!r}]", parameter)
        self.params = params
        self._steps = 0
        self._state: dict[str, dict[str, Array]] = {name: {} for name in params}

    def step(self, grads: Mapping[str, Array]) -> None:
        """Update every parameter in place. If this raises, none has changed, and the step does not count.

        Args:
            grads: one gradient for each name in ``params``, of the parameter's shape and dtype. They are only read.

        Raises:
            TypeError: a gradient is no float array, or its dtype is not the parameter's.
            ValueError: a parameter has no gradient, or a gradient no parameter; a gradient's shape is not the
                parameter's; a parameter is read-only.
        """
        self._check(grads)
        self._steps += 1
        for name, parameter in self.params.items():
            self._update(parameter, np.asarray(grads[name]), self._state[name])

    def state_dict(self) -> dict[str, Array]:
        """Return copies of what earlier steps left: "<parameter>/<kind>", such as "0.W/velocity", and "steps" taken."""
        kept = {f"{name}/{kind}": array.copy() for name, own in self._state.items() for kind, array in own.items()}
        return kept | {"steps": np.asarray(self._steps)}

    def load_state_dict(self, state: Mapping[str, Array]) -> None:
        """Go on as if the steps so far had left ``state``, as ``state_dict`` gives it.

        Raises:
            ValueError: "steps" is missing, or an entry names no parameter.
        """
        unknown = [key for key in state if key != "steps" and key.rpartition("/")[0] not in self.params]
        if "steps" not in state or unknown:
            raise ValueError(
                f"{type(self).__name__}: the state has the entries {sorted(state)}; pass what state_dict() returned, "
                f'"steps" and "<parameter>/<kind>" for the parameters {sorted(self.params)}'
            )
        self._steps = int(state["steps"])
        for name, parameter in self.params.items():
            own = {key.rpartition("/")[2]: value for key, value in state.items() if key.rpartition("/")[0] == name}
            self._state[name] = {kind: np.array(value, parameter.dtype) for kind, value in own.items()}

    def _update(self, p: Array, g: Array, state: dict[str, Array]) -> None:
        """Move ``p`` in place by its gradient ``g``; ``state`` is what earlier steps kept for this parameter."""
        raise NotImplementedError(f"{type(self).__name__}: write _update(p, g, state)")

    def _check(self, grads: Mapping[str, Array]) -> None:
        owner = type(self).__name__
        if grads.keys() != self.params.keys():
            missing = sorted(self.params.keys() - grads.keys())
            unknown = sorted(grads.keys() - self.params.keys())
            raise ValueError(
                f"{owner}: grads lack the parameters {missing} and name the unknown ones {unknown}; "
                f"call backward first and pass the grads of the network whose params were given to {owner}"
            )
        for name, parameter in self.params.items():
            gradient = float_array(owner, f"grads[{name!r}]", grads[name])
            if gradient.shape != parameter.shape:
                raise ValueError(
                    f"{owner}: grads[{name!r}] has shape {gradient.shape}, its parameter has shape "
                    f"{parameter.shape}; pass a gradient of shape {parameter.shape}"
                )
            same_dtype(owner, f"grads[{name!r}]", gradient, f"params[{name!r}]", parameter)
            if not parameter.flags.writeable:
                raise ValueError(f"{owner}: params[{name!r}] is read-only; pass a writable copy, {name}.copy()")

    def _at_least_zero(self, name: str, value: object, example: float) -> float:
        """Return ``value`` as a float; TypeError unless it is a number, ValueError unless finite and >= 0."""
        owner = type(self).__name__
        if isinstance(value, bool):
            raise TypeError(f"{owner}: {name} is a bool; pass a float such as {example}")
        try:
            number = float(value)  # type: ignore[arg-type]
        except (TypeError, ValueError):
            raise TypeError(f"{owner}: {name} is {value!r}, not a number; pass a float such as {example}") from None
        if not math.isfinite(number) or number < 0:
            raise ValueError(f"{owner}: {name} is {number}; pass a finite {name} >= 0, such as {example}")
        return number

    def _decay_rate(self, name: str, value: object, example: float) -> float:
        """As ``_at_least_zero``, and below 1: the share of an average that survives a step."""
        number = self._at_least_zero(name, value, example)
        if number >= 1:
            raise ValueError(f"{type(self).__name__}: {name} is {number}; pass 0 <= {name} < 1, such as {example}")
        return number


def accumulate(average: Array, new: Any, keep: float, add: float) -> None:
    """``average = keep * average + add * new``, in place and in the average's dtype."""
    scalar = average.dtype.type
    average *= scalar(keep)
    average += scalar(add) * new


def decayed(g: Array, p: Array, weight_decay: float) -> Array:
    """Return ``g + weight_decay * p``, the gradient with that of ``weight_decay / 2 * sum(p**2)`` added to the loss."""
    return np.asarray(g + p.dtype.type(weight_decay) * p) if weight_decay else g
