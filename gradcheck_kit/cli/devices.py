"""Which devices there are."""

import sys
from typing import Any

from gradcheck_kit.spelling import did_you_mean
from gradcheck_kit.subject import UsageError


def devices_of(torch: Any) -> list[str]:
    """torch's devices that checks can run on, the CPU first."""
    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    return ["cpu", *(f"cuda:{number}" for number in range(count))]


def expect_device(wanted: str) -> str:
    """The device, if it is there. Only a target that has imported torch has any other than the CPU.

    Raises:
        UsageError: there is no such device.
    """
    torch = sys.modules.get("torch")
    if wanted == "cpu":
        return wanted
    if torch is None:
        raise UsageError(
            f"--device {wanted}: the target does not use torch, and NumPy computes on the CPU; leave it out"
        )
    present = devices_of(torch)
    known = [*present, "cuda"] if len(present) > 1 else present
    if wanted not in known:
        raise UsageError(f"--device {wanted}: there is {', '.join(known)}{did_you_mean(wanted, known)}")
    return wanted
