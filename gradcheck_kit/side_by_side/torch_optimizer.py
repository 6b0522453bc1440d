"""A torch optimiser's state and formula, in the words of `rules`."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from gradcheck_kit.side_by_side.rules import LARGEST, MEAN, SQUARE, STEPS, VELOCITY, Rule

KINDS = {
    "momentum_buffer": VELOCITY,
    "exp_avg": MEAN,
    "grad_avg": MEAN,
    "exp_avg_sq": SQUARE,
    "square_avg": SQUARE,
    "max_exp_avg_sq": LARGEST,
}


def state_of(optimizer: torch.optim.Optimizer, parameters: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Its tensors as "<parameter>/<kind>", in torch's layout, and "steps" where it counts them."""
    found: dict[str, Tensor] = {}
    for name, parameter in parameters.items():
        for key, value in optimizer.state.get(parameter, {}).items():
            if key == "step":
                found[STEPS] = torch.as_tensor(value)
            elif isinstance(value, Tensor):
                found[f"{name}/{KINDS.get(key, key)}"] = value
    return found


def with_state(optimizer: torch.optim.Optimizer, parameters: Mapping[str, Tensor], state: Mapping[str, Tensor]) -> None:
    """Put such a state back; kinds that the optimiser does not keep are its to make anew."""
    theirs = _keys(optimizer)
    for name, parameter in parameters.items():
        kept: dict[str, Any] = {}
        for key, value in state.items():
            tensor, _, kind = key.partition("/")
            if tensor == name and kind in theirs:
                kept[theirs[kind]] = value.to(parameter).contiguous().clone()
        if kept and theirs[STEPS] is not None and STEPS in state:
            kept["step"] = torch.tensor(float(state[STEPS]), dtype=torch.float32)
        optimizer.state[parameter] = kept


def _keys(optimizer: torch.optim.Optimizer) -> dict[str, Any]:
    """Our kinds → its keys; None for a step that it does not count."""
    if isinstance(optimizer, torch.optim.SGD):
        return {VELOCITY: "momentum_buffer", STEPS: None}
    if isinstance(optimizer, torch.optim.RMSprop):
        return {VELOCITY: "momentum_buffer", SQUARE: "square_avg", MEAN: "grad_avg", STEPS: "step"}
    return {MEAN: "exp_avg", SQUARE: "exp_avg_sq", LARGEST: "max_exp_avg_sq", STEPS: "step"}


def rule_of(optimizer: torch.optim.Optimizer) -> Rule | None:
    """Its formula; None for another optimiser, a variant that `rules` has not, or groups with different numbers."""
    first, *others = ({k: v for k, v in group.items() if k != "params"} for group in optimizer.param_groups)
    if any(other != first for other in others) or any(first.get(k) for k in ("amsgrad", "centered", "maximize")):
        return None
    lr, decay = float(first["lr"]), float(first.get("weight_decay", 0.0))
    match optimizer:
        case torch.optim.SGD():
            keys = ("momentum", "dampening", "nesterov")
            return Rule("SGD", lr, weight_decay=decay, **{key: first[key] for key in keys})
        case torch.optim.RMSprop():
            keys = ("momentum", "alpha", "eps")
            return Rule("RMSProp", lr, weight_decay=decay, **{key: first[key] for key in keys})
        case torch.optim.Adam() | torch.optim.AdamW():
            decoupled = isinstance(optimizer, torch.optim.AdamW) or bool(first.get("decoupled_weight_decay"))
            betas, eps = tuple(first["betas"]), first["eps"]
            return Rule("Adam", lr, weight_decay=decay, decoupled=decoupled, betas=betas, eps=eps)
    return None
