"""The inventory lists every backward of a code base, read from its source, and no other."""

import importlib
import importlib.util
import inspect
import pkgutil
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

import gradcheck_kit as gk
import reference_impls
from gradcheck_kit.cli import layer_rows, main
from gradcheck_kit.cli.fast_catalogue import FAST_CATALOGUE, FAST_TWINS
from gradcheck_kit.cli.graph_catalogue import GRAPH_CATALOGUE, GRAPH_TWINS
from gradcheck_kit.inventory.backward import Kind
from gradcheck_kit.inventory.coverage import State
from gradcheck_kit.inventory.gate import take
from gradcheck_kit.inventory.listing import backwards
from gradcheck_kit.record import Record
from reference_impls import autograd
from tests.edges.inventoried import TODAY, written

ROOT = Path(gk.__file__).parents[1]


# `# listed: NAME` stands on the line of every `def` that the inventory has to list; it must list no other.
SAMPLE = {
    "pkg/__init__.py": "from pkg.base import Base\n",
    "pkg/base.py": """
        from torch.autograd import Function as F

        class Base(F):
            '''A mixin: what it has in common with Function is its base.'''

        class Layer:
            def forward(self, x):
                raise NotImplementedError

            def backward(self, cotangent):  # abstract: Layer.backward
                '''Write it.'''
                raise NotImplementedError("write it")
    """,
    "pkg/torch_functions.py": """
        import torch
        import torch.autograd.function as af
        from . import Base

        if torch.cuda.is_available():
            print("this file is not run", 1 / 0)

        class Square(torch.autograd.Function):
            @staticmethod
            def forward(ctx, x):
                return x * x

            @staticmethod
            @af.once_differentiable
            def backward(ctx, cotangent):  # listed: Square.backward
                return cotangent

        class Cube(Base):
            @staticmethod
            def backward(ctx, cotangent):  # listed: Cube.backward
                return cotangent

        class Doubled(Cube):
            pass

        class InPlace(af.InplaceFunction):
            @staticmethod
            def vjp(ctx, cotangent):  # listed: InPlace.vjp
                return cotangent

        def made():
            alias = af.NestedIOFunction

            class Nested(alias):
                def backward(ctx, cotangent):  # listed: made.<locals>.Nested.backward
                    return cotangent

            return Nested

        def train(loss):
            loss.backward()
            loss.backward(retain_graph=True)
    """,
    "pkg/layers.py": """
        from typing import Generic, TypeVar
        from pkg import base as common

        T = TypeVar("T")

        class Affine(common.Layer):
            def forward(self, x):
                return x

            def backward(self, cotangent):  # listed: Affine.backward
                return cotangent

        class Norm(Generic[T]):
            def backward(self, cotangent):  # listed: Norm.backward
                return cotangent

        class BatchNorm(Norm[int]):
            def forward(self, x):
                return x

        def doubled(cotangent):  # listed: doubled
            return 2 * cotangent

        class Assigned:
            def forward(self, x):
                return 2 * x

            backward = staticmethod(doubled)

        class OnlyForward:
            def forward(self, x):
                return x

        class Cursor:
            def backward(self, steps):
                self.position -= steps

        class History:
            def forward(self):
                self.page += 1

            def backward(self):
                self.page -= 1

        def backward(cotangent):
            return cotangent
    """,
    "pkg/jax_functions.py": """
        from functools import partial
        import jax
        from jax import custom_vjp as cv

        @jax.custom_vjp
        def square(x):
            return x * x

        def square_forward(x):
            return x * x, x

        def square_backward(x, cotangent):  # listed: square_backward
            return (2 * x * cotangent,)

        square.defvjp(square_forward, square_backward)

        @partial(cv, nondiff_argnums=(0,))
        def power(n, x):
            return x**n

        power.defvjp(lambda n, x: (x**n, x), bwd=lambda n, x, u: (n * x * u,))  # listed: <lambda>

        def plain(x):
            return x

        called = jax.custom_vjp(plain)

        def called_backward(_, cotangent):  # listed: called_backward
            return (cotangent,)

        called.defvjp(lambda x: (x, None), called_backward)
        registry.defvjp(plain, plain)
        jitted = jax.jit(plain)
    """,
    "pkg/operators.py": """
        import torch
        from torch.library import register_autograd, custom_op

        def sine_backward(ctx, cotangent):  # listed: sine_backward
            return cotangent

        register_autograd("pkg::sine", sine_backward, setup_context=None)

        @custom_op("pkg::cosine", mutates_args=())
        def cosine(x: torch.Tensor) -> torch.Tensor:
            return x.cos()

        def cosine_backward(ctx, cotangent):  # listed: cosine_backward
            return cotangent

        cosine.register_autograd(cosine_backward)
        cosine.register_fake(lambda x: x)
        plugins.register_autograd(cosine)
    """,
}


