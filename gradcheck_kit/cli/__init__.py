"""The command line: one command a file.

Exit codes: 0 pass, 1 fail, 2 the call cannot be carried out, 3 inconclusive, 130 interrupted.
"""

import argparse
import os
import sys
from collections.abc import Sequence

from gradcheck_kit import __version__
from gradcheck_kit.subject import UsageError

USAGE = 2
INTERRUPTED = 130
THREAD_VARIABLES = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run `gradcheck-kit` with these arguments (by default the process's own) and return its exit code."""
    if "numpy" not in sys.modules:
        for variable in THREAD_VARIABLES:  # two threads on skinny matrix products only wait for one another
            os.environ.setdefault(variable, "1")
    parser = _parser()
    options = parser.parse_args(arguments)
    try:
        return int(options.run(options))
    except UsageError as error:
        print(f"gradcheck-kit: {error}", file=sys.stderr)
        return USAGE
    except KeyboardInterrupt:
        print("gradcheck-kit: interrupted", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:  # the reader of a pipe went away: nobody is left to tell
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return INTERRUPTED


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="gradcheck-kit", description=_first_line(sys.modules["gradcheck_kit"].__doc__)
    )
    parser.add_argument("--version", action="version", version=f"gradcheck-kit {__version__}")
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    from gradcheck_kit.cli import inventory_options, verify_options

    verify_options.add_to(commands)
    inventory_options.add_to(commands)
    return parser


def _first_line(text: str | None) -> str:
    return (text or "").splitlines()[0]
