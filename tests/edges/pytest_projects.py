"""Projects in temporary directories, each run by a pytest of its own: the plugin is driven from outside."""

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import gradcheck_kit as gk

ROOT = Path(gk.__file__).parents[1]


# Named by its module, whether or not the entry point is installed too.
PLUGIN = ("-p", "no:gradcheck_kit", "-p", "gradcheck_kit.pytest_plugin", "-p", "no:cacheprovider")
INI = "[pytest]\nfilterwarnings = error\n"
LAYERS = """
import numpy as np


class Scale:
    def __init__(self, factor, slope=None):
        self.factor, self.slope = factor, factor if slope is None else slope

    def forward(self, x):
        return self.factor * x

    def backward(self, cotangent):
        return self.slope * cotangent


class Sum:
    def forward(self, x):
        self.x = x
        return x.sum(axis=0)

    def backward(self, cotangent):
        return np.broadcast_to(cotangent, self.x.shape) / len(self.x)
"""
SAMPLE = {
    "pytest.ini": f"{INI}gradcheck_modules = package.layers\npythonpath = .\n",
    "package/__init__.py": "",
    "package/layers.py": """
        import gradcheck_kit as gk

        @gk.case(x=("n", 3), W=(3, "m"), options={"max_examples": 4})
        class Linear:
            def __init__(self, W):
                self.W = W

            def forward(self, x):
                self.x = x
                return x @ self.W

            def backward(self, cotangent):
                self.dW = self.x.T @ cotangent
                return cotangent @ self.W.T

        class Undeclared:
            def forward(self, x):
                return x

            def backward(self, cotangent):
                return cotangent
    """,
    "layers.py": LAYERS,
    "test_sample.py": """
        import numpy as np
        import pytest
        from hypothesis import given, settings, strategies as st

        import gradcheck_kit as gk
        from layers import Scale, Sum

        X = np.linspace(0.5, 2.0, 6).reshape(3, 2)

        def test_right(gradcheck):
            gradcheck(Scale(2.0), X)

        def test_sign(gradcheck):
            gradcheck(Scale(2.0, -2.0), X)

        def test_factor_of_a_call_of_ones_own():
            gk.check(Scale(2.0, 1.0), X)

        def test_mean(gradcheck):
            gradcheck(Sum(), X)

        def test_that_it_is_wrong(gradcheck):
            assert not gradcheck.examine(Scale(2.0, 3.0), X)

        @pytest.mark.gradcheck(device=["cpu", "cuda:99"], dtype=["float64", "float32"], seed=7)
        def test_devices(gradcheck):
            torch = pytest.importorskip("torch")
            x = gradcheck.to(torch.from_numpy(X))
            assert (str(x.device), str(x.dtype)) == (gradcheck.device, f"torch.{gradcheck.dtype}")
            gradcheck(torch.tanh, x)

        @settings(derandomize=True, deadline=None, max_examples=5, database=None)
        @given(st.integers(1, 3))
        def test_drawn(gradcheck, n):
            gradcheck(Scale(3.0), np.linspace(-1.0, 1.0, n))

        @settings(derandomize=True, deadline=None, max_examples=20, database=None)
        @given(st.integers(1, 9))
        def test_drawn_and_wrong(gradcheck, n):
            gradcheck(Scale(3.0, 3.0 if n < 3 else 4.0), np.linspace(-1.0, 1.0, n))

        held = gk.Case(Scale(2.0), (X,))
        several = [gk.Case(Scale(2.0), (X,), name="two"), gk.Case(Scale(4.0, 5.0), (X,), name="four")]
    """,
}


def write(folder: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        lines = text.splitlines()
        indent = min((len(line) - len(line.lstrip()) for line in lines if line.strip()), default=0)
        path.write_text("\n".join(line[indent:] for line in lines) + "\n", encoding="utf-8")
    return folder


def run(folder: Path, *arguments: str, python: tuple[str, ...] = ("-m", "pytest", *PLUGIN)) -> Any:
    outside = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST", "CI", "COV_"))}
    environment = {**outside, "PYTHONPATH": str(ROOT), "COLUMNS": "200"}
    command = [sys.executable, "-W", "error", *python, *arguments]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)


def section(output: str) -> list[str]:
    """The lines of the summary, without the timings."""
    found = re.search(r"^=+ gradcheck =+$\n(.*?)^=", output, flags=re.DOTALL | re.MULTILINE)
    assert found is not None, output
    return [line for line in found[1].splitlines() if not line.startswith("slowest")]
