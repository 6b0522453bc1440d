"""`gradcheck-kit data`: its options. What it does is in `data`, which is imported only when it runs."""

import argparse
from typing import Any

from gradcheck_kit.cli import option_types

DESCRIPTION = """\
The MNIST data: where it lies, whether it is what was published (SHA-256), and how to get it.
"""
ACTIONS = {
    "where": "print the directory that is read",
    "verify": "say of each file whether it is there and right; exit code 1 where one is not",
    "fetch": "download into the user's cache what is missing, and verify everything",
}


def add_to(commands: Any) -> None:
    """Add the command to argparse's subparsers."""
    parser = commands.add_parser("data", help="fetch or verify MNIST", description=DESCRIPTION)
    parser.add_argument(
        "action",
        choices=tuple(ACTIONS),
        metavar="where|verify|fetch",
        help="; ".join(f"{name}: {what}" for name, what in ACTIONS.items()),
    )
    option_types.add_mnist_dir(parser)
    parser.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> int:
    from gradcheck_kit.cli import data

    return data.run(options)
