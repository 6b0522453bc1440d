"""argparse, with "did you mean" where a command, an option or a choice is unknown."""

import argparse
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NoReturn

from gradcheck_kit.cli import option_types
from gradcheck_kit.cli.exit_codes import USAGE
from gradcheck_kit.destination import written_twice
from gradcheck_kit.spelling import did_you_mean

WRITTEN = (option_types.output, option_types.picture, option_types.report_file)
CHOICE = re.compile(r"invalid choice: '(?P<word>[^']*)' \(choose from (?P<known>.*)\)")


class Parser(argparse.ArgumentParser):
    """No abbreviations: an option that a later version adds would make them ambiguous."""

    def __init__(self, *args: object, **options: object) -> None:
        super().__init__(*args, **{"allow_abbrev": False, **options})  # type: ignore[arg-type]

    def parse_args(self, args: Any = None, namespace: Any = None) -> Any:
        """As argparse's, but what is left over is told by the command that it was typed after."""
        options, unknown = self.parse_known_args(args, namespace)
        command = self._command_of(list(sys.argv[1:] if args is None else args))
        if unknown:
            command.error(command.about_unknown(unknown[0]))
        command.expect_files_apart(options)
        return options

    def expect_files_apart(self, options: argparse.Namespace) -> None:
        """End here if a file would be written twice, the second time over the first."""
        writers: list[tuple[str, Path]] = []
        for action in (action for action in self._actions if action.type in WRITTEN):
            held = getattr(options, action.dest)
            paths = held if isinstance(held, list) else filter(None, [held])
            writers += [(action.option_strings[-1], path) for path in paths]
        if (problem := written_twice(writers)) is not None:
            self.error(problem)

    def leaves(self) -> Iterator["Parser"]:
        """The parsers of the commands that have no further ones below."""
        below = [action for action in self._actions if isinstance(action, argparse._SubParsersAction)]
        if not below:
            yield self
        for action in below:
            for command in action.choices.values():
                yield from command.leaves()

    def about_unknown(self, word: str) -> str:
        """What is wrong with a word that no option takes."""
        if not word.startswith("-"):
            return f"{word!r} is one word too many"
        known = [option for action in self._actions for option in action.option_strings]
        return f"there is no option {word.partition('=')[0]}{did_you_mean(word.partition('=')[0], known)}"

    def error(self, message: str) -> NoReturn:
        """Two lines; the usage in full is what --help is for."""
        if found := CHOICE.search(message):
            meant = did_you_mean(found["word"], re.findall(r"[\w.-]+", found["known"]))
            message = message.replace(f" (choose from {found['known']})", meant) if meant else message
        self.exit(USAGE, f"{self.prog}: {message}\nTry '{self.prog} --help'.\n")

    def _command_of(self, words: list[str]) -> "Parser":
        for action in self._actions:
            if isinstance(action, argparse._SubParsersAction):
                for word in words:
                    if isinstance(chosen := action.choices.get(word), Parser):
                        return chosen._command_of(words[words.index(word) + 1 :])
        return self
