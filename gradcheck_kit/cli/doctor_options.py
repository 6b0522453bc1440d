"""`gradcheck-kit doctor`: its options. What it does is in `doctor`, which is imported only when it runs."""

import argparse
from typing import Any

DESCRIPTION = """\
What is installed here, what checks can run on, and what will not be run and why.
"""


def add_to(commands: Any) -> None:
    """Add the command to argparse's subparsers."""
    parser = commands.add_parser(
        "doctor", help="versions, devices, data, and what will not be run here", description=DESCRIPTION
    )
    parser.add_argument("--format", choices=("text", "json"), default="text", help="what is printed (default text)")
    parser.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> int:
    from gradcheck_kit.cli import doctor

    return doctor.run(options)
