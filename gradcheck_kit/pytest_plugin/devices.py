"""Which devices there are, and a value on one of them. Only asking for another than the CPU imports torch."""

import copy
import sys
from typing import Any

import numpy as np

from gradcheck_kit.pytest_plugin.running import Defaults
from gradcheck_kit.report import Report
from gradcheck_kit.subject import UsageError


def why_absent(device: str) -> str:
    """Why a device other than the CPU cannot be used; empty where it can."""
    try:
        import torch
    except ImportError:
        return f"torch is not installed, so there is no {device}"
    kind, _, number = device.partition(":")
    module = getattr(torch, kind, None)  # torch.cuda, torch.mps, torch.xpu
    if module is None or not (torch.backends.mps.is_available() if kind == "mps" else module.is_available()):
        return f"no {kind.upper()} device"
    return "" if not number or int(number) < module.device_count() else f"no {kind.upper()} device of number {number}"


def moved(value: Any, wanted: Defaults) -> Any:
    """A copy of an array, a tensor or a module on the wanted device; what is floating-point, in the wanted dtype.

    Raises:
        UsageError: it is none of these, or cannot be there.
    """
    torch = sys.modules.get("torch")
    if torch is not None and isinstance(value, torch.Tensor | torch.nn.Module):
        floating = isinstance(value, torch.nn.Module) or value.is_floating_point()
        dtype = getattr(torch, wanted.dtype) if wanted.dtype and floating else None
        return copy.deepcopy(value).to(device=wanted.device, dtype=dtype)
    array = np.array(value)
    if array.dtype == object:
        raise UsageError(
            f"gradcheck.to takes arrays, tensors and modules, not a {type(value).__name__}; "
            "build a NumPy layer from arrays that went through gradcheck.to"
        )
    if wanted.device not in (None, "cpu"):
        raise UsageError(f"a NumPy array cannot be on {wanted.device}; pass torch.from_numpy(array) to gradcheck.to")
    if wanted.dtype is None or array.dtype.kind != "f":
        return array
    if wanted.dtype == "bfloat16":
        raise UsageError("NumPy has no bfloat16; pass torch.from_numpy(array) to gradcheck.to")
    return array.astype(wanted.dtype)


def expect_as_marked(report: Report, wanted: Defaults) -> None:
    """A marker moves nothing by itself: a check that ran elsewhere than it says must not pass for it.

    Raises:
        UsageError: the check ran on another device, or in another dtype.
    """
    elsewhere = wanted.device is not None and wanted.device not in (report.device, report.device.partition(":")[0])
    if elsewhere or wanted.dtype not in (None, report.dtype):
        asked = " on ".join(filter(None, [wanted.dtype, wanted.device]))
        raise UsageError(
            f"the marker asks for {asked}, and {report.subject} was checked in {report.dtype} on {report.device}; "
            "pass its inputs and its module through gradcheck.to(...)"
        )
