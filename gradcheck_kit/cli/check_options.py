"""`gradcheck-kit check`: its options. What it does is in `check`, which is imported only when it runs."""

import argparse
from typing import Any

from gradcheck_kit.cli import option_types
from gradcheck_kit.cli.configuration import DTYPES, FORMATS
from gradcheck_kit.cli.exit_codes import MEANING

DESCRIPTION = """\
Looks for an input at which the backward of a layer, function or module is wrong, and says where and why.

  gradcheck-kit check layers.py:Affine --input x=n,3 --param W=3,m --param b=m
  gradcheck-kit check package.losses:loss --vjp loss_vjp --input x=n --input target=n:fixed
  gradcheck-kit check layers.py:Embedding --param table=v,3 --input 'index=n:int<v'
  gradcheck-kit check layers.py:layer --input recorded.npz

An array to draw is typed NAME=AXES[:VALUES]:
  x=n,3              an axis of any length, called n (the same wherever the name stands), and one of length 3
  t=                 a single number
  labels=n:int<m     integers from 0 to m - 1; m is an axis or a number (without quotes: labels=n:below=m)
  p=n:0..1           floating-point values inside an interval; 0.. for positive ones
  target=n:fixed     the backward owes it no gradient
"""
EPILOG = f"""\
{MEANING}
defaults of seed, require, device, dtype, examples and format: [tool.gradcheck_kit] in pyproject.toml
"""
LONGEST_ERROR = 10  # lines


def add_to(commands: Any) -> None:
    """Add the command to argparse's subparsers."""
    parser = commands.add_parser(
        "check",
        help="look for an input at which a backward is wrong",
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "target",
        metavar="FILE.py:NAME",
        help="or package.module:NAME; a layer, its class, a factory, a function with --vjp, a torch module or function",
    )
    _add_inputs(parser)
    _add_demands(parser)
    add_output_to(parser)
    parser.set_defaults(run=_run, longest_error=LONGEST_ERROR)


def _add_inputs(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("what it is called with")
    group.add_argument(
        "--input",
        action="append",
        default=[],
        metavar="SPEC|FILE.npz",
        help="an array of the call: to draw, or the arrays that a file holds, by name, to be checked at that one point",
    )
    group.add_argument(
        "--param",
        action="append",
        default=[],
        metavar="SPEC",
        help="an array of the constructor, or a parameter to draw",
    )
    group.add_argument(
        "--constant",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="an argument that is no array, such as stride=2 or axis=(0,1)",
    )
    group.add_argument(
        "--vjp", metavar="NAME", help="the backward of a function: NAME(cotangent, *inputs), in the same module"
    )


def _add_demands(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("what is asked")
    group.add_argument(
        "--examples", type=option_types.positive, metavar="N", help="how many inputs are drawn (default 200)"
    )
    group.add_argument("--seed", type=option_types.seed, metavar="N", help="of every random number (default 0)")
    group.add_argument(
        "--require",
        type=option_types.fraction,
        metavar="R",
        help="the relative error that a pass must have been able to see (default: by dtype)",
    )
    group.add_argument("--questions", type=option_types.names, metavar="A,B", help="ask these questions alone")
    group.add_argument("--wrt", type=option_types.names, metavar="A,B", help="check the gradients of these alone")
    group.add_argument("--device", metavar="D", help="where torch's tensors are put: cpu, cuda, cuda:1, …")
    group.add_argument("--dtype", choices=DTYPES, help="draw in this dtype alone (default: float64 and float32)")
    group.add_argument(
        "--budget", type=option_types.seconds, metavar="S", help="seconds after which no further input is drawn"
    )


def add_output_to(parser: argparse.ArgumentParser) -> None:
    """Where the results go: for every command that makes a record."""
    group = parser.add_argument_group("output")
    group.add_argument("--format", choices=FORMATS, help="what is printed (default text)")
    group.add_argument(
        "--report",
        action="append",
        default=[],
        type=option_types.report_file,
        metavar="FILE",
        help="also written to a file: .html, .json, .xml (JUnit) or .sarif",
    )
    group.add_argument("--quiet", action="store_true", help="print nothing where all passed, and no progress")


def _run(options: argparse.Namespace) -> int:
    from gradcheck_kit.cli import check

    return check.run(options)
