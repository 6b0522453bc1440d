"""A torch optimiser's state, hyperparameters and formula, in the words of `rules`."""

import copy
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from gradcheck_kit.side_by_side.rules import LARGEST, MEAN, SQUARE, STEPS, VELOCITY, Rule

ADAM = {"exp_avg": MEAN, "exp_avg_sq": SQUARE, "max_exp_avg_sq": LARGEST}
KINDS = {VELOCITY, MEAN, SQUARE, LARGEST}
NUMBER = " (number)"  # ends the kind of an entry that is a number and no tensor

Groups = list[dict[str, Any]]


def state_of(optimizer: torch.optim.Optimizer, parameters: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """All that it keeps as "<parameter>/<kind>", in torch's layout, and "steps" where it counts them.

    A kind that `rules` has no word for has the optimiser's own. "steps" is the count of the parameter that has the
    most; where they differ, as after a layer was thawed, "<parameter>/steps" is each one's.
    """
    words = _words(optimizer)
    found: dict[str, Tensor] = {}
    counts: dict[str, Tensor] = {}
    alone = False
    for name, parameter in parameters.items():
        entries = optimizer.state.get(parameter, {})
        for key, value in entries.items():
            if key == "step" and _is_count(value):
                counts[name] = torch.as_tensor(value)
                alone = alone or len(entries) == 1
            elif isinstance(value, Tensor):
                found[f"{name}/{words.get(key, key)}"] = value
            elif isinstance(value, bool | int | float):
                found[f"{name}/{key}{NUMBER}"] = torch.tensor(value, dtype=_DTYPES[type(value)])
    if counts:
        found[STEPS] = max(counts.values(), key=float)
        if alone or len({float(count) for count in counts.values()}) > 1:
            found |= {f"{name}/{STEPS}": count for name, count in counts.items()}
    return found


_DTYPES = {bool: torch.bool, int: torch.int64, float: torch.float64}


def not_told(optimizer: torch.optim.Optimizer) -> list[str]:
    """What `state_of` leaves out: entries that are neither tensors nor numbers, and a scheduler of hyperparameters."""
    entries = {key: value for kept in optimizer.state.values() for key, value in kept.items()}
    told = [f"{key} of the optimiser" for key, v in entries.items() if not isinstance(v, Tensor | bool | int | float)]
    scheduled = any("initial_lr" in group for group in optimizer.param_groups)
    return [*told, "the scheduler of the learning rate"] if scheduled else told


def with_state(optimizer: torch.optim.Optimizer, parameters: Mapping[str, Tensor], state: Mapping[str, Tensor]) -> None:
    """Put such a state back whole; kinds of `rules` that the optimiser does not keep are left out."""
    theirs = {kind: key for key, kind in _words(optimizer).items()}
    for name, parameter in parameters.items():
        present = optimizer.state.get(parameter, {})
        kept: dict[str, Any] = {}
        for entry, value in state.items():
            owner, _, kind = entry.rpartition("/")
            if owner != name or kind == STEPS or (kind in KINDS and kind not in theirs):
                continue
            key = theirs.get(kind, kind.removesuffix(NUMBER))
            kept[key] = (
                value.item() if kind != key and kind.endswith(NUMBER) else _like(present.get(key), value, parameter)
            )
        count = state.get(f"{name}/{STEPS}", state.get(STEPS) if kept else None)
        if count is not None and not isinstance(optimizer, torch.optim.SGD):
            kept["step"] = _count(optimizer, parameter, present.get("step"), count)
        if kept or present:
            optimizer.state[parameter] = kept


def _words(optimizer: torch.optim.Optimizer) -> dict[str, str]:
    """Its keys → our kinds, where `rules` has a word."""
    match optimizer:
        case torch.optim.SGD():
            return {"momentum_buffer": VELOCITY}
        case torch.optim.RMSprop():
            return {"momentum_buffer": VELOCITY, "square_avg": SQUARE, "grad_avg": MEAN}
        case torch.optim.Adam() | torch.optim.AdamW() | torch.optim.NAdam() | torch.optim.RAdam():
            return ADAM
    return {}


def _is_count(value: Any) -> bool:
    """As torch counts steps, in a floating-point tensor, or as others do, in an int."""
    return value.is_floating_point() if isinstance(value, Tensor) else type(value) is int


def _count(optimizer: torch.optim.Optimizer, parameter: Tensor, present: Any, count: Tensor) -> Any:
    """The number of steps as the optimiser has it: on the parameter's device only where its kernel wants it there."""
    if isinstance(present, Tensor):
        return count.to(present).clone()
    if isinstance(present, int) or not count.is_floating_point():
        return int(count)
    group = next((g for g in optimizer.param_groups if any(p is parameter for p in g["params"])), {})
    there = bool(group.get("capturable") or group.get("fused"))
    return count.to(parameter.device if there else "cpu").clone()


def _like(present: Any, value: Tensor, parameter: Tensor) -> Tensor:
    """A tensor as the optimiser has it at present, or as it was told: a bfloat16 one comes as float32."""
    if isinstance(present, Tensor):
        return value.to(present).contiguous().clone()
    narrow = parameter.dtype is torch.bfloat16 and value.dtype is torch.float32 and value.ndim > 0
    if narrow and torch.equal(value.bfloat16().float(), value):
        value = value.bfloat16()
    return value.to(parameter.device).contiguous().clone()


def hyperparameters(optimizer: torch.optim.Optimizer) -> Groups:
    """Of each group, as they are now: a schedule will change them."""
    return [
        {key: copy.deepcopy(value) for key, value in group.items() if key not in ("params", "param_names")}
        for group in optimizer.param_groups
    ]


def with_hyperparameters(optimizer: torch.optim.Optimizer, groups: Groups) -> None:
    """Go back to these."""
    for group, held in zip(optimizer.param_groups, groups, strict=False):
        group.update(copy.deepcopy(held))


def rule_of(optimizer: torch.optim.Optimizer, groups: Groups) -> Rule | None:
    """Its formula with these hyperparameters; None for another optimiser, a variant that `rules` has not, or groups
    with different numbers.
    """
    first, *others = groups
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
