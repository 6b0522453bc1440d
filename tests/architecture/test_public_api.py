"""The names that users may rely on."""

import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest

import gradcheck_kit as gk

ROOT = Path(__file__).resolve().parents[2]


RESOLVE = """
import json, sys
import gradcheck_kit as gk

names = sys.argv[1:]
found = {name: getattr(gk, name) for name in names}
kinds = {name: [type(v).__name__, v.__doc__ or "", getattr(v, "__module__", None) or ""] for name, v in found.items()}
again = [name for name in names if getattr(gk, name) is not found[name]]
print(json.dumps({"kinds": kinds, "changed": again}))
"""


def resolved(*names: str) -> Any:
    """The public names as a fresh Python finds them, asked for in this order."""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", RESOLVE, *names], capture_output=True, text=True, check=False, cwd=ROOT
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


ORDERS = [
    pytest.param(sorted(gk.__all__), id="alphabetical"),
    pytest.param(sorted(gk.__all__, reverse=True), id="backwards"),
]


@pytest.mark.parametrize("order", ORDERS)
def test_every_public_name_resolves_to_something_with_a_docstring_in_any_order(order: list[str]) -> None:
    found = resolved(*order)
    assert found["changed"] == []
    for name, (kind, doc, module) in found["kinds"].items():
        assert kind in ("function", "type", "EnumType"), name
        assert doc, name
        assert not doc.startswith(f"{name}("), name  # what a dataclass without a docstring gets
        assert module.startswith("gradcheck_kit."), name


def test_star_import_brings_exactly_the_public_names() -> None:
    found: dict[str, Any] = {}
    exec("from gradcheck_kit import *", found)
    assert set(found) - {"__builtins__"} == set(gk.__all__)


def test_the_public_names_are_sorted_and_listed_once() -> None:
    assert sorted(set(gk.__all__)) == gk.__all__
    assert set(gk.__all__) == set(gk._HOME)


@pytest.mark.parametrize("name", ["chek", "numpy_layer", "_private", "np"])
def test_an_unknown_name_is_an_attribute_error(name: str) -> None:
    with pytest.raises(AttributeError, match=name):
        getattr(gk, name)


def test_dir_lists_every_public_name() -> None:
    assert set(gk.__all__) <= set(dir(gk))


def test_the_version_is_that_of_the_project() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert gk.__version__ == project["version"]
    assert re.fullmatch(r"\d+\.\d+\.\d+", gk.__version__)


@pytest.mark.parametrize("package", ["gradcheck_kit", "reference_impls"])
def test_both_packages_are_typed(package: str) -> None:
    assert (ROOT / package / "py.typed").is_file()
