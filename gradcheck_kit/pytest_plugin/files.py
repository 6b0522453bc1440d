"""The files of a run, at its end: one that cannot be written then costs neither pytest's summary nor the other file."""

from importlib import import_module
from pathlib import Path

from gradcheck_kit import whole_file
from gradcheck_kit.pytest_plugin.options import Options
from gradcheck_kit.record import Record
from gradcheck_kit.report import as_json


def written(record: Record, told: Options) -> tuple[list[str], bool]:
    """A line for each file that was asked for, and whether all were written."""
    problems, said = 0, list[str]()
    for path, text in _texts(record, told).items():
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            whole_file.write(path, text)
            said.append(f"wrote {path}")
        except OSError as problem:
            problems += 1
            said.append(f"cannot write {path}: {problem.strerror}")
    return said, not problems


def _texts(record: Record, told: Options) -> dict[Path, str]:
    texts = {} if told.report is None else {told.report: as_json(record.to_dict())}
    if told.html is not None:
        texts[told.html] = import_module("gradcheck_kit.render.html").page(record)
    return texts
