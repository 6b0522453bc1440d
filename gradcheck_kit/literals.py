"""Arrays as Python literals that give every number back, and as JSON."""

import base64
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

WIDTH = 96  # of a line of code: it is printed with an indent
LEAST = 16  # characters of base64 in a line
MORE = 2  # lines that an array of mostly zeros may take more, if it is shorter that way
SHORTEST = {"float32": np.float32, "float16": np.float16}  # how NumPy prints a number in so few digits is enough


@dataclass(frozen=True)
class Literal:
    """One array of any library, as plain Python values.

    Attributes:
        values: nested lists, as `array.tolist()` gives them (a number for an array without axes).
        shape, dtype: of the array; the dtype without the library's prefix.
        device: of a torch tensor, such as "cpu"; None for a NumPy array.
        data: its bytes in row-major order.
    """

    values: Any
    shape: tuple[int, ...]
    dtype: str
    device: str | None = None
    data: bytes = b""

    @property
    def size(self) -> int:
        return math.prod(self.shape)

    def lines(self, name: str) -> list[str]:
        """Lines that assign this array, number for number (minus zero and the infinities too), to `name`."""
        text = _nested(self.values, self.dtype) if self.size else ""
        lines = filled(f"{name} = {self._maker('array', 'tensor')}(", text.split(", "), f"{self._options(False)})")
        elements = _elements(self.values) if self.size else []
        places = [i for i, value in enumerate(elements) if value != 0 or math.copysign(1.0, value) < 0]
        zeros = f"{name} = {self._maker('zeros', 'zeros')}({self.shape}{self._options(True)})"
        if self.size and (len(lines) == 1 or len(places) + 1 > len(lines) + MORE):
            return lines
        sparse = [zeros, *(self._element(name, i, elements[i]) for i in places)]
        return sparse if not self.size or len("".join(sparse)) < len("".join(lines)) else lines

    def packed(self, name: str) -> list[str]:
        """As `lines`, from the array's bytes in base64: half as long, and for no one to read."""
        if self.device is None:
            dtype = "bool" if self.dtype == "bool" else f"np.{self.dtype}"
            head, tail = f"{name} = np.frombuffer(b64decode(", f"), {dtype}).reshape({self.shape}).copy()"
        else:
            moved = "" if self.device == "cpu" else f".to({self.device!r})"
            head = f"{name} = torch.frombuffer(bytearray(b64decode("
            tail = f")), dtype=torch.{self.dtype}).reshape({self.shape}){moved}"
        text, lines = base64.b64encode(self.data).decode(), [head]
        while text:
            room = max(WIDTH - len(lines[-1]) - 2, LEAST)
            lines[-1] += f'"{text[:room]}"'
            text = text[room:]
            if text or len(lines[-1] + tail) > WIDTH:
                lines.append("    ")
        return [*lines[:-1], lines[-1] + tail]

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
