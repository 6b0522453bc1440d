"""`gradcheck-kit completion`: its options. What it does is in `completion`, which is imported only when it runs."""

import argparse
from typing import Any

DESCRIPTION = """\
Prints a script that completes commands, options and files in a shell. To use it:

  bash   gradcheck-kit completion bash > ~/.local/share/bash-completion/completions/gradcheck-kit
  zsh    gradcheck-kit completion zsh > ~/.zfunc/_gradcheck-kit      (a directory in $fpath)
  fish   gradcheck-kit completion fish > ~/.config/fish/completions/gradcheck-kit.fish
"""


def add_to(commands: Any) -> None:
    """Add the command to argparse's subparsers."""
    parser = commands.add_parser(
        "completion",
        help="print a completion script for a shell",
        description=DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("shell", choices=("bash", "zsh", "fish"))
    parser.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> int:
    from gradcheck_kit.cli import completion

    return completion.run(options)