@pytest.fixture
def sample(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The sample package, in the working directory."""
    monkeypatch.chdir(tmp_path)
    written(SAMPLE)
    return Path("pkg")


def marked(folder: Path, mark: str) -> set[tuple[str, int, str]]:
    """What the comments of the sources say."""
    return {
        (path.as_posix(), number, line.split(f"# {mark}: ")[1])
        for path in folder.rglob("*.py")
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        if f"# {mark}: " in line
    }


def test_twelve_backwards_of_every_kind_are_listed_and_nothing_else(sample: Path) -> None:
    found = backwards([sample])
    listed = {(b.file, b.line, b.name) for b in found if not b.abstract}
    assert listed == marked(sample, "listed")
    assert len(listed) == 12
    assert {(b.file, b.line, b.name) for b in found if b.abstract} == marked(sample, "abstract")
    assert {b.kind for b in found} == set(Kind)


@pytest.mark.parametrize("path", sorted(SAMPLE))
def test_a_file_alone_lists_its_own(sample: Path, path: str) -> None:
    """What only another file tells is then unknown: whose subclass `Cube` is."""
    known = {place for place in marked(sample, "listed") if place[0] == path and place[2] != "Cube.backward"}
    if path == "pkg/base.py":
        known = marked(sample, "abstract")
    if path == "pkg/__init__.py":
        assert backwards([Path(path)]) == []
    assert {(b.file, b.line, b.name) for b in backwards([Path(path)])} == known


def test_an_operator_is_named_beside_its_backward(sample: Path) -> None:
    of = {b.name: b.of for b in backwards([sample])}
    assert (of["sine_backward"], of["cosine_backward"], of["square_backward"]) == ("pkg::sine", "cosine", "square")


def test_a_custom_vjp_without_a_defvjp_is_listed_itself(tmp_path: Path) -> None:
    (tmp_path / "it.py").write_text("import jax\n\n@jax.custom_vjp\ndef f(x):\n    return x\n", encoding="utf-8")
    (found,) = backwards([tmp_path])
    assert (found.name, found.line, found.of) == ("f", 4, "no defvjp in the files read")


@pytest.mark.parametrize(
    "source",
    [
        "from it import *\nfrom it import f as g\nclass A(g): ...\nf = g\ng = f\nclass B(f): ...",
        "class A(A):\n    def forward(self, x): ...\n",
        "class Hook(lightning.Module):\n    def forward(self, x): ...\n    def backward(self): yield",
        "import lightning.pytorch as pl\nclass Model(pl.LightningModule):\n"
        "    def forward(self, x): return x\n    def backward(self, loss): loss.backward()",
        "class Async:\n    def forward(self, x): ...\n    async def backward(self, cotangent): ...",
    ],
    ids=["circle of names", "its own base", "unknown base", "training hook", "asynchronous"],
)
def test_odd_sources_are_read_without_an_end_or_a_guess(tmp_path: Path, source: str) -> None:
    (tmp_path / "it.py").write_text(source, encoding="utf-8")
    assert [b.name for b in backwards([tmp_path])] == (["Hook.backward"] if "Hook" in source else [])


def test_folders_of_tools_are_left_alone(tmp_path: Path) -> None:
    layer = "class A:\n    def forward(self, x): ...\n    def backward(self, u): return u\n"
    for folder in (".tox", "venv/lib", "__pycache__", "kept"):
        (tmp_path / folder).mkdir(parents=True)
        (tmp_path / folder / "a.py").write_text(layer, encoding="utf-8")
    (tmp_path / "venv/pyvenv.cfg").touch()
    assert [Path(b.file).parent.name for b in backwards([tmp_path])] == ["kept"]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"x = 1\ndef f(:\n", "it.py:2 does not parse"),
        (b"x = 1\n\0", "it.py:"),
        (b"# coding: no-such\n", "it.py:1 does not parse"),
        (b"x = '\xff'\n", "it.py:1 does not parse"),
    ],
)
def test_a_file_that_does_not_parse_exits_2_with_file_and_line(
    tmp_path: Path, content: bytes, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "it.py").write_bytes(content)
    assert main(["inventory", str(tmp_path)]) == 2
    assert said in capsys.readouterr().err


@pytest.mark.parametrize("path", ["nowhere", "empty"])
def test_a_path_without_source_exits_2(tmp_path: Path, path: str, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "empty").mkdir()
    assert main(["inventory", str(tmp_path / path)]) == 2
    assert "pass files or folders of Python source" in capsys.readouterr().err


def classes_of(package: ModuleType) -> Iterator[type]:
    for found in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
        module = importlib.import_module(found.name)
        yield from (held for held in vars(module).values() if inspect.isclass(held))


def test_of_the_references_those_are_listed_that_the_running_program_has() -> None:
    listed = {(Path(b.file).name, b.line, b.name) for b in backwards([ROOT / "reference_impls"])}
    codes = {
        kind.backward.__code__
        for kind in classes_of(reference_impls)
        if hasattr(kind, "forward") and hasattr(kind, "backward")
    }
    assert listed == {(Path(c.co_filename).name, c.co_firstlineno, c.co_qualname) for c in codes}
    assert len(listed) > 40


def test_of_the_kit_those_are_listed_that_join_torchs_graph() -> None:
    found = [b.name for b in backwards([ROOT / "gradcheck_kit/adapters"])]
    assert found == ["_Fresh.backward", "_Seed.backward"]


def test_every_backward_of_the_references_is_covered_by_the_layer_table() -> None:
    rows = [row.to_dict() for row in layer_rows.rows(0, [], None)]
    found = take([ROOT / "reference_impls"], Record(tuple(rows)), (), TODAY)
    assert [one for one in found.assessed if one.state not in (State.COVERED, State.ABSTRACT)] == []
    assert found.counts[State.ABSTRACT] == 2


def test_ci_takes_the_inventory_of_the_references_as_a_gate() -> None:
    *_, verify, inventory = (ROOT / ".ci/run").read_text(encoding="utf-8").splitlines()
    assert verify.endswith('gradcheck-kit verify --no-mnist --json "$report"')
    assert inventory.endswith('gradcheck-kit inventory reference_impls --report "$report"')


def test_every_operation_of_the_graph_has_its_row_and_its_twin() -> None:
    operations = {name for name in autograd.__all__ if inspect.isclass(getattr(autograd, name))}
    names = {entry.name for entry in GRAPH_CATALOGUE}
    assert {f"{name} (graph)" for name in operations - {"Function", "Variable"}} <= names
    assert names == GRAPH_TWINS.keys()
    assert {entry.name for entry in FAST_CATALOGUE} == FAST_TWINS.keys()


def test_without_a_report_it_is_a_list_and_no_pass(sample: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["inventory", "pkg"]) == 3
    said = capsys.readouterr().out
    assert "autograd.Function" in said
    assert said.endswith("13 backwards; pass --report FILE.json to learn which of them a check covers\n")
