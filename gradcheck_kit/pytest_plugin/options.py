"""What a whole run is told: the command line first, then the configuration file."""

from dataclasses import dataclass
from pathlib import Path

import pytest

from gradcheck_kit.arguments import INTEGERS, integer_in
from gradcheck_kit.destination import file_obstacle, written_twice
from gradcheck_kit.pytest_plugin.marker import DEVICE

ALL_DEVICES = ("cpu", "cuda")


@dataclass(frozen=True)
class Options:
    """The options of one run.

    Attributes:
        devices: those that were named; None where none was, and then every marked one is run.
        seed: of every check that names none itself.
        report, html: the files to write; None for none.
        modules: the modules whose cases are collected.
    """

    devices: tuple[str, ...] | None
    seed: int
    report: Path | None
    html: Path | None
    modules: tuple[str, ...]


def add(parser: pytest.Parser) -> None:
    """The options' names and texts."""
    group = parser.getgroup("gradcheck", "gradient checks (gradcheck_kit)")
    group.addoption(
        "--gradcheck-device",
        metavar="DEVICES",
        help="run the tests marked with a device on these alone, such as cpu,cuda; the others are skipped",
    )
    group.addoption("--gradcheck-seed", metavar="N", help="seed of every gradient check that names none itself")
    group.addoption(
        "--gradcheck-report", metavar="FILE.json", help="write every gradient check of the run to FILE.json"
    )
    group.addoption("--gradcheck-html", metavar="FILE.html", help="write the same as one page to FILE.html")
    parser.addini("gradcheck_device", "as --gradcheck-device", type="args", default=[])
    parser.addini("gradcheck_seed", "as --gradcheck-seed", default="")
    parser.addini("gradcheck_report", "as --gradcheck-report (below the rootdir)", default="")
    parser.addini("gradcheck_html", "as --gradcheck-html (below the rootdir)", default="")
    parser.addini("gradcheck_modules", "modules whose declared cases are collected as tests", type="args", default=[])


def read(config: pytest.Config) -> Options:
    """The options of this run.

    Raises:
        pytest.UsageError: an option cannot be meant.
    """
    report, html = _file(config, "report"), _file(config, "html")
    named = (("--gradcheck-report", report), ("--gradcheck-html", html))
    if (problem := written_twice((option, path) for option, path in named if path is not None)) is not None:
        raise pytest.UsageError(problem)
    return Options(
        devices=_devices(config),
        seed=_seed(config),
        report=report,
        html=html,
        modules=tuple(name for part in config.getini("gradcheck_modules") for name in _listed(part)),
    )


def _devices(config: pytest.Config) -> tuple[str, ...] | None:
    given = config.getoption("--gradcheck-device")
    parts = config.getini("gradcheck_device") if given is None else [given]
    names = tuple(dict.fromkeys(name for part in parts for name in _listed(part)))
    for name in names:
        if not DEVICE.fullmatch(name):
            raise pytest.UsageError(f"--gradcheck-device: {name!r} is no device; pass a list such as cpu,cuda")
    if given is not None and not names:
        raise pytest.UsageError("--gradcheck-device names no device; pass a list such as cpu,cuda")
    return names or None


def _listed(part: str) -> list[str]:
    return [name.strip() for name in part.split(",") if name.strip()]


def _seed(config: pytest.Config) -> int:
    given = config.getoption("--gradcheck-seed")
    text = config.getini("gradcheck_seed") if given is None else given
    typed = str(text).strip()
    seed = integer_in(typed, 0) if typed else 0
    if seed is None:
        raise pytest.UsageError(f"--gradcheck-seed: {text!r}; pass {INTEGERS[0]}")
    return seed


def _file(config: pytest.Config, name: str) -> Path | None:
    """A path on the command line is below the working directory, one in the configuration below the rootdir.

    One that cannot be written is refused before the first test; workers of pytest-xdist write none.
    """
    given = config.getoption(f"--gradcheck-{name}")
    configured = config.getini(f"gradcheck_{name}")
    if not given and not configured:
        return None
    path = Path(config.invocation_params.dir, given) if given else Path(config.rootpath, configured)
    obstacle = None if hasattr(config, "workerinput") else file_obstacle(path, makes_folders=True)
    if obstacle is not None:
        raise pytest.UsageError(f"--gradcheck-{name}: cannot write {path}: {obstacle}")
    return path
