"""The versions that a report names: as imported, as installed, or unknown, and never by an import."""

import platform
import subprocess
import sys
from importlib import metadata
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

import gradcheck_kit
from gradcheck_kit.provenance import UNKNOWN, environment_now, version_of

ROOT = Path(gradcheck_kit.__file__).parents[1]
Patch = pytest.MonkeyPatch


def module(name: str, **attributes: str) -> ModuleType:
    made = ModuleType(name)
    vars(made).update(attributes)
    return made


def test_the_environment_is_python_and_the_array_libraries_that_are_imported(monkeypatch: Patch) -> None:
    for name in ("torch", "jax"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    held = {"python": platform.python_version(), "numpy": np.__version__}
    assert environment_now() == held
    monkeypatch.setitem(sys.modules, "jax", module("jax", __version__="1.2.3"))
    assert environment_now() == {**held, "jax": "1.2.3"}
    monkeypatch.setitem(sys.modules, "torch", module("torch", __version__="4.5+cpu"))
    assert environment_now() == {**held, "torch": "4.5+cpu", "jax": "1.2.3"}
    monkeypatch.setitem(sys.modules, "jax", None)  # as where its import was forbidden
    assert environment_now() == {**held, "torch": "4.5+cpu"}


def test_what_is_imported_says_its_version_itself(monkeypatch: Patch) -> None:
    monkeypatch.setitem(sys.modules, "hypothesis", module("hypothesis", __version__="0.0.1"))
    assert version_of("hypothesis") == "0.0.1"
    monkeypatch.setitem(sys.modules, "hypothesis", module("hypothesis"))
    assert version_of("hypothesis") == metadata.version("hypothesis")


def test_a_library_without_any_version_is_unknown_and_one_that_is_not_there_is_none(
    tmp_path: Path, monkeypatch: Patch
) -> None:
    (tmp_path / "bare_library.py").write_text("raise AssertionError('was imported')\n", encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    assert version_of("bare_library") == UNKNOWN
    assert version_of("surely_not_installed") is None
    monkeypatch.setitem(sys.modules, "torch", None)
    assert version_of("torch") is None


def test_asking_for_a_version_imports_nothing() -> None:
    asked = "import sys; from gradcheck_kit.provenance import version_of; print(version_of('torch'))"
    code = f"{asked}; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout.split() == [metadata.version("torch"), "False"]
