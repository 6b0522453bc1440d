"""The inventory lists every hand-written backward, nothing else, and is a gate."""

import importlib
import importlib.util
import inspect
import json
import pkgutil
import textwrap
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
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
from gradcheck_kit.inventory.waivers import Waiver, waivers_of
from gradcheck_kit.record import Record, entry
from reference_impls import autograd

ROOT = Path(gk.__file__).parents[1]
TODAY = date(2026, 11, 22)

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


def written(files: dict[str, str]) -> None:
    for name, text in files.items():
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).write_text(textwrap.dedent(text).lstrip("\n"), encoding="utf-8")


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


def test_of_the_kit_the_one_is_listed_that_joins_torchs_graph() -> None:
    assert [b.name for b in backwards([ROOT / "gradcheck_kit/adapters"])] == ["_Fresh.backward"]


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


# ---------------------------------------------------------------- coverage

PASSING, FAILING = "PASS", "FAIL"


def recorded(*checks: tuple[str, int, str, str]) -> Record:
    """A record whose checks each ran one function: file, line, name, verdict."""
    return Record(
        tuple(
            {
                "name": f"check {i}",
                "where": f"test_{i}",
                "verdict": verdict,
                "source": None,
                "ran": [{"file": file, "line": line, "name": name}],
            }
            for i, (file, line, name, verdict) in enumerate(checks)
        )
    )


LAYERS = """
    class One:
        def forward(self, x):
            return x

        def backward(self, cotangent):
            return cotangent

    if True:
        class Two:
            def forward(self, x): return x
            def backward(self, cotangent): return cotangent
    else:
        class Two:
            def forward(self, x): return x
            def backward(self, cotangent): return 2 * cotangent
"""


@pytest.fixture
def layers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """`One.backward` on line 5, `Two.backward` on 11 and on 15."""
    monkeypatch.chdir(tmp_path)
    written({"src/layers.py": LAYERS})
    return Path("src")


def states(paths: list[Path], record: Record, *waivers: Waiver) -> list[tuple[int, State]]:
    return [(one.backward.line, one.state) for one in take(paths, record, waivers, TODAY).assessed]


ONE, TWO = "One.backward", "Two.backward"


@pytest.mark.parametrize(
    ("check", "state"),
    [
        (("src/layers.py", 5, ONE, PASSING), State.COVERED),
        (("/home/elsewhere/src/layers.py", 5, ONE, PASSING), State.COVERED),
        (("src/layers.py", 3, ONE, PASSING), State.COVERED),
        (("src/layers.py", 5, ONE, FAILING), State.NOT_PASSED),
        (("src/layers.py", 5, ONE, "INCONCLUSIVE"), State.NOT_PASSED),
        (("src/other.py", 5, ONE, PASSING), State.NOT_COVERED),
        (("src/layers.py", 5, "other.<locals>.One.backward", PASSING), State.NOT_COVERED),
    ],
    ids=["ran", "ran elsewhere", "has moved since", "failed", "undecided", "another file", "another class"],
)
def test_a_backward_is_covered_by_a_check_that_ran_it_and_passed(
    layers: Path, check: tuple[str, int, str, str], state: State
) -> None:
    assert states([layers], recorded(check))[0] == (5, state)


def test_of_two_backwards_of_one_name_the_line_tells_which_one_ran(layers: Path) -> None:
    found = states([layers], recorded(("src/layers.py", 15, TWO, PASSING)))
    assert found[1:] == [(11, State.NOT_COVERED), (15, State.COVERED)]


def test_a_file_that_is_still_there_covers_no_other_of_the_same_name(layers: Path) -> None:
    written({"layers.py": LAYERS})
    assert states([layers], recorded(("layers.py", 5, ONE, PASSING)))[0] == (5, State.NOT_COVERED)


def test_a_real_check_covers_the_layer_it_is_of(layers: Path) -> None:
    specification = importlib.util.spec_from_file_location("sample_layers", layers / "layers.py")
    assert specification is not None
    assert specification.loader is not None
    module: Any = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    record = Record((entry(gk.examine(module.One(), np.ones(3)).to_dict(), "here"),))
    assert states([layers], record)[0] == (5, State.COVERED)


# ---------------------------------------------------------------- waivers

WAIVED = '{{backward = "src/layers.py::One.backward", reason = "{reason}", until = {until}}}'
RECORD = recorded(("src/layers.py", 11, TWO, PASSING), ("src/layers.py", 15, TWO, PASSING))


def gate(waiver: str | None, *more: str) -> int:
    """The command on the layers, with a configuration."""
    table = f"[tool.gradcheck_kit.inventory]\nwaive = [{waiver}]\n" if waiver else ""
    Path("pyproject.toml").write_text(table, encoding="utf-8")
    RECORD.to_json("record.json")
    return main(["inventory", "src", "--report", "record.json", *more])


