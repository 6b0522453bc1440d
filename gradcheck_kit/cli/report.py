"""`gradcheck-kit report`: saved records, shown in any form or merged."""

import argparse
import sys

from gradcheck_kit import record
from gradcheck_kit.cli import configuration, formats
from gradcheck_kit.cli.exit_codes import EXIT_CODES
from gradcheck_kit.render.text import counts


def show(options: argparse.Namespace) -> int:
    """Print one record; the exit code is its verdict's."""
    form = options.format or configuration.read().get("format", "text")
    return formats.emit(record.read(options.files[0]), form, options.report, options.quiet)


def merge(options: argparse.Namespace) -> int:
    """Write one record of several; the exit code is the verdict of all."""
    everything = record.merged([record.read(path) for path in options.files])
    formats.write(options.output, formats.RENDERERS["json"](everything))
    print(f"wrote {options.output}: {counts(everything)}", file=sys.stderr)
    return EXIT_CODES[everything.verdict]
