"""The example's curves are V's with the slopes of their orders, and the central one goes deeper."""

import math
import subprocess
import sys
from pathlib import Path

import pytest

from reference_impls.examples.difference_error import derivative, errors, main


def test_the_derivative_beside_the_differences_is_exact() -> None:
    assert derivative() == 3.297442541400256
    assert derivative(0.25) == pytest.approx(4 * 0.25 * math.exp(2 * 0.25**2), rel=1e-15)


def test_truncation_falls_by_one_decade_a_decade_and_by_two_for_central_differences() -> None:
    at = {row.step: row for row in errors()}
    for wide, narrow in ((1e-2, 1e-3), (1e-3, 1e-4)):
        assert at[wide].forward / at[narrow].forward == pytest.approx(10, rel=0.1)
        assert at[wide].central / at[narrow].central == pytest.approx(100, rel=0.1)


def test_rounding_lifts_both_again_and_the_central_v_is_deeper() -> None:
    curve = errors()
    for name in ("forward", "central"):
        values = [getattr(row, name) for row in curve]
        assert values[-1] > 1e3 * min(values)
        assert 0 < values.index(min(values)) < len(values) - 1
    assert min(row.central for row in curve) < 1e-2 * min(row.forward for row in curve)


def test_the_table_says_which_step_is_best(capsys: pytest.CaptureFixture[str]) -> None:
    main([])
    printed = capsys.readouterr().out
    assert "by backward: 3.297442541400256" in printed
    assert "forward differences are best at h = 1e-08" in printed
    assert "central differences are best at h = 1e-06" in printed


def test_the_curves_are_drawn(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("matplotlib")
    picture = tmp_path / "curves.png"
    main(["--plot", str(picture)])
    assert picture.read_bytes().startswith(b"\x89PNG")
    assert str(picture) in capsys.readouterr().out


def test_without_matplotlib_the_table_is_printed_and_the_plot_says_what_is_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(ModuleNotFoundError, match=r"gradcheck-kit\[plot\]"):
        main(["--plot", str(tmp_path / "curves.png")])
    assert "1e-15" in capsys.readouterr().out


def test_the_example_runs_as_a_module() -> None:
    command = [sys.executable, "-W", "error", "-m", "reference_impls.examples.difference_error"]
    printed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert len(printed.splitlines()) == 19
