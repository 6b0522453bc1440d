"""What pytest is told of gradient checks: the marker's arguments, the options, devices and dtypes."""

import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import gradcheck_kit as gk
from gradcheck_kit.pytest_plugin.devices import expect_as_marked, moved
from gradcheck_kit.pytest_plugin.running import Defaults
from gradcheck_kit.record import read
from tests.edges.pytest_projects import INI, LAYERS, run, section, write

WRONG_MARKERS = {
    "tolerance=1e-3": "takes no 'tolerance'; it takes device, dtype, require, seed",
    "'cuda'": "name the argument, such as device='cuda'",
    "device='gpu'": "'gpu' is no device; pass 'cpu', 'cuda'",
    "device=[]": "pass a string or a list of strings",
    "dtype='int32'": "pass one or several of float64, float32, float16, bfloat16",
    "require=2": "pass a relative resolution between 0 and 1",
    "seed=-1": "pass a non-negative integer",
}


def test_a_marker_that_cannot_be_meant_is_an_error_of_collection_that_says_what_to_type(tmp_path: Path) -> None:
    files = {
        f"test_{i}.py": f"import pytest\n\n@pytest.mark.gradcheck({said})\ndef test_it(gradcheck):\n    pass\n"
        for i, said in enumerate(WRONG_MARKERS)
    }
    done = run(write(tmp_path, {"pytest.ini": INI, **files}))
    assert done.returncode == 2
    for i, message in enumerate(WRONG_MARKERS.values()):
        assert f"test_{i}.py::test_it: @pytest.mark.gradcheck" in done.stdout
        assert message in done.stdout
    assert "Traceback" not in done.stdout
    assert "gradcheck_kit/" not in done.stdout


@pytest.mark.parametrize(
    ("argument", "said"),
    [
        ("--gradcheck-device=gpu", "'gpu' is no device; pass a list such as cpu,cuda"),
        ("--gradcheck-device=", "names no device"),
        ("--gradcheck-seed=x", "'x'; pass a non-negative integer"),
        ("--gradcheck-seed=1_0", "'1_0'; pass a non-negative integer"),
        ("-ogradcheck_seed=-1", "'-1'; pass a non-negative integer"),
        ("-ogradcheck_modules=no_such_module", "there is no Python module 'no_such_module'"),
        ("-ogradcheck_modules=no_such_package.layers", "'no_such_package.layers' cannot be found"),
    ],
)
def test_an_option_that_cannot_be_meant_is_a_usage_error(tmp_path: Path, argument: str, said: str) -> None:
    done = run(write(tmp_path, {"pytest.ini": INI, "test_it.py": "def test_it(): pass\n"}), argument)
    assert done.returncode == 4
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_the_command_line_leaves_devices_out_and_all_means_those_of_the_run(tmp_path: Path) -> None:
    devices = """
        import numpy as np
        import pytest
        from layers import Scale

        @pytest.mark.gradcheck(device="all")
        class TestAll:
            def test_it(self, gradcheck):
                gradcheck(Scale(2.0), np.ones(2))

        @pytest.mark.gradcheck(device="mps")
        def test_named(gradcheck):
            raise AssertionError

        @pytest.mark.gradcheck(device="mps")
        def test_without_the_fixture():
            pass
    """
    ini = f"{INI}gradcheck_device = cpu\ngradcheck_report = kept.json\n"
    folder = write(tmp_path, {"pytest.ini": ini, "layers.py": LAYERS, "test_devices.py": devices})
    done = run(folder, "-v")
    assert done.returncode == 0, done.stdout
    assert re.search(r"TestAll::test_it\[cpu\] PASSED", done.stdout)
    assert re.search(r"test_without_the_fixture PASSED", done.stdout)
    assert read(folder / "kept.json").not_run == ("test_devices.py::test_named[mps]: --gradcheck-device=cpu",)
    collected = run(folder, "--collect-only", "-q", "--gradcheck-device=cpu,cuda:99")
    assert "TestAll::test_it[cuda:99]" in collected.stdout


