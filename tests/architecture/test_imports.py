"""Imports point one way, and optional dependencies stay optional."""

import ast
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("gradcheck_kit", "reference_impls")

# Low to high; what stands together in a set may import one another.
LAYERS = (
    {"arguments", "space", "subject", "destination", "whole_file", "spelling", "freed_memory"},
    {"differences"},
    {"sources", "illustration"},
    {"verdict", "report", "report_text", "literals", "record", "picture"},
    {"checks", "locate", "diagnose", "reproduction"},
    {"provenance", "preparation", "engine", "side_by_side"},
    {"exploration"},
    {"cases", "strategies"},
    {"render", "inventory"},
    {"cli", "pytest_plugin", "torch", "jax"},
)
EXTRAS = ("torch", "jax", "hypothesis", "pytest", "matplotlib", "rich", "safetensors", "shtab")
JAX_MAY_BE_IN = ("gradcheck_kit.side_by_side.jax", "gradcheck_kit.jax")
PLUGIN = "gradcheck_kit.pytest_plugin"
STRATEGIES = "gradcheck_kit.strategies"
TORCH_FILES = (
    "gradcheck_kit.adapters.torch",
    "gradcheck_kit.side_by_side.torch",
    "gradcheck_kit.torch",
    f"{STRATEGIES}.torch",
)
TORCH_MAY_BE_IN = (*TORCH_FILES, "gradcheck_kit.cli", f"{PLUGIN}.devices")
ANY_EXTRA_MAY_BE_IN = ("gradcheck_kit.render", "gradcheck_kit.cli")
OWN_EXTRAS = {PLUGIN: ("pytest",), STRATEGIES: ("hypothesis",)}
# What a reference may import beside NumPy: inside a function, and in one place each.
OPTIONAL_IN_REFERENCES = {"matplotlib": "reference_impls.examples", "safetensors": "reference_impls.networks.storage"}


@dataclass(frozen=True)
class Import:
    """`module` (dotted) imports `target` (dotted); `lazy` inside a function, or for type checkers only."""

    module: str
    target: str
    lazy: bool

    def __str__(self) -> str:
        return f"{self.module} imports {self.target}"


def under(dotted: str, *parents: str) -> bool:
    """Whether `dotted` is one of `parents` or inside one."""
    return any(dotted == parent or dotted.startswith(f"{parent}.") for parent in parents)


def imports_of(source: str, module: str, package: bool = False) -> Iterator[Import]:
    """Every import statement of a module."""
    tree = ast.parse(source)
    lazy = {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda) or _for_type_checkers(node)
        for inner in ast.walk(node)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            targets = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            parents = module.split(".") if package else module.split(".")[:-1]
            base = parents[: len(parents) - node.level + 1] if node.level else []
            stem = ".".join([*base, *filter(None, [node.module])])
            targets = [f"{stem}.{alias.name}" for alias in node.names]
        else:
            continue
        for target in targets:
            yield Import(module, target, id(node) in lazy)


