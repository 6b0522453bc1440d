"""With NumPy alone the core imports and checks a layer. A plain script: where it is run, pytest is not installed."""

import sys
from importlib.util import find_spec
from typing import Any

import numpy as np

import gradcheck_kit as gk

EXTRAS = ("torch", "hypothesis", "pytest")


class Scale:
    """y = W · x, element by element, with W's gradient `factor` times too large."""

    def __init__(self, factor: float) -> None:
        self.params = {"W": np.linspace(0.5, 2.0, 6).reshape(2, 3)}
        self.grads: dict[str, Any] = {}
        self._factor = factor

    def forward(self, x: Any) -> Any:
        self._x = x
        return self.params["W"] * x

    def backward(self, cotangent: Any) -> Any:
        self.grads["W"] = self._factor * cotangent * self._x
        return cotangent * self.params["W"]


def main(arguments: list[str]) -> str | None:
    """What is wrong, or None."""
    present = [name for name in EXTRAS if find_spec(name) is not None]
    if present and "--allow-extras" not in arguments:
        return (
            f"{', '.join(present)} can be imported here; run in an environment with NumPy only, or with --allow-extras"
        )
    x = np.linspace(-1.0, 1.0, 6).reshape(2, 3) + 0.1
    right = gk.examine(Scale(1.0), x)
    if right.verdict is not gk.Verdict.PASS:
        return f"a right layer was not passed:\n{right}"
    wrong = gk.examine(Scale(1.5), x)
    if wrong.verdict is not gk.Verdict.FAIL or [f.input for f in wrong.findings if not f.verdict] != ["W"]:
        return f"a wrong W was not named:\n{wrong}"
    loaded = [name for name in EXTRAS if name in sys.modules]
    if loaded:
        return f"the core imported {', '.join(loaded)}"
    return None


if __name__ == "__main__":
    problem = main(sys.argv[1:])
    if problem is not None:
        sys.exit(f"core alone: {problem}")
    sys.stdout.write("core alone: ok\n")