def test_a_check_that_does_not_run_where_its_marker_says_is_refused(tmp_path: Path) -> None:
    here = """
        import numpy as np
        import pytest
        import gradcheck_kit as gk
        from layers import Scale

        @pytest.mark.gradcheck(dtype="float32", require=0.1)
        def test_forgotten(gradcheck):
            with pytest.raises(gk.UsageError, match="asks for float32, and Scale was checked in float64 on cpu"):
                gradcheck(Scale(2.0), np.ones(2))
            report = gradcheck(Scale(2.0), gradcheck.to(np.ones(2)))
            assert (report.dtype, report.require, gradcheck.dtype) == ("float32", 0.1, "float32")

        @pytest.mark.gradcheck(dtype="float32")
        def test_a_search_draws_dtypes_itself(gradcheck):
            with pytest.raises(gk.UsageError, match="draws the dtype itself"):
                gradcheck.explore(Scale(2.0), x=("n",))

        def test_the_generator_starts_anew(gradcheck):
            assert gradcheck.rng.normal() == gradcheck.rng.normal()

        @pytest.fixture(scope="session")
        def outside(gradcheck):
            return gradcheck.device
    """
    done = run(write(tmp_path, {"pytest.ini": INI, "layers.py": LAYERS, "test_here.py": here}))
    assert done.returncode == 0, done.stdout
    assert section(done.stdout)[0] == "1 subject checked: 1 PASS"


@pytest.mark.parametrize(
    ("argument", "said"),
    [
        ("--markers", r"@pytest.mark.gradcheck\(device=None, dtype=None, require=None, seed=None\): how the checks"),
        ("--fixtures", r"gradcheck \[session scope\].*\n.*gradcheck\(target, \*inputs\) is gradcheck_kit.check"),
        ("--help", r"--gradcheck-device=DEVICES(.|\n)*--gradcheck-html(.|\n)*gradcheck_modules"),
    ],
)
def test_the_texts_of_pytest_name_it(tmp_path: Path, argument: str, said: str) -> None:
    done = run(write(tmp_path, {"pytest.ini": INI}), argument)
    assert re.search(said, done.stdout), done.stdout


def test_to_copies_and_casts_what_is_floating_point() -> None:
    x, i = np.ones(2), np.arange(2)
    there = moved(x, Defaults("cpu", "float32", None, 0))
    assert there.dtype == np.float32
    assert moved(i, Defaults(None, "float32", None, 0)).dtype == i.dtype
    assert moved(x, Defaults(None, None, None, 0)) is not x
    for value, defaults, said in (
        (object(), Defaults(None, "float32", None, 0), "takes arrays, tensors and modules"),
        (x, Defaults("cuda", None, None, 0), "a NumPy array cannot be on cuda"),
        (x, Defaults(None, "bfloat16", None, 0), "NumPy has no bfloat16"),
    ):
        with pytest.raises(gk.UsageError, match=said):
            moved(value, defaults)


def test_to_moves_tensors_and_copies_of_modules(device: str, needs_device: Callable[[str, str], None]) -> None:
    torch = pytest.importorskip("torch")
    needs_device(device, "moving tensors and modules")
    module, wanted = torch.nn.Linear(2, 3), Defaults(device, "float64", None, 0)
    there = moved(module, wanted)
    assert (there.weight.dtype, there.weight.device.type) == (torch.float64, device)
    assert (module.weight.dtype, module.weight.device.type) == (torch.float32, "cpu")
    x = moved(torch.ones(1, 2), wanted)
    expect_as_marked(gk.check(there, x), wanted)
    assert moved(torch.arange(2), wanted).dtype == torch.int64


@pytest.mark.parametrize("option", ["report", "html"])
@pytest.mark.parametrize("place", ["on the command line", "in the configuration"])
def test_a_file_that_cannot_be_written_is_refused_before_the_first_test(
    tmp_path: Path, option: str, place: str
) -> None:
    test = "from pathlib import Path\n\ndef test_it(): Path('ran').touch()\n"
    folder = write(tmp_path, {"pytest.ini": INI, "test_it.py": test, "notes": "mine"})
    file = folder / "notes" / "out"
    typed = f"--gradcheck-{option}={file}" if place == "on the command line" else f"-ogradcheck_{option}={file}"
    done = run(folder, typed)
    assert done.returncode == 4, done.stdout + done.stderr
    assert f"--gradcheck-{option}: cannot write {file}: {folder}/notes is no directory" in done.stderr
    assert not (folder / "ran").exists()
    assert (folder / "notes").read_text(encoding="utf-8") == "mine\n"


def test_one_file_for_both_forms_of_the_results_is_refused(tmp_path: Path) -> None:
    folder = write(tmp_path, {"pytest.ini": INI, "test_it.py": "def test_it(): pass\n"})
    done = run(folder, "--gradcheck-report=out", f"--gradcheck-html={folder / 'out'}")
    assert done.returncode == 4, done.stdout + done.stderr
    assert "--gradcheck-report and --gradcheck-html would write" in done.stderr
    assert not (folder / "out").exists()
