"""What the options of several commands may be, checked before any work is done."""

import argparse
import math
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from gradcheck_kit.arguments import INTEGERS, integer_in
from gradcheck_kit.destination import file_obstacle, folder_obstacle


def positive(text: str) -> int:
    return _integer(text, 1)


def seed(text: str) -> int:
    return _integer(text, 0)


def _integer(text: str, least: int) -> int:
    found = integer_in(text, least)
    if found is None:
        raise argparse.ArgumentTypeError(f"{text!r} is no {INTEGERS[least].removeprefix('a ')}")
    return found


def output(text: str) -> Path:
    """A file, refused before the work if it cannot be written, so that hours of it are not lost to a misspelt name."""
    path = Path(text)
    if (obstacle := file_obstacle(path)) is not None:
        raise argparse.ArgumentTypeError(f"cannot write {text!r}: {obstacle}")
    return path


def folder(text: str) -> Path:
    """A directory for files, made when there is something to write; refused as early as `output`."""
    path = Path(text)
    if (obstacle := folder_obstacle(path)) is not None:
        raise argparse.ArgumentTypeError(f"cannot write in {text!r}: {obstacle}")
    return path


def fraction(text: str) -> float:
    value = _number(text)
    if not 0.0 < value < 1.0:
        raise argparse.ArgumentTypeError(f"{text!r} is no number between 0 and 1, such as 1e-6")
    return value


def seconds(text: str) -> float:
    value = _number(text)
    if not 0.0 < value < math.inf:
        raise argparse.ArgumentTypeError(f"{text!r} is no positive number of seconds")
    return value


def _number(text: str) -> float:
    """NaN where it is none, which lies in no interval."""
    try:
        return float(text)
    except ValueError:
        return math.nan


def add_mnist_dir(parser: Any) -> None:
    """To a parser or a group of options."""
    parser.add_argument("--mnist-dir", type=Path, metavar="DIR", help="where the four MNIST files are")


def names(text: str) -> tuple[str, ...]:
    """Several names with commas between."""
    found = tuple(text.split(","))
    if not all(found):
        raise argparse.ArgumentTypeError(f"{text!r} is no list of names; write them as a,b,c")
    return found


def picture(text: str) -> Path:
    """A file that matplotlib draws."""
    path = output(text)
    if path.suffix not in PICTURE_SUFFIXES:
        raise argparse.ArgumentTypeError(f"{text!r} is no picture; end it in {', '.join(PICTURE_SUFFIXES)}")
    if find_spec("matplotlib") is None:
        raise argparse.ArgumentTypeError("a plot needs matplotlib: pip install 'gradcheck-kit[plot]'")
    return path


def report_file(text: str) -> Path:
    """A file whose suffix says in which form."""
    path = output(text)
    if path.suffix not in REPORT_SUFFIXES:
        raise argparse.ArgumentTypeError(f"{text!r} does not say in which form; end it in {', '.join(REPORT_SUFFIXES)}")
    return path


REPORT_SUFFIXES = (".html", ".json", ".xml", ".sarif")
PICTURE_SUFFIXES = (".png", ".svg", ".pdf")
