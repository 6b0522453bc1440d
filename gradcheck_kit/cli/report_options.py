"""`gradcheck-kit report`: its options. What it does is in `report`, which is imported only when it runs."""

import argparse
from pathlib import Path
from typing import Any

from gradcheck_kit.cli import option_types
from gradcheck_kit.cli.check_options import add_output_to
from gradcheck_kit.cli.exit_codes import MEANING

DESCRIPTION = """\
Reports saved as JSON (by check --report, by pytest, by Report.to_json): shown in any form, or several as one.
"""


def add_to(commands: Any) -> None:
    """Add the command to argparse's subparsers."""
    parser = commands.add_parser(
        "report", help="show saved reports, or merge several", description=DESCRIPTION, epilog=MEANING
    )
    actions = parser.add_subparsers(title="actions", required=True, metavar="show|merge", parser_class=type(parser))
    show = actions.add_parser("show", help="print a saved report, or write it in another form", epilog=MEANING)
    show.add_argument("files", nargs=1, type=Path, metavar="FILE.json", help="a saved report")
    add_output_to(show)
    merge = actions.add_parser("merge", help="make one report of several: of shards, or of workers")
    merge.add_argument("files", nargs="+", type=Path, metavar="FILE.json", help="the saved reports")
    merge.add_argument(
        "-o", "--output", required=True, type=option_types.output, metavar="ALL.json", help="the file to write"
    )
    for action, name in ((show, "show"), (merge, "merge")):
        action.set_defaults(run=_run, action=name)


def _run(options: argparse.Namespace) -> int:
    from gradcheck_kit.cli import report

    return report.show(options) if options.action == "show" else report.merge(options)
