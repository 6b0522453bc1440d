"""`gradcheck-kit check`: one target, explored or at recorded inputs, as a record in any form."""

import argparse
import ast
import contextlib
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gradcheck_kit.cli import configuration, formats, input_specs, recorded
from gradcheck_kit.cli.as_typed import advice_as_typed
from gradcheck_kit.cli.configuration import Configuration
from gradcheck_kit.cli.devices import expect_device
from gradcheck_kit.cli.progress import Progress
from gradcheck_kit.cli.signatures import known_names, what_to_type
from gradcheck_kit.cli.target import Module, at_own_line, candidates, imported, split
from gradcheck_kit.engine import BY_NAME, examine
from gradcheck_kit.exploration.axes import Axes
from gradcheck_kit.exploration.demands import Demands
from gradcheck_kit.exploration.search import searched
from gradcheck_kit.record import Record, entry
from gradcheck_kit.report import Report
from gradcheck_kit.spelling import closest, did_you_mean
from gradcheck_kit.subject import Subject, UsageError

EXAMPLES = 200
OR_CONSTANT = "\n  what is no array is typed --constant NAME=VALUE in place of --param"


@dataclass(frozen=True)
class Inputs:
    """What the target is called with.

    Attributes:
        axes: of the arrays to draw, by name.
        file: the recorded arrays, instead.
        constants: arguments that are no arrays, by name.
    """

    axes: Mapping[str, Axes]
    file: Path | None
    constants: Mapping[str, Any]


def run(options: argparse.Namespace) -> int:
    """Carry out the command; returns its exit code."""
    project = configuration.read()
    inputs = _inputs(options)
    for question in options.questions or ():
        if question not in BY_NAME:
            raise UsageError(
                f"--questions {question}: there is no such question{did_you_mean(question, BY_NAME)}\n"
                f"choose from {', '.join(BY_NAME)}"
            )
    place, name = split(options.target)
    with _stdout_kept_clean(), advice_as_typed(), imported(place) as module:
        target, vjp = _target(module, name, options)
        try:
            report = _report(target, vjp, inputs, options, project)
        except SystemExit as error:
            said = f"{options.target} calls sys.exit({error.code!r}) while it is checked{at_own_line(error)}"
            raise UsageError(f"{said}\nraise an exception instead") from error
    found = entry(report.to_dict(), options.target)
    record = Record((found,), environment=tuple(sorted(report.environment.items())))
    return formats.emit(record, options.format or project.get("format", "text"), options.report, options.quiet)


def _inputs(options: argparse.Namespace) -> Inputs:
    files = [text for text in options.input if "=" not in text and text.endswith(".npz")]
    drawn = [("--input", text) for text in options.input if text not in files]
    axes: dict[str, Axes] = {}
    for option, text in [*drawn, *(("--param", text) for text in options.param)]:
        name, lengths = input_specs.read(option, text)
        if name in axes:
            raise UsageError(f"{name} is given twice; give it once, as {option} {text}")
        axes[name] = lengths
    if len(files) > 1 or (files and axes):
        raise UsageError("a file of recorded inputs holds all the arrays of a call: pass one file and no other array")
    return Inputs(axes, Path(files[0]) if files else None, dict(map(_constant, options.constant)))


def _constant(text: str) -> tuple[str, Any]:
    name, equals, value = text.partition("=")
    if not equals or not name.isidentifier():
        raise UsageError(f"--constant {text}: type NAME=VALUE, such as stride=2")
    try:
        return name, ast.literal_eval(value)
    except (ValueError, SyntaxError):
        return name, value  # a word, as in mode=valid


def _target(module: Module, name: str, options: argparse.Namespace) -> tuple[Any, Callable[..., Any] | None]:
    if not name:
        known = candidates(module.module)
        shown = f"{module.spelled}:{known[0] if known else 'Name'}"
        raise UsageError(f"{options.target} names no object; type gradcheck-kit check {shown}")
    vjp = module.get(options.vjp) if options.vjp else None
    if vjp is not None and not callable(vjp):
        raise UsageError(f"--vjp {options.vjp} is a {type(vjp).__name__}; name a function vjp(cotangent, *inputs)")
    return module.get(name), vjp


def _report(
    target: Any,
    vjp: Callable[..., Any] | None,
    inputs: Inputs,
    options: argparse.Namespace,
    project: Configuration,
) -> Report:
    seed = project.get("seed", 0) if options.seed is None else options.seed
    examples = options.examples or project.get("examples", EXAMPLES)
    demands = _demands(options, project)
    if isinstance(target, Subject) and not inputs.axes and inputs.file is None:
        subject = target.restricted_to(None if demands.wrt is None else list(demands.wrt))
        return examine(subject, **demands.options(seed), budget=demands.seconds)
    if inputs.file is not None:
        arrays = recorded.named(recorded.arrays_of(inputs.file), target)
        _expect_names(target, [*arrays, *inputs.constants, *(demands.wrt or ())], options.target)
        return recorded.checked(target, vjp, arrays, inputs.constants, demands, seed)
    if not inputs.axes:
        words = what_to_type(target)
        raise UsageError(
            f"{options.target} needs inputs; type the axes of each, as in x=n,3 with n of any length\n"
            f"  gradcheck-kit check {options.target} {' '.join(words)}"
            f"{OR_CONSTANT if any(word.startswith('--param') for word in words) else ''}"
        )
    _expect_names(target, [*inputs.axes, *inputs.constants, *(demands.wrt or ())], options.target)
    with Progress("inputs tried", examples, options.quiet) as progress:
        heard = _demands(options, project, progress.advance)
        return searched(target, {**inputs.axes, **inputs.constants}, heard, max_examples=examples, seed=seed, vjp=vjp)


def _demands(
    options: argparse.Namespace, project: Configuration, heard: Callable[[int], None] | None = None
) -> Demands:
    device = options.device or project.get("device", None)
    demands = Demands(
        wrt=options.wrt,
        require=options.require or project.get("require", None),
        questions=options.questions,
        dtype=options.dtype or project.get("dtype", None),
        device=None if device is None else expect_device(device),
        seconds=options.budget,
    )
    return demands if heard is None else demands.reporting(heard)


def _expect_names(target: Any, names: list[str], spelled: str) -> None:
    """Names that are like one of the target's but not one. Any other is told by the check itself."""
    known = known_names(target)
    for name in names:
        meant = closest(name, known)
        if name not in known and meant is not None:
            raise UsageError(f"{spelled} has no {name!r}; did you mean {meant!r}? Its names are {', '.join(known)}")


@contextlib.contextmanager
def _stdout_kept_clean() -> Iterator[None]:
    """What the user's code prints goes to standard error: standard output holds the report alone."""
    with contextlib.redirect_stdout(sys.stderr):
        yield
