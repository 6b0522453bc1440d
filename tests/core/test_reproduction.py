"""A failure can be repeated: the printed lines, pasted into a fresh interpreter, fail in the same way."""

import itertools
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import gradcheck_kit as gk
from gradcheck_kit.literals import Literal
from gradcheck_kit.reproduction.source_text import ABSENT, source_text_of
from reference_impls.layers import BatchNorm1d, Dropout
from tests.mutants import MUTANTS
from tests.mutants.reference_edits import AffineAveragesBias
from tests.mutants.reference_layers import TanhWithoutSquare
from tests.mutants.torch_functions import ExpFlipped, LinearDetachesBias

ROOT = Path(__file__).resolve().parents[2]
REPEATED = (
    "Tanh forgets to square",  # layers, some with parameters and settings that their constructors take
    "LeakyReLU forgets its slope",
    "Embedding keeps the last of equal indices",
    "label smoothing over the other classes alone",
    "BatchNorm1d forgets xhat in dgamma",
    "LayerNorm takes its means over the batch",
    "backward overwrites the cotangent",
    "a layer's JVP is half of it",
    "gather assigns where indices repeat",  # functions
    "erf GELU with the derivative of the tanh GELU",
    "a residual path is forgotten",
    "a Function flips the sign",  # torch
    "a Function has no gradient for its second input",
    "a Function clamps its cotangent",
    "a Linear detaches its bias",
)

RUN = """
import json, sys
import gradcheck_kit as gk

def answer(lines):
    try:
        exec(lines, {})
    except gk.GradientCheckError as error:
        return json.loads(json.dumps(error.report.to_dict()["findings"]))
    return "passed"

print(json.dumps([answer(lines) for lines in json.load(sys.stdin)]))
"""


