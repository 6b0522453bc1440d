"""The lines that check a drawn example again."""

import sys
from collections.abc import Mapping
from typing import Any

from gradcheck_kit.checks import kink
from gradcheck_kit.exploration.construction import Call, Construction
from gradcheck_kit.exploration.structure import Example, NDArray
from gradcheck_kit.literals import Literal
from gradcheck_kit.reproduction.names import Names


def literal(array: NDArray) -> Literal:
    """The array as plain values."""
    return Literal(array.tolist(), array.shape, str(array.dtype))


def assignments(name: str, array: NDArray, layout: str, torch: bool, placed: str = "") -> list[str]:
    """Lines that make this array, bit for bit."""
    lines = literal(array).lines(name)
    if layout == "Fortran":
        lines.append(f"{name} = np.asfortranarray({name})")
    if layout == "step 2":
        lines.append(f"{name} = np.repeat({name}, 2, axis=-1)[..., ::2]")
    if torch:
        lines.append(f"{name} = torch.from_numpy({name}){placed}")
    return lines


def to_paste(
    construction: Construction, example: Example, call: Call, constants: Mapping[str, Any], question: str, seed: int
) -> tuple[str, ...]:
    """Lines that check the example again; the target goes by its own name, imported or written out where it can be,
    an object by "target"."""
    torch = sys.modules.get("torch")
    module = torch is not None and isinstance(call.made, torch.nn.Module)
    lines = ["import numpy as np", "import gradcheck_kit as gk"]
    if construction.torch or module:
        lines.append("import torch")
    names = Names()
    values = {name: repr(value) for name, value in constants.items()}
    values |= {name: names.variable(name, array) for name, array in example.arrays.items()}
    target = "target" if call.parameters else names.of(construction.target, "target")
    options = [] if construction.vjp is None else [f"vjp={names.of(construction.vjp, 'vjp')}"]
    lines += [*names.imports, *names.wanted]
    device = construction.demands.device
    placed = "" if device is None else f".to({device!r})"
    for name, array in example.arrays.items():
        built = name in call.built
        tensor = construction.torch or (module and not built)
        lines += assignments(values[name], array, example.layout if built else "C", tensor, placed)
    if construction.builds:
        if module:
            lines.append(f"torch.manual_seed({example.seed})")
        target += f"({', '.join(f'{n}={values[n]}' for n in call.built)})"
    if call.parameters:
        lines.append(f"target = ...  # your {construction.title}, with {', '.join(call.parameters)} as above")
    given = [
        repr(value) if name is None else values[name] for name, value in zip(call.passed, call.inputs, strict=True)
    ]
    wrt = list(call.checked) if construction.fixed or construction.demands.wrt is not None else []
    options = [
        *([f"wrt={wrt!r}"] if wrt else []),
        *options,
        *([f"seed={seed}"] if seed else []),
        *(spelled for spelled in construction.demands.spelled() if question != kink.QUESTION),
    ]
    if question == kink.QUESTION:
        options.append(f"questions={question!r}")
    lines.append(f"gk.check({', '.join([target, *given, *options])})")
    return tuple(lines)
