"""`gradcheck-kit inventory`: its options. What it does is in `inventory`, which is imported only when it runs."""

import argparse
from pathlib import Path
from typing import Any

FORMATS = ("text", "json", "github")
DESCRIPTION = """\
Lists every hand-written backward in Python source, which is read and not run: subclasses of torch.autograd.Function,
classes with forward and backward, jax.custom_vjp, torch.library.register_autograd. Beside each stands the check of the
report that ran it. One that no check has passed fails the gate, unless [tool.gradcheck_kit.inventory] waives it.
"""


def add_to(commands: Any) -> None:
    """Add the command to argparse's subparsers."""
    parser = commands.add_parser(
        "inventory",
        help="list every backward in a code base, and whether a check covered it",
        description=DESCRIPTION,
        epilog="exit codes: 0 all covered or waived, 1 not so, 2 usage, 3 no report to compare with",
    )
    parser.add_argument("paths", nargs="+", type=Path, metavar="PATH", help="files or folders of Python source")
    parser.add_argument(
        "--report",
        action="append",
        type=Path,
        metavar="FILE.json",
        help="a report of this kit, by pytest --gradcheck-report or verify --json; may be given more than once",
    )
    parser.add_argument("--format", choices=FORMATS, default="text", help="how to tell it (default text)")
    parser.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> int:
    from gradcheck_kit.cli import inventory

    return inventory.run(options)