def test_an_uncovered_backward_fails_the_gate(layers: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert gate(None) == 1
    said = capsys.readouterr().out
    assert "src/layers.py:5   One.backward  not covered\n" in said
    assert "FAIL  3 backwards: 2 covered, 1 not covered; check it in a test, or waive it in" in said


def test_a_waiver_with_a_reason_and_a_day_lets_it_pass(layers: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert gate(WAIVED.format(reason="being rewritten", until="2999-01-31")) == 0
    assert "waived until 2999-01-31: being rewritten" in capsys.readouterr().out


def test_an_expired_waiver_fails_and_says_when(layers: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert gate(WAIVED.format(reason="being rewritten", until="2020-01-31")) == 1
    assert "the waiver of src/layers.py::One.backward expired on 2020-01-31" in capsys.readouterr().out


def test_a_waiver_that_matches_nothing_fails(layers: Path, capsys: pytest.CaptureFixture[str]) -> None:
    waiver = WAIVED.format(reason="gone", until="2999-01-31").replace("One", "Gone")
    assert gate(waiver) == 1
    assert "the waiver of src/layers.py::Gone.backward matches no backward" in capsys.readouterr().out


def test_a_waiver_of_a_file_that_was_not_searched_is_not_judged(layers: Path) -> None:
    waiver = Waiver("elsewhere/a.py::A.backward", "why", TODAY)
    assert take([layers], RECORD, [waiver], TODAY).troubles == ()


def test_a_waiver_holds_on_its_last_day_and_not_after(layers: Path) -> None:
    waiver = Waiver("src/layers.py::One.backward", "why", TODAY)
    assert take([layers], RECORD, [waiver], TODAY).verdict is gk.Verdict.PASS
    assert take([layers], RECORD, [waiver], date(2026, 11, 23)).verdict is gk.Verdict.FAIL


def test_paths_of_waivers_are_seen_from_the_folder_of_the_configuration(
    layers: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (waiver,) = waivers_of({"waive": [{"backward": "src/a.py::A.b", "reason": "r", "until": TODAY}]}, Path("p.toml"))
    assert waiver.backward == "src/a.py::A.b"
    monkeypatch.chdir("src")
    table = {"waive": [{"backward": "src/a.py::A.b", "reason": "r", "until": TODAY}]}
    assert waivers_of(table, Path("../p.toml"))[0].backward == "a.py::A.b"


def test_a_waiver_that_a_check_has_made_needless_is_told(layers: Path, capsys: pytest.CaptureFixture[str]) -> None:
    one = '{backward = "src/layers.py::Two.backward", reason = "later", until = 2999-01-31}'
    assert gate(f"{WAIVED.format(reason='r', until='2999-01-31')}, {one}") == 0
    assert "its waiver is no longer needed" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("waiver", "said"),
    [
        ('"One.backward"', "waive[0] is a str; write {backward ="),
        ('{reason = "r", until = 2999-01-31}', "backward = None; write"),
        ('{backward = "One.backward", reason = "r", until = 2999-01-31}', "backward = 'One.backward'; write"),
        ('{backward = "a.py::A.b", until = 2999-01-31}', "a.py::A.b has no reason"),
        ('{backward = "a.py::A.b", reason = " ", until = 2999-01-31}', "a.py::A.b has no reason"),
        ('{backward = "a.py::A.b", reason = "r"}', "no day on which it expires"),
        ('{backward = "a.py::A.b", reason = "r", until = "2999-01-31"}', "unquoted"),
        ('{backward = "a.py::A.b", reason = "r", until = 2999-01-31T10:00:00}', "no day on which it expires"),
        ('{backward = "a.py::A.b", reason = "r", until = 2999-01-31, by = "me"}', "has a key 'by'"),
    ],
)
def test_a_waiver_that_lacks_something_exits_2(
    layers: Path, waiver: str, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert gate(waiver) == 2
    assert said in capsys.readouterr().err


# ---------------------------------------------------------------- formats


def test_without_a_report_it_is_a_list_and_no_pass(sample: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["inventory", "pkg"]) == 3
    said = capsys.readouterr().out
    assert "autograd.Function" in said
    assert said.endswith("13 backwards; pass --report FILE.json to learn which of them a check covers\n")


def test_a_code_base_without_backwards_is_no_pass(tmp_path: Path) -> None:
    (tmp_path / "a.py").touch()
    assert take([tmp_path], RECORD, (), TODAY).verdict is gk.Verdict.INCONCLUSIVE


def test_json_holds_what_the_text_says(layers: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert gate(None, "--format", "json") == 1
    said = json.loads(capsys.readouterr().out)
    assert (said["schema"], said["verdict"], said["counts"]["not covered"]) == (1, "FAIL", 1)
    assert [(b["name"], b["line"], b["state"]) for b in said["backwards"]] == [
        (ONE, 5, "not covered"),
        (TWO, 11, "covered"),
        (TWO, 15, "covered"),
    ]


def test_github_annotates_the_line_of_the_def(layers: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert gate(None, "--format", "github") == 1
    errors = [line for line in capsys.readouterr().out.splitlines() if line.startswith("::")]
    assert len(errors) == 1
    assert errors[0].startswith("::error file=src/layers.py,line=5,title=One.backward is not covered::")


def test_reports_of_several_shards_cover_together(layers: Path) -> None:
    for i, line in enumerate((11, 15)):
        recorded(("src/layers.py", line, TWO, PASSING)).to_json(f"{i}.json")
    recorded(("src/layers.py", 5, ONE, PASSING)).to_json("2.json")
    assert main(["inventory", "src", *(f"--report={i}.json" for i in range(3))]) == 0


def test_a_report_that_is_none_exits_2(layers: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["inventory", "src", "--report", "src/layers.py"]) == 2
    assert "is no JSON" in capsys.readouterr().err
