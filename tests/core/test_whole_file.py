"""A file is written whole or not at all, and where it was said, through a link and to a device too."""

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from gradcheck_kit import whole_file
from gradcheck_kit.cli.formats import write
from gradcheck_kit.record import Record
from gradcheck_kit.subject import UsageError

DEVICES = pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here: no device was written to")


def below(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_file_is_replaced_and_keeps_its_mode(tmp_path: Path) -> None:
    path = tmp_path / "it.json"
    path.write_text("of yesterday", encoding="utf-8")
    path.chmod(0o640)
    whole_file.write(path, "naïve")
    assert path.read_text(encoding="utf-8") == "naïve"
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    assert below(tmp_path) == ["it.json"]


def test_a_write_that_breaks_off_leaves_what_was_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "it.json"
    path.write_text("of yesterday", encoding="utf-8")

    def full(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(UsageError, match=r"cannot write .*it\.json: No space left on device"):
        write(path, "of today")
    with pytest.raises(OSError, match="No space left"):
        Record(()).to_json(path)
    assert path.read_text(encoding="utf-8") == "of yesterday"
    assert below(tmp_path) == ["it.json"]


@pytest.mark.parametrize("there", [True, False])
def test_a_link_stays_one_and_what_it_leads_to_is_written(there: bool, tmp_path: Path) -> None:
    (tmp_path / "kept").mkdir()
    target, link = tmp_path / "kept" / "it", tmp_path / "link"
    if there:
        target.write_text("of yesterday", encoding="utf-8")
    link.symlink_to(target)
    whole_file.write(link, "of today")
    assert link.is_symlink()
    assert target.read_text(encoding="utf-8") == "of today"
    assert (below(tmp_path), below(tmp_path / "kept")) == (["kept", "link"], ["it"])


@DEVICES
def test_a_device_is_written_in_place(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("/dev/full")
    with pytest.raises(OSError, match="No space left"):
        whole_file.write(tmp_path / "link", "it")
    whole_file.write("/dev/null", "it")
    assert not stat.S_ISREG(Path("/dev/null").stat().st_mode)
    assert below(tmp_path) == ["link"]


@DEVICES
@pytest.mark.parametrize("piped", [True, False])
def test_what_is_printed_into_is_not_taken_away(piped: bool, tmp_path: Path) -> None:
    code = "from gradcheck_kit import whole_file; whole_file.write('/dev/stdout', 'it')"
    if piped:
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        assert done.stdout == "it"
        return
    with (tmp_path / "out").open("w") as file:
        before = os.fstat(file.fileno())
        subprocess.run([sys.executable, "-c", code], stdout=file, check=True)
    assert os.path.samestat(before, (tmp_path / "out").stat())
    assert (tmp_path / "out").read_text(encoding="utf-8") == "it"


def test_in_a_directory_where_no_file_may_be_made_one_is_written_in_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "it"
    path.write_text("of yesterday", encoding="utf-8")
    before = path.stat()
    monkeypatch.setattr(os, "access", lambda folder, _mode: folder != str(tmp_path))
    whole_file.write(path, "of today")
    assert path.read_text(encoding="utf-8") == "of today"
    assert os.path.samestat(before, path.stat())
