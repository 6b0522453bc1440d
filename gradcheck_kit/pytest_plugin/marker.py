"""`@pytest.mark.gradcheck(device=…, dtype=…, require=…, seed=…)`: what it says, and what it must not say."""

import re
from dataclasses import dataclass
from typing import Any

import pytest

from gradcheck_kit.arguments import INTEGERS, RESOLUTION, as_integer, as_resolution

NAME = "gradcheck"
TEXT = (
    f"{NAME}(device=None, dtype=None, require=None, seed=None): how the checks of the fixture `gradcheck` are made. "
    "A test is collected once for each device ('cpu', 'cuda', 'all', or a list) and each dtype ('float32', or a list), "
    "and reads its own as gradcheck.device and gradcheck.dtype; require= and seed= are handed to every check."
)
DEVICE = re.compile(r"cpu|cuda(:\d+)?|mps|xpu")
DTYPES = ("float64", "float32", "float16", "bfloat16")
TAKES = ("device", "dtype", "require", "seed")


class MarkerError(Exception):
    """A marker cannot be meant; the message says what was passed and what to type instead."""


@dataclass(frozen=True)
class Marked:
    """What the markers of one test say, the closest first.

    Attributes:
        devices, dtypes: what it is collected for; empty where nothing is said.
        require, seed: handed to every check; None where nothing is said.
    """

    devices: tuple[str, ...] = ()
    dtypes: tuple[str, ...] = ()
    require: float | None = None
    seed: int | None = None


def marked(node: pytest.Item | Any) -> Marked:
    """What is said by the markers of a test, its class and its module.

    Raises:
        MarkerError: an argument is unknown or of no use.
    """
    said: dict[str, Any] = {}
    for mark in node.iter_markers(NAME):
        if mark.args:
            raise MarkerError(
                f"@pytest.mark.gradcheck{mark.args!r}: name the argument, such as device={mark.args[0]!r}"
            )
        for name, value in mark.kwargs.items():
            if name not in TAKES:
                raise MarkerError(f"@pytest.mark.gradcheck takes no {name!r}; it takes {', '.join(TAKES)}")
            said.setdefault(name, value)
    return Marked(
        devices=_devices(said.get("device")),
        dtypes=_dtypes(said.get("dtype")),
        require=_require(said.get("require")),
        seed=_seed(said.get("seed")),
    )


def _strings(name: str, value: Any) -> tuple[str, ...]:
    items = (value,) if isinstance(value, str) else value
    if not isinstance(items, tuple | list) or not items or not all(isinstance(item, str) for item in items):
        raise MarkerError(f"@pytest.mark.gradcheck({name}={value!r}): pass a string or a list of strings")
    return tuple(dict.fromkeys(items))


def _devices(value: Any) -> tuple[str, ...]:
    devices = () if value is None else _strings("device", value)
    for device in devices:
        if device != "all" and not DEVICE.fullmatch(device):
            raise MarkerError(
                f"@pytest.mark.gradcheck(device={value!r}): {device!r} is no device; pass 'cpu', 'cuda', 'cuda:1', "
                "'mps', 'xpu', a list of them, or 'all'"
            )
    return devices


def _dtypes(value: Any) -> tuple[str, ...]:
    dtypes = () if value is None else _strings("dtype", value)
    for dtype in dtypes:
        if dtype not in DTYPES:
            raise MarkerError(f"@pytest.mark.gradcheck(dtype={value!r}): pass one or several of {', '.join(DTYPES)}")
    return dtypes


def _require(value: Any) -> float | None:
    found = as_resolution(value)
    if found is None and value is not None:
        raise MarkerError(f"@pytest.mark.gradcheck(require={value!r}): pass {RESOLUTION}")
    return found


def _seed(value: Any) -> int | None:
    found = as_integer(value, 0)
    if found is None and value is not None:
        raise MarkerError(f"@pytest.mark.gradcheck(seed={value!r}): pass {INTEGERS[0]}")
    return found
