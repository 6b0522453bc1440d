"""The lines that check a subject again: imports, arrays, the target, the call."""

import inspect
import math
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from gradcheck_kit.literals import Literal, filled, number
from gradcheck_kit.report import Reproduction
from gradcheck_kit.reproduction import saved
from gradcheck_kit.reproduction.construction import arguments_of, arrays_beside
from gradcheck_kit.reproduction.names import Names
from gradcheck_kit.space import Array
from gradcheck_kit.subject import Origin, Subject, UsageError

KEPT = 256  # elements: a report keeps no more, and spells no more
NAMED = 3  # arrays in a remark
DEFAULTS: Mapping[str, Any] = {"wrt": None, "require": None, "questions": None, "order": 1, "reference": None}


def expect_place(save: Any) -> Path | None:
    """Where the inputs are to be saved, before anything is spent on the check.

    Raises:
        UsageError: it is no path, or its folder does not exist.
    """
    if save is None:
        return None
    if not isinstance(save, str | Path):
        raise UsageError(f"save is a {type(save).__name__}; pass the path of a file to write, such as 'failing.npz'")
    path = Path(save)
    if path.is_dir() or not path.parent.is_dir():
        raise UsageError(f"save={str(save)!r}: {path.parent} is no folder, or this one is; pass a file's path in one")
    return path


def reproduction(subject: Subject, options: Mapping[str, Any], save: Path | None) -> Reproduction:
    """How to repeat a check of this subject with these options of `examine`; writes its inputs to `save` if asked.

    Args:
        subject: at the point that was checked.
        options: `seed`, and those of `DEFAULTS`, as they were passed.
        save: the .npz file to write; None for none.
    """
    held = _held(subject)
    if save is not None:
        saved.write(save, {name: subject.library.exact(array) for name, array in held.items()})
    return _Writer(subject, options, held).written(save)


def _held(subject: Subject) -> dict[str, Array]:
    """The arrays that the target was called at, and what else it holds: fixed parameters and buffers."""
    own = {key for _, key in subject.origin.places.values()} if subject.origin is not None else set()
    state = _state(subject)
    beside = {_beside(key, subject): array for key, array in state.items() if key not in own}
    return {**subject.point, **beside, **_buffers(subject)}


def _buffers(subject: Subject) -> dict[str, Array]:
    """The arrays in `buffers` of a layer in evaluation; in training such statistics are written, not read."""
    layer: Any = None if subject.origin is None or subject.origin.builder != "layer" else subject.origin.target
    held = getattr(layer, "__dict__", {})
    if held.get("training", True) or not isinstance(held.get("buffers"), Mapping):
        return {}
    return {f"buffers.{key}": array for key, array in held["buffers"].items() if subject.library.owns(array)}


def _state(subject: Subject) -> dict[str, Array]:
    """The state of a module; empty for everything else."""
    target: Any = None if subject.origin is None or subject.origin.builder != "module" else subject.origin.target
    if inspect.isclass(target) or not callable(getattr(target, "load_state_dict", None)):
        return {}
    return {key: array for key, array in target.state_dict().items() if subject.library.owns(array)}


def _beside(key: str, subject: Subject) -> str:
    return f"state.{key}" if key in subject.point else key


def _spelled(variable: str, array: Literal) -> list[str]:
    return array.lines(variable)


def _shortest(variable: str, array: Literal) -> list[str]:
    return min(array.lines(variable), array.packed(variable), key=len)


def _elided(variable: str, array: Literal) -> list[str]:
    return [f'{variable} = ...  # {array.dtype} {array.shape}; save="failing.npz" keeps it']