def in_a_fresh_python(*scripts: str) -> list[Any]:
    """The findings that each script fails with, all in one fresh interpreter, each with names of its own."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-c", RUN],
        input=json.dumps(scripts),
        capture_output=True,
        text=True,
        env=environment,
        cwd=ROOT,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found: list[Any] = json.loads(done.stdout)
    return found


def printed(report: gk.Report) -> str:
    """The lines to paste, as a person takes them from the text."""
    after = str(report).split("  to repeat it:\n")[1].splitlines()
    return "\n".join(line[4:] for line in itertools.takewhile(lambda line: line.startswith("    "), after))


def findings(report: gk.Report) -> Any:
    return json.loads(json.dumps(report.to_dict()["findings"]))


def lines_of(report: gk.Report) -> str:
    assert report.reproduction is not None
    return "\n".join(report.reproduction.lines)


def test_the_printed_lines_of_mutants_repeat_their_failures_in_a_fresh_interpreter() -> None:
    table = {mutant.name: mutant for mutant in MUTANTS}
    reports = [gk.examine(table[name].wrong(np.random.default_rng(3)), seed=5) for name in REPEATED]
    answers = in_a_fresh_python(*map(printed, reports))
    for name, report, answer in zip(REPEATED, reports, answers, strict=True):
        assert report.verdict is gk.Verdict.FAIL, name
        assert answer == findings(report), name  # every number, not only the verdict
        assert report.reproduction is not None
        assert report.reproduction.complete, name


X = np.linspace(0.3, 0.9, 6).reshape(2, 3)
OPTIONS: dict[str, dict[str, Any]] = {
    "wrt": {"wrt": "x"},
    "names": {"names": ["input"]},
    "require": {"require": 1e-4},
    "questions": {"questions": ["directional"]},
    "reference": {"reference": "native"},
}


@pytest.mark.parametrize("option", OPTIONS)
def test_an_option_of_the_check_is_repeated(option: str) -> None:
    lines = lines_of(gk.examine(TanhWithoutSquare(), X, **OPTIONS[option]))
    assert f", {option}=" in lines
    assert f", {option}=" not in lines_of(gk.examine(TanhWithoutSquare(), X))


def test_options_and_what_a_function_brings_are_repeated_exactly(tmp_path: Path) -> None:
    kinds = [
        gk.examine(TanhWithoutSquare(), X.astype(np.float32), seed=9, reference=np.tanh, names=["a b"]),
        gk.examine(gk.layer(TanhWithoutSquare(), X, batch=["x"]), questions="directional", require=1e-3),
        gk.examine(ExpFlipped, torch.tensor(X, dtype=torch.bfloat16), reference="native"),
        gk.examine(gk.module(LinearDetachesBias(3, 1), torch.ones(1, 3), vmap=True), questions="directional"),
        gk.examine(ExpFlipped.apply, torch.tensor([0.1, -0.0, 1e-3]), order=2),
        gk.examine(LinearDetachesBias(300, 2), torch.ones(1, 300), save=tmp_path / "failing.npz"),
    ]
    scripts = [lines_of(report) for report in kinds]
    scripts[0] = scripts[0].replace("reference = ...  # your", "from numpy import tanh as reference  #")
    assert [findings(report) for report in kinds] == in_a_fresh_python(*scripts)
    assert all(report.verdict is gk.Verdict.FAIL for report in kinds)


SPECIAL = [1.0, -0.0, 0.0, 0.1, 5e-324, 1.7976931348623157e308, float("inf"), -float("inf")]
ARRAYS = {
    "float64": np.array(SPECIAL),
    "float32": np.array([0.1, 1 / 3, -0.0, 1e-45, np.inf], np.float32),
    "float16": np.array([[0.1], [6e-8]], np.float16),
    "long": np.random.default_rng(0).normal(size=(3, 5)),
    "mostly zeros": np.eye(9)[:, :8],
    "one minus zero": np.where(np.eye(9) > 0, -0.0, 0.0),
    "integers": np.arange(6).reshape(2, 3),
    "short integers": np.arange(3, dtype=np.uint8),
    "booleans": np.array([True, False]),
    "a number": np.array(0.1),
    "empty": np.empty((0, 3), np.float32),
    "empty booleans": np.empty((2, 0), bool),
}


def made_by(lines: list[str]) -> Any:
    scope: dict[str, Any] = {}
    exec("\n".join(["import numpy as np, torch", "from base64 import b64decode", *lines]), scope)
    return scope["x"]


@pytest.mark.parametrize("name", ARRAYS)
def test_a_literal_gives_back_every_bit(name: str) -> None:
    array = ARRAYS[name]
    of_numpy = Literal(array.tolist(), array.shape, str(array.dtype), data=array.tobytes())
    of_torch = Literal(array.tolist(), array.shape, str(array.dtype), "cpu", array.tobytes())
    for lines in (of_numpy.lines("x"), *([of_numpy.packed("x")] if array.size else [])):
        assert max(map(len, lines)) <= 96
        made = made_by(lines)
        assert (made.dtype, made.shape, made.tobytes()) == (array.dtype, array.shape, array.tobytes())
        assert made.flags.writeable
    for lines in (of_torch.lines("x"), *([of_torch.packed("x")] if array.size else [])):
        made = made_by(lines)
        assert (made.numpy().dtype, made.numpy().tobytes()) == (array.dtype, array.tobytes())


def test_a_literal_of_bfloat16_gives_back_every_bit() -> None:
    tensor = torch.tensor([0.1, -3.0, 1e-30], dtype=torch.bfloat16)
    data = tensor.view(torch.uint16).numpy().tobytes()
    literal = Literal(tensor.tolist(), (3,), "bfloat16", "cpu", data)
    for lines in (literal.lines("x"), literal.packed("x")):
        made = made_by(lines)
        assert made.dtype is torch.bfloat16
        assert torch.equal(made, tensor)


def test_nan_is_spelled() -> None:
    assert np.isnan(made_by(Literal([float("nan"), 1.0], (2,), "float64").lines("x"))).tolist() == [True, False]


# ---------------------------------------------------------------- what is kept, and what is written


def test_the_saved_inputs_load_without_pickle_and_repeat_the_failure(tmp_path: Path) -> None:
    place = tmp_path / "failing.npz"
    rng = np.random.default_rng(0)
    layer = AffineAveragesBias(rng.normal(size=(40, 30)), rng.normal(size=30))
    report = gk.examine(layer, rng.normal(size=(20, 40)), save=place)
    assert report.reproduction is not None
    assert (report.reproduction.inputs, report.reproduction.saved) == ({}, str(place))
    with np.load(place, allow_pickle=False) as saved:
        assert sorted(saved) == ["W", "b", "x"]
        np.testing.assert_array_equal(saved["W"], layer.params["W"])
    assert in_a_fresh_python(printed(report)) == [findings(report)]


def test_an_input_may_have_any_name_in_the_file(tmp_path: Path) -> None:
    report = gk.examine(TanhWithoutSquare(), X, names=["file"], save=tmp_path / "failing.npz")
    assert in_a_fresh_python(lines_of(report)) == [findings(report)]


def test_nothing_is_written_unasked_or_where_the_gradient_is_right(tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.chdir(tmp_path)
    gk.examine(TanhWithoutSquare(), X)
    assert gk.examine(np.sin, X, vjp=lambda u, x: u * np.cos(x), save="failing.npz").reproduction is None
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("save", ["no/such/folder/failing.npz", ".", 3])
def test_a_place_that_cannot_be_written_to_is_refused_before_the_check(save: Any) -> None:
    def never(*_: Any) -> Any:
        raise AssertionError("the check has begun")

    with pytest.raises(gk.UsageError, match="save"):
        gk.examine(never, X, vjp=never, save=save)


def test_a_large_input_is_not_kept_and_the_text_says_how_to_keep_it() -> None:
    report = gk.examine(TanhWithoutSquare(), np.linspace(-1, 1, 1000))
    assert report.reproduction is not None
    assert report.reproduction.inputs == {}
    assert not report.reproduction.complete
    assert 'x = ...  # float64 (1000,); save="failing.npz" keeps it' in printed(report)


def test_json_holds_lines_and_inputs_also_where_they_are_not_finite() -> None:
    def vjp(u: Any, x: Any, t: Any) -> Any:
        return np.where(np.isfinite(t), 2 * u, u), None

    report = gk.examine(
        lambda x, t: np.where(np.isfinite(t), x, 0.5 * x), X, np.array([1.0, np.inf, 2.0]), vjp=vjp, wrt="x"
    )
    told = json.loads(json.dumps(report.to_dict(), allow_nan=False))["reproduction"]
    assert told["inputs"]["t"] == {"dtype": "float64", "shape": [3], "values": [1.0, "inf", 2.0]}
    assert told["lines"][0] == "import numpy as np"


def test_what_was_not_decided_keeps_its_lines_to_itself() -> None:
    report = gk.examine(np.floor, np.array([1.0, 2.0]), vjp=lambda u, x: 0 * u, names=["x"])
    assert report.verdict is gk.Verdict.INCONCLUSIVE
    assert "x = np.array([1.0, 2.0])" in lines_of(report)
    assert "to repeat it" not in str(report)


# ---------------------------------------------------------------- what cannot be known is said


def test_what_has_no_name_is_left_to_fill_in_with_the_place_of_its_source() -> None:
    power = 2
    report = gk.examine(lambda x: x**power, X, vjp=lambda u, x: u * power * x**0)
    assert "target = ...  # your <lambda>, from test_reproduction.py, line" in lines_of(report)
    assert "vjp = ...  # your <lambda>, from" in lines_of(report)
    assert report.reproduction is not None
    assert not report.reproduction.complete


HALF = 0.5


def _cosine(x: Any) -> Any:
    return np.cos(x)


def test_a_lambda_that_is_no_more_than_its_text_is_written_out() -> None:
    report = gk.examine(lambda x: np.sin(x[..., 0]), X, vjp=lambda u, x: HALF * (u * _cosine(x.T)).T, names=["x"])
    lines = lines_of(report)
    assert "\ntarget = lambda x: np.sin(x[..., 0])\n" in lines
    assert "\nHALF = 0.5\n" in lines
    assert "\nfrom tests.core.test_reproduction import _cosine\n" in lines
    assert report.reproduction is not None
    assert report.reproduction.complete
    assert in_a_fresh_python(printed(report)) == [findings(report)]


def test_a_local_function_that_is_no_more_than_its_text_is_written_out() -> None:
    def forward(x: torch.Tensor) -> torch.Tensor:
        """Straight-through."""
        rounded = torch.round(x)
        return x * x + (rounded - rounded.detach())

    report = gk.examine(forward, torch.tensor(X))
    assert report.verdict is gk.Verdict.PASS

    def backward(u: Any, x: Any) -> Any:
        scale = [np.tanh(v) for v in x]
        return u * np.array(scale)

    failing = gk.examine(np.tanh, X, vjp=backward, names=["x"])
    assert "def backward(u, x):\n    scale = [np.tanh(v) for v in x]\n" in lines_of(failing)
    assert in_a_fresh_python(printed(failing)) == [findings(failing)]


def test_two_lambdas_on_one_line_are_told_apart_and_code_that_is_not_in_the_file_is_not_written() -> None:
    one, other = (lambda u, x: u * x * 2), (lambda u, x: u * x * 3)
    for vjp, factor in ((one, 2), (other, 3)):
        assert f"\nvjp = lambda u, x: u * x * {factor}\n" in lines_of(gk.examine(np.exp, X, vjp=vjp, names=["x"]))
    scope: dict[str, Any] = {}
    exec("f = lambda u, x: u * x", scope)
    assert "\nvjp = ...  # your <lambda>" in lines_of(gk.examine(np.exp, X, vjp=scope["f"], names=["x"]))


@pytest.mark.parametrize("what", ["a default", "a module by another name", "a class of the test's own"])
def test_a_function_that_uses_more_than_its_text_is_not_written_out(what: str) -> None:
    class Local:
        factor = 2

    functions: dict[str, Any] = {
        "a default": lambda u, x, k=2: u * x * k,
        "a module by another name": lambda u, x: u * x * missing_module.k,  # type: ignore[name-defined]  # noqa: F821
        "a class of the test's own": lambda u, x: u * x * Local.factor,
    }
    assert source_text_of(functions[what]) is None or source_text_of(functions[what]).uses["missing_module"] is ABSENT  # type: ignore[union-attr]


def test_a_generator_of_a_constructor_is_left_to_fill_in() -> None:
    class DropoutWithoutScale(Dropout):
        def backward(self, cotangent: Any) -> Any:
            return np.where(self._saved_by_forward() > 0, cotangent, 0.0)

    lines = lines_of(gk.examine(DropoutWithoutScale(0.4, np.random.default_rng(0)), np.ones((3, 4))))
    assert "# fill in: rng\nlayer = DropoutWithoutScale(0.4, ...)" in lines
    assert "# define DropoutWithoutScale first" in lines


def test_a_layer_in_evaluation_comes_back_with_its_statistics_and_other_arrays_are_told() -> None:
    class Doubled(BatchNorm1d):
        def backward(self, cotangent: Any) -> Any:
            return 2 * super().backward(cotangent)

    layer = Doubled(np.ones(3), np.zeros(3))
    layer.training = False
    layer.centres = np.zeros(3)
    lines = lines_of(gk.examine(layer, np.arange(12.0).reshape(4, 3) ** 2))
    assert "layer.training = False" in lines
    assert "# not set here: its centres" in lines
    assert "layer.buffers['running_mean'] = buffers_running_mean\n" in lines


def test_a_layer_that_is_built_otherwise_is_given_its_parameters() -> None:
    class Doubled:
        def __init__(self, seed: int) -> None:
            self.params = {"0.W": np.random.default_rng(seed).normal(size=3)}
            self.grads: dict[str, Any] = {}

        @property
        def seed(self) -> int:
            raise AssertionError("the report runs no code of the layer")

        def forward(self, x: Any) -> Any:
            self.x = x
            return x * self.params["0.W"]

        def backward(self, u: Any) -> Any:
            self.grads["0.W"] = 2 * (u * self.x).sum(axis=0)
            return u * self.params["0.W"]

    lines = lines_of(gk.examine(Doubled(1), X))
    assert "layer = Doubled(...)\nlayer.params['0.W'][...] = _0_W\n" in lines


def test_a_subject_put_together_by_hand_is_left_to_fill_in() -> None:
    subject = gk.function(np.sin, X, vjp=lambda u, x: u, names=["x"])
    bare = gk.Subject("by hand", subject.library, subject.point, ("x",), subject.forward, subject.pullback)
    assert "subject = ...  # your by hand, at these inputs\ngk.check(subject, seed=0)" in lines_of(gk.examine(bare))


def test_inputs_with_the_names_of_other_things_do_not_hide_them() -> None:
    report = gk.examine(ExpFlipped, torch.tensor(X), names=["ExpFlipped"])
    assert in_a_fresh_python(lines_of(report)) == [findings(report)]
    report = gk.examine(TanhWithoutSquare(), X, names=["np"])
    assert in_a_fresh_python(lines_of(report)) == [findings(report)]


def test_a_module_comes_back_with_its_dtype_mode_and_frozen_parameters() -> None:
    module = LinearDetachesBias(3, 2).double().eval()
    module.weight.requires_grad_(False)
    report = gk.examine(module, torch.tensor(X))
    lines = lines_of(report)
    assert "module = LinearDetachesBias(3, 2).to(torch.float64)\n" in lines
    assert "module.get_parameter('weight').requires_grad_(False)\nmodule.eval()\n" in lines
    assert in_a_fresh_python(lines) == [findings(report)]
