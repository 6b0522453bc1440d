"""`gradcheck-kit completion`: a script made of the parser itself, so that it knows every option."""

import argparse
from pathlib import Path

from gradcheck_kit.cli import command_line, option_types
from gradcheck_kit.subject import UsageError

FILES = (Path, option_types.output, option_types.picture, option_types.report_file, option_types.folder)
ALSO_FILES = ("target", "input")  # texts that begin with a file's name


def run(options: argparse.Namespace) -> int:
    """Carry out the command; returns its exit code."""
    print(script(options.shell))
    return 0


def script(shell: str) -> str:
    """The completion script for bash, zsh or fish.

    Raises:
        UsageError: shtab is not installed.
    """
    try:
        import shtab
    except ImportError:
        raise UsageError("completion needs shtab: pip install 'gradcheck-kit[cli]'") from None
    whole = command_line()
    _mark_files(whole, shtab.FILE)
    return str(shtab.complete(whole, shell))


def _mark_files(parser: argparse.ArgumentParser, mark: object) -> None:
    """shtab reads an action's attribute `complete`."""
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for command in action.choices.values():
                _mark_files(command, mark)
        elif action.type in FILES or action.dest in ALSO_FILES:
            action.complete = mark  # type: ignore[attr-defined]
