"""The plugin collects the cases of modules, and is not felt by a project that has none."""

import re
from pathlib import Path

from gradcheck_kit.record import read
from tests.edges.pytest_projects import INI, PLUGIN, ROOT, SAMPLE, run, write


def test_an_unrelated_project_sees_nothing_of_it(tmp_path: Path) -> None:
    done = run(write(tmp_path, {"pytest.ini": INI, "test_it.py": "def test_it(): pass\n"}))
    assert done.returncode == 0
    assert "gradcheck" not in done.stdout


LOADED = "import sys, pytest; pytest.main(['-q', *sys.argv[1:]]); print([n for n in %r if n in sys.modules])"


def test_loading_and_collecting_import_neither_numpy_nor_torch_nor_hypothesis(tmp_path: Path) -> None:
    test = "import pytest\n\n@pytest.mark.gradcheck(device='all')\ndef test_it(gradcheck): pass\n"
    folder = write(tmp_path, {"pytest.ini": INI, "test_it.py": test})
    code = LOADED % (["numpy", "torch", "hypothesis"],)
    plugins = ("-p", "no:hypothesispytest", *PLUGIN)
    done = run(folder, "--collect-only", *plugins, python=("-c", code))
    assert "test_it.py::test_it[cuda]" in done.stdout
    assert done.stdout.splitlines()[-1] == "[]"


def test_a_module_is_collected_by_its_name_its_path_and_the_id_of_one_case(tmp_path: Path) -> None:
    files = {name: text for name, text in SAMPLE.items() if not name.startswith("test_")}
    test = "from package.layers import Linear\n\ndef test_it(): pass\n"  # not collected a second time here
    folder = write(tmp_path, {**files, "tests/test_it.py": test})
    module = ["package/layers.py::Linear", "package/layers.py::Undeclared"]
    for arguments, expected in (
        ((), [*module, "tests/test_it.py::test_it"]),
        (("tests",), ["tests/test_it.py::test_it", *module]),
        (("package/layers.py::Linear",), module[:1]),
        (("tests/test_it.py",), ["tests/test_it.py::test_it"]),
        (("-m", "gradcheck", "--import-mode=importlib"), module),
    ):
        done = run(folder, "--collect-only", "-q", *arguments)
        assert sorted(line for line in done.stdout.splitlines() if "::" in line) == sorted(expected), arguments
    hidden = run(folder, "-onorecursedirs=package")
    assert hidden.returncode == 4
    assert "package.layers lies in the folder 'package', which norecursedirs leaves out" in hidden.stderr


def test_a_module_that_does_not_import_is_an_error_of_collection(tmp_path: Path) -> None:
    ini = f"{INI}gradcheck_modules = broken\npythonpath = .\n"
    done = run(write(tmp_path, {"pytest.ini": ini, "broken.py": "import no_such_thing\n"}))
    assert done.returncode == 2
    assert "gradcheck_modules: broken cannot be imported: ModuleNotFoundError: No module named" in done.stdout


def test_the_guide_is_a_project_that_runs_as_it_says(tmp_path: Path) -> None:
    guide = (ROOT / "docs" / "pytest.md").read_text(encoding="utf-8")
    blocks = re.findall(r"^```(?:python|toml)\n# (\S+)\n(.*?)^```", guide, flags=re.DOTALL | re.MULTILINE)
    assert len(blocks) == len(re.findall("^```(?:python|toml)$", guide, flags=re.MULTILINE))
    folder = write(tmp_path, dict(blocks))
    done = run(folder, "--gradcheck-report=report.json")
    assert done.returncode == 0, done.stdout
    record = read(folder / "report.json")
    told = {entry["where"]: entry["verdict"] for entry in record.subjects}
    assert set(told.values()) == {"PASS"}
    assert {"layers.py::Affine", "test_layers.py::test_tanh", "test_drawn.py::test_affine"} <= set(told)
    assert {"test_cases.py::tanh", "test_cases.py::wide[1 numbers]", "test_cases.py::wide[17 numbers]"} <= set(told)
    assert "layers.py::Tanh: no case is declared" in record.not_run
    for option in re.findall(r"--gradcheck-\w+|gradcheck_(?:device|seed|report|html|modules)\b", guide):
        assert option in (ROOT / "gradcheck_kit" / "pytest_plugin" / "options.py").read_text(encoding="utf-8")
