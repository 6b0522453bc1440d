"""A file that cannot be written is refused before the work that it is to hold, and nothing is touched by asking."""

import os
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from gradcheck_kit.cli import command_line, main
from gradcheck_kit.destination import file_obstacle, folder_obstacle

Capture = pytest.CaptureFixture[str]

# Every option that names a file to write; what stands before it names no file that is there, so that any work is seen.
FILE_OPTIONS = [
    (["parity", "nowhere.py:a", "nowhere.py:b", "--json"], ".json"),
    (["parity", "nowhere.py:a", "nowhere.py:b", "--html"], ".html"),
    (["parity", "nowhere.py:a", "nowhere.py:b", "--plot"], ".png"),
    (["verify", "--mnist-dir", "nowhere", "--json"], ".json"),
    (["verify", "--mnist-dir", "nowhere", "--plot"], ".pdf"),
    (["check", "nowhere.py:A", "--report"], ".html"),
    (["check", "nowhere.py:A", "--report"], ".sarif"),
    (["report", "show", "nowhere.json", "--report"], ".xml"),
    (["report", "merge", "nowhere.json", "--output"], ".json"),
]
CHECKPOINT = ["parity", "nowhere.py:a", "nowhere.py:b", "--checkpoint"]


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    Path("notes").write_text("mine", encoding="utf-8")
    return tmp_path


def everything(folder: Path) -> dict[str, bytes | None]:
    """What lies below, with the content of files."""
    return {str(p.relative_to(folder)): p.read_bytes() if p.is_file() else None for p in sorted(folder.rglob("*"))}


def in_a_missing_directory(suffix: str) -> tuple[str, str]:
    return f"no/such/out{suffix}", f"there is no directory {Path.cwd()}/no/such; type mkdir -p {Path.cwd()}/no/such"


def in_a_directory_with_a_blank(suffix: str) -> tuple[str, str]:
    return f"not here/out{suffix}", f"type mkdir -p '{Path.cwd()}/not here', or name another place"


def on_a_directory(suffix: str) -> tuple[str, str]:
    Path(f"taken{suffix}").mkdir()
    return f"taken{suffix}", f"it is a directory; name a file in it, such as taken{suffix}/NAME"


def below_a_file(suffix: str) -> tuple[str, str]:
    return f"notes/deep/out{suffix}", f"{Path.cwd()}/notes is no directory; name another place"


def through_a_link_to_nothing(suffix: str) -> tuple[str, str]:
    Path(f"link{suffix}").symlink_to(f"gone/out{suffix}")
    return f"link{suffix}", f"there is no directory {Path.cwd()}/gone"


def by_a_link_to_itself(suffix: str) -> tuple[str, str]:
    Path(f"loop{suffix}").symlink_to(f"loop{suffix}")
    return f"loop{suffix}", "symbolic links; name another place"


def by_too_long_a_name(suffix: str) -> tuple[str, str]:
    return "x" * 300 + suffix, "too long; name another place"


OF_FILES = [
    in_a_missing_directory,
    in_a_directory_with_a_blank,
    on_a_directory,
    below_a_file,
    through_a_link_to_nothing,
    by_a_link_to_itself,
    by_too_long_a_name,
]


def by_a_file(_suffix: str) -> tuple[str, str]:
    return "notes", f"{Path.cwd()}/notes is no directory; name another place"


OF_FOLDERS = [by_a_file, below_a_file, by_a_link_to_itself, by_too_long_a_name]
PLANTED = [
    *((arguments, suffix, planted) for arguments, suffix in FILE_OPTIONS for planted in OF_FILES),
    *((CHECKPOINT, "", planted) for planted in OF_FOLDERS),
]


@pytest.mark.parametrize(
    ("arguments", "suffix", "planted"),
    PLANTED,
    ids=[f"{arguments[0]} {arguments[-1]} x{suffix} {planted.__name__}" for arguments, suffix, planted in PLANTED],
)
def test_what_cannot_be_written_is_refused_before_any_work(
    arguments: list[str], suffix: str, planted: Callable[[str], tuple[str, str]], folder: Path, capsys: Capture
) -> None:
    text, words = planted(suffix)
    before = everything(folder)
    with pytest.raises(SystemExit) as exit_code:
        main([*arguments, text])
    assert exit_code.value.code == 2
    said = capsys.readouterr().err
    assert f"{arguments[-1]}: cannot write" in said
    assert repr(text) in said
    assert words in said
    assert "nowhere" not in said
    assert everything(folder) == before


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["parity", "mnist", "--json", "x.html", "--html", "./x.html"], "--json and --html would write 'x.html'"),
        (["parity", "mnist", "--json", "x.png", "--plot", "x.png"], "--json and --plot would write 'x.png'"),
        (
            ["check", "m", "--report", "x.xml", "--report", "./x.xml"],
            "--report twice would write 'x.xml'",
        ),
    ],
)
def test_no_file_is_written_over_by_another_of_the_same_run(
    arguments: list[str], told: str, folder: Path, capsys: Capture
) -> None:
    before = everything(folder)
    with pytest.raises(SystemExit) as exit_code:
        main(arguments)
    assert exit_code.value.code == 2
    assert f"{told}; name a file for each" in capsys.readouterr().err
    assert everything(folder) == before


