"""Arrays as Python literals that give every number back, and as JSON."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

WIDTH = 96  # of a line of code: it is printed with an indent
SHORT = 80  # characters; longer ones are spelled by their few elements that are not zero
FEW = 12
SHORTEST = {"float32": np.float32, "float16": np.float16}  # how NumPy prints a number in so few digits is enough


@dataclass(frozen=True)
class Literal:
    """One array of any library, as plain Python values.

    Attributes:
        values: nested lists, as `array.tolist()` gives them (a number for an array without axes).
        shape, dtype: of the array; the dtype without the library's prefix.
        device: of a torch tensor, such as "cpu"; None for a NumPy array.
    """

    values: Any
    shape: tuple[int, ...]
    dtype: str
    device: str | None = None

    @property
    def size(self) -> int:
        return math.prod(self.shape)

    def lines(self, name: str) -> list[str]:
        """Lines that assign this array, number for number (minus zero and the infinities too), to `name`."""
        text = _nested(self.values, self.dtype) if self.size else ""
        lines = filled(f"{name} = {self._maker('array', 'tensor')}(", text.split(", "), f"{self._options(False)})")
        elements = _elements(self.values) if self.size else []
        places = [i for i, value in enumerate(elements) if value != 0 or math.copysign(1.0, value) < 0]
        if self.size and (len("".join(lines)) <= SHORT or len(places) > FEW):
            return lines
        zeros = f"{name} = {self._maker('zeros', 'zeros')}({self.shape}{self._options(True)})"
        return [zeros, *(self._element(name, i, elements[i]) for i in places)]

    def _element(self, name: str, flat: int, value: Any) -> str:
        index = ", ".join(str(int(i)) for i in np.unravel_index(flat, self.shape))
        return f"{name}[{index or '...'}] = {number(value, self.dtype)}"

    def _maker(self, of_numpy: str, of_torch: str) -> str:
        return f"np.{of_numpy}" if self.device is None else f"torch.{of_torch}"

    def _options(self, zeros: bool) -> str:
        """The dtype where it is not the default, and the device."""
        if self.device is not None:
            return f", dtype=torch.{self.dtype}{'' if self.device == 'cpu' else f', device={self.device!r}'}"
        if self.dtype in (("float64",) if zeros else ("float64", "int64", "bool")):
            return ""
        return ", dtype=bool" if self.dtype == "bool" else f", dtype=np.{self.dtype}"

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values; a number that is not finite becomes its name, since JSON has none."""
        return {"dtype": self.dtype, "shape": list(self.shape), "values": _as_json(self.values)}


def filled(head: str, parts: Sequence[str], tail: str) -> list[str]:
    """`head` + the parts, with commas between them, + `tail`; a line that would be too long is broken between parts."""
    lines = [head]
    for i, part in enumerate(parts):
        piece = part + (tail if i == len(parts) - 1 else ",")
        if i and len(lines[-1]) + 1 + len(piece) > WIDTH:
            lines.append(f"    {piece}")
        else:
            lines[-1] += f" {piece}" if i else piece
    return lines if parts else [head + tail]


def number(value: Any, dtype: str) -> str:
    """The shortest literal that is this number in this dtype."""
    if not isinstance(value, float):
        return repr(value)
    if not math.isfinite(value):
        return f'float("{value}")'
    shortest = SHORTEST.get(dtype)
    if shortest is not None:
        short = float(str(shortest(value)))
        if shortest(short) == value:
            return repr(short)
    return repr(value)


def _nested(values: Any, dtype: str) -> str:
    if isinstance(values, list):
        return f"[{', '.join(_nested(value, dtype) for value in values)}]"
    return number(values, dtype)


def _elements(values: Any) -> list[Any]:
    """In row-major order."""
    return [inner for value in values for inner in _elements(value)] if isinstance(values, list) else [values]


def _as_json(values: Any) -> Any:
    if isinstance(values, list):
        return [_as_json(value) for value in values]
    return str(values) if isinstance(values, float) and not math.isfinite(values) else values
