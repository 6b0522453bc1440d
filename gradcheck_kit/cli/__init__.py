"""The command line: one command a file.

Exit codes: 0 pass, 1 fail, 2 the call cannot be carried out, 3 inconclusive, 130 interrupted.
"""

import argparse
import io
import os
import sys
import textwrap
import traceback
from collections.abc import Sequence

from gradcheck_kit import __version__
from gradcheck_kit.cli.exit_codes import INTERRUPTED, USAGE
from gradcheck_kit.cli.parser import Parser

THREAD_VARIABLES = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS")
WIDTH = 110


def main(arguments: Sequence[str] | None = None) -> int:
    """Run `gradcheck-kit` with these arguments (by default the process's own) and return its exit code."""
    if "numpy" not in sys.modules:  # nothing above may import it: it reads these once
        for variable in THREAD_VARIABLES:  # two threads on skinny matrix products only wait for one another
            os.environ.setdefault(variable, "1")
    from gradcheck_kit.subject import UsageError

    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper) and (stream.encoding or "").lower().replace("-", "") != "utf8":
            stream.reconfigure(errors="backslashreplace")  # such as Windows' code pages, which have no ✗
    options = command_line().parse_args(arguments)
    try:
        return int(options.run(options))
    except UsageError as error:
        _tell(error, str(error), options)
        return USAGE
    except KeyboardInterrupt:
        print("gradcheck-kit: interrupted", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:  # the reader of a pipe went away: nobody is left to tell
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return INTERRUPTED
    except Exception as error:
        _tell(error, f"{type(error).__name__}: {error}\nthis is not foreseen; --debug shows where", options)
        return USAGE


def command_line() -> Parser:
    """The whole command line."""
    from gradcheck_kit.cli import (
        check_options,
        completion_options,
        data_options,
        doctor_options,
        inventory_options,
        parity_options,
        report_options,
        verify_options,
    )

    top = Parser(prog="gradcheck-kit", description=_first_line(sys.modules["gradcheck_kit"].__doc__))
    top.add_argument("--version", action="version", version=f"gradcheck-kit {__version__}")
    commands = top.add_subparsers(title="commands", required=True, metavar="COMMAND", parser_class=Parser)
    for options in (
        check_options,
        parity_options,
        verify_options,
        doctor_options,
        data_options,
        inventory_options,
        report_options,
        completion_options,
    ):
        options.add_to(commands)
    for command in top.leaves():
        command.add_argument("--debug", action="store_true", help="show the traceback of an error")
    return top


def _tell(error: Exception, message: str, options: argparse.Namespace) -> None:
    """The message, and before it the traceback where it was asked for; a command that runs the user's code sets how
    many lines there are at most, since what that says may be of any length."""
    if options.debug:
        traceback.print_exception(error)
    lines = [line for text in f"gradcheck-kit: {message}".splitlines() for line in _wrapped(text)]
    longest = getattr(options, "longest_error", len(lines))
    if len(lines) > longest:  # what to do stands at the end
        lines = [*lines[: longest - 3], f"… {len(lines) - longest + 1} lines more", *lines[-2:]]
    print("\n".join(lines), file=sys.stderr)


def _wrapped(line: str) -> list[str]:
    """On a terminal a line of prose in lines that fit; one that stands further in, such as code, as it is."""
    if line.startswith(" ") or not sys.stderr.isatty():
        return [line]
    return textwrap.wrap(line, WIDTH, subsequent_indent="  ", break_long_words=False, break_on_hyphens=False) or [""]


def _first_line(text: str | None) -> str:
    return (text or "").splitlines()[0]
