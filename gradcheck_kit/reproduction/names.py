"""By which name pasted lines reach the user's functions and classes, and what they must import for it."""

import inspect
import keyword
import sys
from pathlib import Path
from typing import Any

from gradcheck_kit.literals import WIDTH
from gradcheck_kit.reproduction.source_text import imported, source_text_of

STANDARD = {"np": "import numpy as np", "torch": "import torch", "gk": "import gradcheck_kit as gk"}
RESERVED = ("np", "gk", "torch", "b64decode", "saved", "layer", "module", "subject", "float", "bool")


class Names:
    """The names that some lines use; each stands for one thing.

    Attributes:
        imports: the import lines.
        wanted: lines for what cannot be imported, which the reader has to complete.
    """

    def __init__(self) -> None:
        self.imports: list[str] = []
        self.wanted: list[str] = []
        self._taken: dict[str, Any] = dict.fromkeys(RESERVED)

    def of(self, thing: Any, role: str) -> str:
        """An expression for a function or class; `role` ("target", "vjp") names what has no name of its own."""
        if inspect.ismethod(thing) and inspect.isclass(thing.__self__):
            return f"{self.of(thing.__self__, role)}.{thing.__name__}"  # such as Exp.apply
        title, path = getattr(thing, "__name__", None), importable(thing)
        if path is not None:
            module, qualified = path
            first, *inner = qualified.split(".")
            held = getattr(sys.modules[module], first)
            if not any(known is held for known in self._taken.values()):
                name = self.variable(first, held)
                what = first if name == first else f"{first} as {name}"
                line = f"from {module} import {what}"
                self.imports += [line] if len(line) <= WIDTH else [f"from {module} import (", f"    {what},", ")"]
            name = next(name for name, known in self._taken.items() if known is held)
            return ".".join([name, *inner])
        written = self._written(thing, title if isinstance(title, str) and title.isidentifier() else role)
        if written is not None:
            return written
        if isinstance(title, str) and title.isidentifier() and (inspect.isfunction(thing) or inspect.isclass(thing)):
            name = self.variable(title, thing)
            self.wanted.append(f"# define {name} first{_origin(thing)}")
            return name
        name = self.variable(role, thing)
        self.wanted.append(f"{name} = ...  # your {title or type(thing).__name__}{_origin(thing)}")
        return name

    def _written(self, thing: Any, wanted: str) -> str | None:
        """The name of a function whose whole source the lines can hold, with what it uses; None where they cannot."""
        source = source_text_of(thing)
        if source is None or source.lines(wanted) is None:
            return None
        brought = {alias: self._brought(alias, value) for alias, value in source.uses.items()}
        if None in brought.values():
            return None
        self._taken |= {alias: value for alias, value in source.uses.items() if alias not in STANDARD}
        name = self.variable(wanted, thing)
        for line in brought.values():
            place = self.imports if str(line).startswith(("import ", "from ")) else self.wanted
            place += [line] if line and line not in place else []
        self.wanted += source.lines(name) or []
        return name

    def _brought(self, alias: str, value: Any) -> str | None:
        """The line that brings a global of the user's; empty where it is there already, None where none can."""
        if alias in STANDARD:
            return STANDARD[alias] if STANDARD[alias] == imported(alias, value) else None
        if alias in self._taken:
            return "" if self._taken[alias] is value else None
        path = importable(value)
        if path is None or "." in path[1]:
            return imported(alias, value)
        return f"from {path[0]} import {path[1]}" + ("" if alias == path[1] else f" as {alias}")

    def variable(self, wanted: str, thing: Any = None) -> str:
        """A free identifier that is `wanted`, or like it."""
        name = "".join(c if c.isalnum() and c.isascii() else "_" for c in wanted)
        name = name if name.isidentifier() and not keyword.iskeyword(name) else f"_{name}"
        while name in self._taken:
            name += "_"
        self._taken[name] = thing
        return name


def importable(thing: Any) -> tuple[str, str] | None:
    """The module and the qualified name under which an import finds this very thing; None where none does."""
    module, qualified = getattr(thing, "__module__", None), getattr(thing, "__qualname__", None)
    if not isinstance(module, str) or not isinstance(qualified, str) or module == "__main__":
        return None
    found = sys.modules.get(module)
    for part in qualified.split("."):
        found = getattr(found, part, None)
    return (module, qualified) if found is thing else None


def _origin(thing: Any) -> str:
    """Where its source is, without the folders."""
    code = getattr(thing, "__code__", None)
    return "" if code is None else f", from {Path(code.co_filename).name}, line {code.co_firstlineno}"