def _for_type_checkers(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"


@cache
def all_imports() -> list[Import]:
    found: list[Import] = []
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py")):
            parts = path.relative_to(ROOT).with_suffix("").parts
            is_package = parts[-1] == "__init__"
            module = ".".join(parts[:-1] if is_package else parts)
            found += imports_of(path.read_text(encoding="utf-8"), module, is_package)
    return found


def level(dotted: str) -> int | None:
    """The layer of a module of gradcheck_kit; None for the package itself and for adapters, which have own rules."""
    parts = dotted.split(".")
    if parts[0] != "gradcheck_kit" or len(parts) < 2:
        return None
    return next((i for i, layer in enumerate(LAYERS) if parts[1] in layer), None)


def upwards(edge: Import) -> bool:
    here, there = level(edge.module), level(edge.target)
    return here is not None and there is not None and there > here


def adapters_reach_out(edge: Import) -> bool:
    allowed = ("gradcheck_kit.adapters", "gradcheck_kit.space", "gradcheck_kit.subject")
    return (
        under(edge.module, "gradcheck_kit.adapters")
        and under(edge.target, "gradcheck_kit")
        and not under(edge.target, *allowed)
    )


def adapters_are_reached(edge: Import) -> bool:
    above = ("preparation", "engine", "exploration", "torch", "cli")
    allowed = ("gradcheck_kit.adapters", *(f"gradcheck_kit.{name}" for name in above), PLUGIN)
    return (
        under(edge.target, "gradcheck_kit.adapters")
        and edge.module != "gradcheck_kit"
        and not under(edge.module, *allowed)
    )


def torch_is_reached(edge: Import) -> bool:
    return under(edge.target, "torch") and not edge.module.startswith(TORCH_MAY_BE_IN)


def jax_is_reached(edge: Import) -> bool:
    """Even there inside a function only, which `an_extra_is_reached` sees to."""
    return under(edge.target, "jax") and not edge.module.startswith(JAX_MAY_BE_IN)


def torch_files_are_imported_eagerly(edge: Import) -> bool:
    """By anything that is no torch file itself: their import would bring torch along."""
    return not edge.lazy and edge.target.startswith(TORCH_FILES) and not edge.module.startswith(TORCH_MAY_BE_IN)


def an_extra_is_reached(edge: Import) -> bool:
    own = {name for module, names in OWN_EXTRAS.items() if under(edge.module, module) for name in names}
    others = [name for name in EXTRAS if name not in ("torch", *own)]
    return not edge.lazy and under(edge.target, *others) and not under(edge.module, *ANY_EXTRA_MAY_BE_IN)


def the_references_reach_out(edge: Import) -> bool:
    root = edge.target.split(".")[0]
    allowed = {"numpy", "reference_impls", *sys.stdlib_module_names}
    optional = edge.lazy and root in OPTIONAL_IN_REFERENCES and under(edge.module, OPTIONAL_IN_REFERENCES[root])
    return under(edge.module, "reference_impls") and root not in allowed and not optional


def the_references_are_reached(edge: Import) -> bool:
    return (
        under(edge.target, "reference_impls")
        and under(edge.module, "gradcheck_kit")
        and not under(edge.module, "gradcheck_kit.cli")
    )


RULES = {
    rule.__name__: rule
    for rule in (
        upwards,
        adapters_reach_out,
        adapters_are_reached,
        torch_is_reached,
        jax_is_reached,
        torch_files_are_imported_eagerly,
        an_extra_is_reached,
        the_references_reach_out,
        the_references_are_reached,
    )
}


@pytest.mark.parametrize("rule", RULES)
def test_no_import_breaks_the_rule(rule: str) -> None:
    assert [str(edge) for edge in all_imports() if RULES[rule](edge)] == []


def test_every_module_of_the_kit_has_its_layer() -> None:
    names = {path.stem for path in (ROOT / "gradcheck_kit").iterdir() if path.suffix == ".py" or path.is_dir()}
    known = set().union(*LAYERS) | {"adapters", "__init__", "__pycache__", "__main__"}
    assert names <= known


# Each rule with a module that breaks it, and one like it that does not.
PLANTED = [
    ("upwards", "gradcheck_kit.space", "from gradcheck_kit.engine import check"),
    ("upwards", "gradcheck_kit.verdict", "import gradcheck_kit.locate"),
    ("upwards", "gradcheck_kit.differences.line", "def f():\n    from ..checks import rounds"),
    ("upwards", "gradcheck_kit.checks.reference", "from gradcheck_kit.side_by_side import subjects"),
    ("upwards", "gradcheck_kit.engine", "def f():\n    from gradcheck_kit.exploration.search import explore"),
    ("upwards", "gradcheck_kit.exploration.search", "from gradcheck_kit.render import console"),
    ("adapters_reach_out", "gradcheck_kit.adapters.torch", "from gradcheck_kit.report import Report"),
    ("adapters_are_reached", "gradcheck_kit.checks.rounds", "from gradcheck_kit import adapters"),
    ("adapters_are_reached", "gradcheck_kit.side_by_side.subjects", "from gradcheck_kit.adapters import build"),
    ("torch_is_reached", "gradcheck_kit.space", "def f():\n    import torch"),
    ("torch_is_reached", "reference_impls.layers.affine", "from torch import nn"),
    ("torch_is_reached", PLUGIN, "def f():\n    import torch"),
    ("jax_is_reached", "gradcheck_kit.side_by_side.training", "def f():\n    import jax"),
    ("torch_files_are_imported_eagerly", "gradcheck_kit.engine", "from gradcheck_kit.adapters import torch"),
    ("torch_files_are_imported_eagerly", "gradcheck_kit.report", "from gradcheck_kit.torch import gradcheck"),
    ("an_extra_is_reached", "gradcheck_kit.engine", "import pytest"),
    ("an_extra_is_reached", "gradcheck_kit.engine", "if True:\n    from hypothesis import strategies"),
    ("an_extra_is_reached", "gradcheck_kit.exploration.structure", "from hypothesis import strategies"),
    ("an_extra_is_reached", PLUGIN, "import matplotlib.pyplot as plt"),
    ("an_extra_is_reached", f"{PLUGIN}.fixture", "import hypothesis"),
    ("an_extra_is_reached", f"{STRATEGIES}.arrays", "import pytest"),
    ("the_references_reach_out", "reference_impls.layers.affine", "import gradcheck_kit"),
    ("the_references_reach_out", "reference_impls.layers.affine", "import scipy.special"),
    ("the_references_reach_out", "reference_impls.examples.difference_error", "import matplotlib.figure"),
    ("the_references_reach_out", "reference_impls.networks.network", "def f():\n    import safetensors.numpy"),
    ("the_references_are_reached", "gradcheck_kit.engine", "from reference_impls.layers import Affine"),
]
INNOCENT = [
    ("upwards", "gradcheck_kit.engine", "from gradcheck_kit.space import norm"),
    ("upwards", "gradcheck_kit.verdict", "from gradcheck_kit.report import Report"),
    ("upwards", "gradcheck_kit.exploration.search", "from gradcheck_kit.engine import examine"),
    ("adapters_reach_out", "gradcheck_kit.adapters.torch", "from gradcheck_kit.space import norm"),
    ("adapters_are_reached", "gradcheck_kit.engine", "from gradcheck_kit.adapters import resolve"),
    ("adapters_are_reached", "gradcheck_kit.exploration.construction", "from gradcheck_kit.adapters import resolve"),
    ("torch_is_reached", "gradcheck_kit.adapters.torch_library", "import torch"),
    ("torch_is_reached", f"{PLUGIN}.devices", "def f():\n    import torch"),
    ("torch_is_reached", "gradcheck_kit.torch", "from gradcheck_kit.adapters.torch import subject_of\nimport torch"),
    ("jax_is_reached", "gradcheck_kit.side_by_side.jax_trainee", "def f():\n    import jax.numpy"),
    ("torch_files_are_imported_eagerly", "gradcheck_kit.adapters", "def f():\n    from . import torch"),
    ("an_extra_is_reached", "gradcheck_kit.engine", "def f():\n    import rich"),
    ("an_extra_is_reached", "gradcheck_kit.exploration.search", "def f():\n    import hypothesis"),
    ("an_extra_is_reached", f"{PLUGIN}.fixture", "import pytest"),
    ("an_extra_is_reached", f"{STRATEGIES}.arrays", "from hypothesis import strategies"),
    ("the_references_reach_out", "reference_impls.layers.affine", "import math\nimport numpy as np"),
    ("the_references_reach_out", "reference_impls.examples.difference_error", "def f():\n    import matplotlib.figure"),
    ("the_references_reach_out", "reference_impls.networks.storage", "def f():\n    import safetensors.numpy"),
    ("the_references_are_reached", "gradcheck_kit.cli.catalogue", "from reference_impls.layers import Affine"),
]


@pytest.mark.parametrize(("rule", "module", "source"), PLANTED)
def test_a_planted_import_breaks_its_rule(rule: str, module: str, source: str) -> None:
    assert any(RULES[rule](edge) for edge in imports_of(source, module))


@pytest.mark.parametrize(("rule", "module", "source"), INNOCENT)
def test_an_innocent_import_breaks_no_rule(rule: str, module: str, source: str) -> None:
    package = module == "gradcheck_kit.adapters"
    edges = list(imports_of(source, module, package))
    assert edges
    assert not any(broken(edge) for edge in edges for broken in RULES.values())


def test_every_rule_has_a_planted_import() -> None:
    assert {rule for rule, _, _ in PLANTED} == {rule for rule, _, _ in INNOCENT} == set(RULES)


# ---------------------------------------------------------------- what a running Python loads

LOADED = f"import sys; print(*[name for name in {EXTRAS} if name in sys.modules])"
CHECK = """
import numpy as np
import gradcheck_kit as gk

class Square:
    def forward(self, x):
        self.x = x
        return x * x

    def backward(self, cotangent):
        return 2 * self.x * cotangent

assert gk.check(Square(), np.array([1.0, -2.0]))
"""


def run(*arguments: str, path: Path = ROOT) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(path), str(ROOT)]), "PYTHONDONTWRITEBYTECODE": "1"}
    return subprocess.run(
        [sys.executable, "-W", "error", *arguments], capture_output=True, text=True, env=environment, check=False
    )


