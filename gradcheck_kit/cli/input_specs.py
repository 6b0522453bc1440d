"""The arrays to draw, as they are typed: NAME=AXES and what its values may be.

x=n,3              an axis of any length, called n, and one of length 3
t=                 a single number
labels=n:int<m     integers from 0 to m - 1 (in a shell: 'labels=n:int<m', or labels=n:below=m)
p=n,m:0..1         floating-point values between 0 and 1; 0.. for positive ones
target=n:fixed     the backward owes it no gradient
"""

import math
import re
from dataclasses import dataclass

from gradcheck_kit.exploration.axes import Axes, axes
from gradcheck_kit.subject import UsageError

FORM = "NAME=AXES[:VALUES], such as x=n,3 or 'labels=n:int<m' or p=n:0..1 or target=n:fixed"
NUMBER = r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?"
INTERVAL = re.compile(rf"(?P<low>{NUMBER})?\.\.(?P<high>{NUMBER})?")
BELOW = re.compile(r"(?:int<|below=)(?P<below>\w+)")


@dataclass(frozen=True)
class _Reading:
    """A text being read, so that an error can point into it."""

    option: str
    text: str

    def error(self, at: int, what: str) -> UsageError:
        return UsageError(
            f"{self.option} {self.text}: {what}\n    {self.text}\n    {' ' * at}^\n  type {self.option} {FORM}"
        )


def read(option: str, text: str) -> tuple[str, Axes]:
    """The name and the axes that a text means.

    Raises:
        UsageError: it cannot be read; the message points at the place.
    """
    reading = _Reading(option, text)
    name, equals, rest = text.partition("=")
    if not equals:
        raise reading.error(len(text), "the '=' after the name is missing")
    if not name.isidentifier():
        raise reading.error(0, f"{name!r} is no name" if name else "the name before '=' is missing")
    start = len(name) + 1
    listed, *domains = rest.split(":")
    lengths = _lengths(reading, start, listed)
    said: dict[str, object] = {}
    at = start + len(listed) + 1
    for domain in domains:
        for key, value in _domain(reading, at, domain).items():
            if key in said or (key in ("below", "within") and {"below", "within"} & said.keys()):
                raise reading.error(at, "the values are said twice")
            said[key] = value
        at += len(domain) + 1
    return name, axes(*lengths, **said)  # type: ignore[arg-type]


def _lengths(reading: _Reading, at: int, listed: str) -> list[str | int]:
    if listed in ("", "()"):
        return []
    found: list[str | int] = []
    for axis in listed.split(","):
        if axis.isdecimal():
            found.append(int(axis))
        elif axis.isidentifier():
            found.append(axis)
        else:
            what = f"{axis!r} is no axis: a name such as n, or a length such as 3" if axis else "an axis is missing"
            raise reading.error(at, what)
        at += len(axis) + 1
    return found


def _domain(reading: _Reading, at: int, text: str) -> dict[str, object]:
    if text == "fixed":
        return {"fixed": True}
    if below := BELOW.fullmatch(text):
        value = below["below"]
        if value.isdecimal() and int(value) < 1:
            raise reading.error(at, "there is no integer from 0 to below 0")
        return {"below": int(value) if value.isdecimal() else value}
    if interval := INTERVAL.fullmatch(text):
        low, high = (float(interval[end] or bound) for end, bound in (("low", -math.inf), ("high", math.inf)))
        if not low < high:
            raise reading.error(at, "the interval is empty")
        return {"within": (low, high)}
    raise reading.error(at, f"{text!r} says nothing of the values: int<m, below=m, 0..1, 0.. or fixed")