class _Writer:
    """The parts of the lines; names are given out in the order in which they are asked for."""

    def __init__(self, subject: Subject, options: Mapping[str, Any], held: Mapping[str, Array]) -> None:
        library = subject.library
        self.subject, self.names, self.torch = subject, Names(), library.name == "torch"
        self.small = sum(math.prod(library.shape(array)) for array in held.values()) <= KEPT
        self.arrays = {name: self._literal(array) for name, array in held.items()}
        origin = subject.origin
        self.origin = Origin("subject", None) if origin is None else origin
        functions = {"vjp": self.origin.vjp, "jvp": self.origin.jvp, "reference": options.get("reference")}
        self.functions = {role: self.names.of(f, role) for role, f in functions.items() if callable(f)}
        if self.origin.builder == "layer" or _state(subject):
            self.target = self.names.of(type(self.origin.target), self.origin.builder)
        elif origin is not None:
            self.target = self.names.of(origin.target, "target")
        self.variables = {name: self.names.variable(name) for name in held}
        self.options = self._options(options)

    def _literal(self, array: Array) -> Literal:
        library = self.subject.library
        array = array if hasattr(array, "tolist") else library.exact(array)
        device = library.device(array) if self.torch else None
        form = Literal(None, library.shape(array), library.dtype(array), device)
        return replace(form, values=array.tolist(), data=library.exact(array).tobytes()) if self.small else form

    def _options(self, options: Mapping[str, Any]) -> list[str]:
        """The options of the check that are not the default."""
        given = {name: options.get(name, default) for name, default in DEFAULTS.items()}
        if given["wrt"] is not None:
            given["wrt"] = list(self.subject.differentiable)
        told = [
            f"{name}={self.functions.get(name, repr(value))}"
            for name, value in given.items()
            if value is not None and value != DEFAULTS[name]
        ]
        return [f"seed={options['seed']!r}", *told]

    def written(self, save: Path | None) -> Reproduction:
        before, after = self._imports(save), [*self._target(), *self._call()]

        def around(spelled: Callable[[str, Literal], list[str]]) -> tuple[str, ...]:
            arrays = [line for n, array in self.arrays.items() for line in spelled(self.variables[n], array)]
            return (*before, *arrays, *after)

        held = {n: array.to_dict() for n, array in self.arrays.items()} if self.small else {}
        if save is not None:
            names = dict(zip(self.variables.values(), self.arrays, strict=True))
            lines = around(lambda variable, array: [saved.loading(variable, names[variable], array)])
            return Reproduction(lines, inputs=held, saved=str(save))
        outline = around(_elided)
        if not self.small:
            return Reproduction(outline, outline=outline)
        packed = around(_shortest)
        packed = ("from base64 import b64decode", *packed) if any("b64decode(" in line for line in packed) else ()
        return Reproduction(around(_spelled), packed, outline, held)

    def _imports(self, save: Path | None) -> list[str]:
        lines = ["import numpy as np"] if save is not None or not self.torch else []
        lines += ["import torch"] if self.torch else []
        lines += ["import gradcheck_kit as gk"]
        lines += [*(line for line in self.names.imports if line not in lines), *self.names.wanted]
        return [*lines, f"saved = np.load({str(save)!r}, allow_pickle=False)"] if save is not None else lines

    def _target(self) -> list[str]:
        """Lines that make the layer or module; functions need none."""
        if self.origin.builder == "layer":
            return self._layer()
        state = _state(self.subject)
        return self._module(state) if state else []

    def _layer(self) -> list[str]:
        layer, places = self.origin.target, self.origin.places
        own = {name: key for name, (container, key) in places.items() if container in (None, "params")}
        by_key = {str(key): self.variables[name] for name, key in own.items()}
        arguments, used, unknown = arguments_of(layer, by_key)
        lines = [f"# fill in: {', '.join(unknown)}"] if unknown else []
        lines += filled(f"layer = {self.target}(", arguments, ")")
        for name, (container, key) in places.items():
            if name not in own or str(key) not in used:
                place = f"layer.{key}" if container is None else f"layer.{container}[{key!r}]"
                whole = "[...]" if self.arrays[name].shape else ""
                lines.append(f"{place}{whole} = {self.variables[name]}")
        if getattr(layer, "__dict__", {}).get("training") is False:
            lines.append("layer.training = False")
        for name in _buffers(self.subject):
            lines.append(f"layer.buffers[{name.removeprefix('buffers.')!r}] = {self.variables[name]}")
        beside = [name for name in arrays_beside(layer, by_key) if name not in self.origin.constants]
        if beside:
            more = " and more" if len(beside) > NAMED else ""
            lines.append(f"# not set here: its {', '.join(beside[:NAMED])}{more}")
        return lines

    def _module(self, state: Mapping[str, Array]) -> list[str]:
        module, library = self.origin.target, self.subject.library
        own = {key: name for name, (_, key) in self.origin.places.items()}
        arguments, _, unknown = arguments_of(module, {})
        lines = [f"# fill in: {', '.join(unknown)}"] if unknown else []
        kinds = {library.dtype(array) for array in state.values() if "float" in library.dtype(array)}
        devices = {library.device(array) for array in state.values()}
        moved = [repr(device) for device in devices if len(devices) == 1 and device != "cpu"]
        moved += [f"torch.{dtype}" for dtype in kinds if len(kinds) == 1 and dtype != "float32"]
        to = f".to({', '.join(moved)})" if moved else ""
        lines += filled(f"module = {self.target}(", arguments, f"){to}")
        entries = [f"{key!r}: {self.variables[own.get(key) or _beside(key, self.subject)]}" for key in state]
        # Into the tensors that are there, so that tied ones stay tied; unless these could have the wrong dtype.
        assign = "}, assign=True)" if len(kinds) > 1 or len(devices) > 1 else "})"
        lines += filled("module.load_state_dict({", entries, assign)
        fixed = [name for name, parameter in module.named_parameters() if not parameter.requires_grad]
        lines += [f"module.get_parameter({name!r}).requires_grad_(False)" for name in fixed]
        return lines if module.training else [*lines, "module.eval()"]

    def _call(self) -> list[str]:
        origin, subject = self.origin, self.subject
        if origin.builder == "subject":
            made = f"subject = ...  # your {subject.name}, at these inputs"
            return [made, *filled("gk.check(", ["subject", *self.options], ")")]
        target = {"layer": "layer", "module": "module" if _state(subject) else None}.get(origin.builder)
        arguments = [target or self.target, *(self._argument(name) for name in subject.call)]
        arguments += [f"vjp={self.functions['vjp']}"] if origin.vjp is not None else []
        arguments += [f"names={list(origin.names)!r}"] if origin.names is not None else []
        if origin.jvp is None and not subject.batch and subject.stacked is None:
            return filled("gk.check(", [*arguments, *self.options], ")")
        arguments += [f"jvp={self.functions['jvp']}"] if origin.jvp is not None else []
        arguments += [f"batch={list(subject.batch)!r}"] if subject.batch else []
        arguments += ["vmap=True"] if subject.stacked is not None else []
        made_by = filled(f"subject = gk.{origin.builder}(", arguments, ")")
        return [*made_by, *filled("gk.check(", ["subject", *self.options], ")")]

    def _argument(self, name: str) -> str:
        return self.variables[name] if name in self.arrays else number(self.origin.constants[name], "float64")
