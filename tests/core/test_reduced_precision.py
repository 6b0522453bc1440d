"""torch's reduced precision is off inside of a float64 reference, and as it was left afterwards."""

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

import gradcheck_kit as gk
from gradcheck_kit.adapters.torch_library import full_precision
from tests.tensors import drawn

ROOT = Path(__file__).resolve().parents[2]
T = drawn(4, 3, dtype=torch.float32)

SWITCHES: dict[str, tuple[Callable[[], Any], Callable[[Any], None], Any, Any]] = {
    "cuda matmul allow_tf32": (
        lambda: torch.backends.cuda.matmul.allow_tf32,
        lambda value: setattr(torch.backends.cuda.matmul, "allow_tf32", value),
        True,
        False,
    ),
    "cudnn allow_tf32": (
        lambda: torch.backends.cudnn.allow_tf32,
        lambda value: setattr(torch.backends.cudnn, "allow_tf32", value),
        True,
        False,
    ),
    "allow_fp16_reduced_precision_reduction": (
        lambda: torch.backends.cuda.matmul.allow_fp16_reduced_precision_reduction,
        lambda value: setattr(torch.backends.cuda.matmul, "allow_fp16_reduced_precision_reduction", value),
        True,
        False,
    ),
    "allow_bf16_reduced_precision_reduction": (
        lambda: torch.backends.cuda.matmul.allow_bf16_reduced_precision_reduction,
        lambda value: setattr(torch.backends.cuda.matmul, "allow_bf16_reduced_precision_reduction", value),
        True,
        False,
    ),
    "float32 matmul precision, high": (
        torch.get_float32_matmul_precision,
        torch.set_float32_matmul_precision,
        "high",
        "highest",
    ),
    "float32 matmul precision, medium": (
        torch.get_float32_matmul_precision,
        torch.set_float32_matmul_precision,
        "medium",
        "highest",
    ),
}


def everything() -> list[Any]:
    return [read() for read, *_ in SWITCHES.values()]


@pytest.fixture
def switches() -> Iterator[None]:
    """Whatever a test sets is set back."""
    before = everything()
    yield
    for (_, write, *_), value in zip(SWITCHES.values(), before, strict=True):
        write(value)
    assert everything() == before


class PlantedError(Exception):
    """What a caller's code raises."""


@pytest.mark.usefixtures("switches")
@pytest.mark.parametrize("name", SWITCHES)
def test_a_reduced_precision_is_off_inside_and_restored_after(name: str) -> None:
    read, write, reduced, full = SWITCHES[name]
    write(reduced)
    before, seen = everything(), set()

    def function(x: Tensor) -> Tensor:
        seen.add(read())
        return x.sin()

    assert gk.check(function, T)
    assert seen == {full}
    assert everything() == before
    assert read() == reduced


@pytest.mark.usefixtures("switches")
@pytest.mark.parametrize("name", SWITCHES)
def test_a_reduced_precision_is_restored_after_an_exception(name: str) -> None:
    read, write, reduced, _ = SWITCHES[name]
    write(reduced)
    before = everything()

    def function(x: Tensor) -> Tensor:
        raise PlantedError

    with pytest.raises(PlantedError):
        gk.examine(function, T)
    assert everything() == before
    assert read() == reduced


NEWER = """
import torch
import gradcheck_kit as gk

b = torch.backends
b.cuda.matmul.fp32_precision = "tf32"
b.mkldnn.matmul.fp32_precision = "bf16"
switches = lambda: [b.cuda.matmul.fp32_precision, b.mkldnn.matmul.fp32_precision, b.cudnn.conv.fp32_precision]
before, seen = switches(), []
for _ in range(2):
    gk.check(lambda x: (seen.append(switches()), x.sin())[1], torch.ones(3))
assert all(inside == ["ieee"] * 3 for inside in seen), seen
assert switches() == before, (before, switches())
"""


@pytest.mark.skipif(
    not hasattr(torch.backends.cuda.matmul, "fp32_precision"), reason="this torch has no fp32_precision: not run"
)
def test_a_precision_set_by_torchs_newer_switches_is_full_inside_and_restored_after() -> None:
    """In a Python of its own, since torch does not take both kinds of switches."""
    done = subprocess.run([sys.executable, "-c", NEWER], capture_output=True, text=True, check=False, cwd=ROOT)
    assert done.returncode == 0, done.stderr


UNTOUCHED = """
import torch
from gradcheck_kit.adapters.torch_library import full_precision

{setting}
backends = torch.backends
named = {{"cuda": (backends.cuda, "matmul"), "conv": (backends.cudnn, "conv"), "rnn": (backends.cudnn, "rnn")}}
named |= {{part: (backends.mkldnn, part) for part in ("matmul", "conv", "rnn")}}
newer = {{name: getattr(*place) for name, place in named.items() if hasattr(*place)}}


def state():
    return {{name: part.fp32_precision for name, part in newer.items() if hasattr(part, "fp32_precision")}}


before = state()
with full_precision():
    pass
assert state() == before, (state(), before)
"""


@pytest.mark.parametrize(
    "setting", ["", "torch.backends.cuda.matmul.allow_tf32 = True", 'torch.set_float32_matmul_precision("medium")']
)
def test_a_switch_that_was_left_to_its_default_is_left_to_it_again(setting: str) -> None:
    """In a process of its own: torch remembers which of its switches were ever set."""
    program = UNTOUCHED.format(setting=setting)
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False, cwd=ROOT)
    assert done.returncode == 0, done.stderr


@pytest.mark.usefixtures("switches")
def test_full_precision_may_be_nested() -> None:
    torch.set_float32_matmul_precision("high")
    before = everything()
    with full_precision():
        inside = everything()
        with full_precision():
            assert everything() == inside
        assert everything() == inside
        assert True not in inside
    assert everything() == before != inside