@pytest.mark.parametrize(("arguments", "suffix"), FILE_OPTIONS)
def test_a_file_that_is_there_survives_a_run_refused_for_another(
    arguments: list[str], suffix: str, folder: Path
) -> None:
    held = folder / f"held{suffix}"
    held.write_text("of yesterday", encoding="utf-8")
    refused = ["--bogus"] if arguments[-1] == "--output" else [arguments[-1], f"no/such/out{suffix}"]
    with pytest.raises(SystemExit):
        main([*arguments, str(held), *refused])
    assert held.read_text(encoding="utf-8") == "of yesterday"


@pytest.mark.parametrize(("arguments", "suffix"), [*FILE_OPTIONS, (CHECKPOINT, "")])
@pytest.mark.parametrize("name", ["new", "held", "kept/new", "link to new"])
def test_what_can_be_written_is_taken_and_not_yet_made(
    name: str, arguments: list[str], suffix: str, folder: Path
) -> None:
    (folder / "kept").mkdir()
    held = folder / f"held{suffix}"
    held.write_text("of yesterday", encoding="utf-8") if suffix else held.mkdir()
    (folder / f"link to new{suffix}").symlink_to(folder / ("kept/new" if suffix else "kept"))
    before = everything(folder)
    options = command_line().parse_args([*arguments, f"{name}{suffix}"])
    assert Path(f"{name}{suffix}") in [p for v in vars(options).values() for p in (v if isinstance(v, list) else [v])]
    assert everything(folder) == before


def test_a_checkpoint_directory_may_be_made_with_those_above_it(folder: Path) -> None:
    options = command_line().parse_args([*CHECKPOINT, "no/such/yet"])
    assert options.checkpoint == Path("no/such/yet")
    assert not (folder / "no").exists()


@pytest.mark.skipif(not Path("/dev/stdout").exists(), reason="this system has no /dev/stdout: no device was written to")
def test_a_device_is_a_file_that_can_be_written() -> None:
    assert file_obstacle(Path("/dev/null")) is file_obstacle(Path("/dev/stdout")) is None


def test_only_what_is_read_is_a_path_that_no_option_type_looks_at() -> None:
    read = {("data", "mnist_dir"), ("parity", "mnist_dir"), ("verify", "mnist_dir")}
    read |= {("inventory", "paths"), ("inventory", "report"), ("show", "files"), ("merge", "files")}
    found = {
        (leaf.prog.split()[-1], action.dest)
        for leaf in command_line().leaves()
        for action in leaf._actions
        if action.type is Path
    }
    assert found == read


def test_a_cache_that_holds_no_checkpoints_is_told_before_the_first_epoch(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    pair = Path(__file__).with_name("parity_pair.py").read_text(encoding="utf-8")
    (folder / "pair.py").write_text(pair, encoding="utf-8")
    monkeypatch.setenv("XDG_CACHE_HOME", str(folder / "notes"))
    arguments = ["parity", "pair.py:reference", "pair.py:candidate", "--epochs", "1", "--batch", "130"]
    assert main(arguments) == 2
    said = capsys.readouterr().err
    assert "cannot keep checkpoints in" in said
    assert f"{folder}/notes is no directory; name another place with --checkpoint DIR" in said
    assert "epoch" not in said
    assert main([*arguments, "--checkpoint", "kept"]) == 3


def test_a_picture_of_a_training_that_is_left_out_is_refused_before_the_layers_are_checked(
    folder: Path, capsys: Capture
) -> None:
    before = everything(folder)
    assert main(["verify", "--no-mnist", "--plot", "out.png", "--json", "out.json"]) == 2
    out, error = capsys.readouterr()
    assert "--plot out.png draws the training that --no-mnist leaves out" in error
    assert out == ""
    assert everything(folder) == before


# ---------------------------------------------------------------- permission


@pytest.fixture
def another_place() -> Iterator[Path]:
    """A directory that any user may enter and only its owner may write in, seen as a user who may not."""
    if not hasattr(os, "geteuid"):
        pytest.skip("this system has no users by number: what a directory without write permission says was not seen")
    with tempfile.TemporaryDirectory() as name:
        place = Path(name)
        (place / "held").write_text("of yesterday", encoding="utf-8")
        (place / "held").chmod(0o444)
        (place / "open").touch()
        (place / "open").chmod(0o666)
        (place / "closed").mkdir(mode=0o000)
        place.chmod(0o555)
        user = os.geteuid()
        if user == 0:  # may write anywhere
            os.seteuid(65534)
        try:
            yield place
        finally:
            if user == 0:
                os.seteuid(user)
            place.chmod(0o755)
            (place / "closed").chmod(0o755)


def test_what_permission_forbids_is_seen_and_what_it_allows_is_not(another_place: Path) -> None:
    closed = f"nothing may be written in the directory {another_place}; name another place"
    assert file_obstacle(another_place / "new") == closed
    assert folder_obstacle(another_place / "new" / "deep") == folder_obstacle(another_place) == closed
    held = another_place / "held"
    assert file_obstacle(held) == f"it may not be overwritten; type chmod u+w {held}, or name another place"
    assert file_obstacle(another_place / "open") is None
    assert file_obstacle(another_place / "closed" / "new") == "Permission denied; name another place"
    assert file_obstacle(Path(tempfile.gettempdir()) / "new") is None