@pytest.mark.parametrize("code", ["import gradcheck_kit", CHECK], ids=["import", "check"])
def test_a_fresh_python_loads_no_extra(code: str) -> None:
    done = run("-c", f"{code}\n{LOADED}")
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == []


def test_the_bare_import_does_not_even_load_numpy() -> None:
    done = run("-c", "import gradcheck_kit, sys; print('numpy' in sys.modules)")
    assert done.stdout.split() == ["False"], done.stderr


def test_a_planted_module_that_imports_an_extra_is_seen(tmp_path: Path) -> None:
    (tmp_path / "planted.py").write_text("import gradcheck_kit\nimport pytest\n", encoding="utf-8")
    done = run("-c", f"import planted\n{LOADED}", path=tmp_path)
    assert done.stdout.split() == ["pytest"], done.stderr


CORE_ALONE = Path(__file__).with_name("core_alone.py")


def test_the_core_checks_a_layer_with_numpy_alone() -> None:
    done = run(str(CORE_ALONE), "--allow-extras")
    assert (done.returncode, done.stdout) == (0, "core alone: ok\n"), done.stderr


def test_the_script_for_the_core_alone_refuses_an_environment_with_extras() -> None:
    done = run(str(CORE_ALONE))
    assert done.returncode != 0
    assert "pytest" in done.stderr
    assert "--allow-extras" in done.stderr
