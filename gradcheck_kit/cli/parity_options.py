"""`gradcheck-kit parity`: its options. What it does is in `parity`, which is imported only when it runs."""

import argparse
import math
from collections.abc import Mapping
from typing import Any

from gradcheck_kit.cli import option_types
from gradcheck_kit.cli.check_options import LONGEST_ERROR
from gradcheck_kit.cli.exit_codes import MEANING
from gradcheck_kit.subject import UsageError

DESCRIPTION = """\
Trains two implementations from the same start on the same batches and says whether they are the same computation, and
if not: from which step on, where, and why. "mnist" is a NumPy network of this package beside torch's; otherwise name a
reference and a candidate of your own, each path/to/file.py:Name or package.module:Name.
"""

MODELS = ("mlp", "lenet")
OPTIMIZERS = ("sgd", "momentum", "nesterov", "rmsprop", "adam", "adamw")
DEFAULTS = {"epochs": 5, "batch": 100, "seed": 0}  # not argparse's: a pair's own schedule allows none to be typed
DTYPES = ("float64", "float32")
PRECISIONS = ("tf32", "bfloat16", "float16", "float32")
OF_MNIST = ("model", "optimizer", "lr", "dtype", "device", "mnist_dir")


def add_to(commands: Any) -> None:
    """Add the command to argparse's subparsers."""
    parser = commands.add_parser(
        "parity",
        help="train two implementations side by side: the same computation?",
        usage="gradcheck-kit parity (mnist | REFERENCE CANDIDATE) [options]",
        description=DESCRIPTION,
        epilog=MEANING,
    )
    parser.add_argument(
        "sides", nargs="+", metavar="mnist | REFERENCE CANDIDATE", help="mnist, or a reference and a candidate"
    )
    _add_the_run(parser)
    _add_those_of_mnist(parser.add_argument_group("of parity mnist"))
    parser.set_defaults(run=_run)


def _add_the_run(parser: Any) -> None:
    count, file = option_types.positive, option_types.output
    parser.add_argument("--epochs", type=count, metavar="N", help="epochs of training (default 5)")
    parser.add_argument("--batch", type=count, metavar="N", help="examples in a step (default 100)")
    parser.add_argument("--seed", type=option_types.seed, metavar="N", help="of the start and the batches (default 0)")
    parser.add_argument(
        "--precision",
        choices=PRECISIONS,
        help="fewer digits of products, on purpose; parity mnist has torch round to tf32 (on CUDA) or bfloat16",
    )
    parser.add_argument("--json", type=file, metavar="FILE", help="write the results as JSON")
    parser.add_argument(
        "--html", type=file, metavar="FILE.html", help="write one page: the verdict, its pictures, and all the facts"
    )
    parser.add_argument(
        "--plot",
        type=option_types.picture,
        metavar="FILE.png",
        help="draw both losses, their difference and every tensor's drift",
    )
    parser.add_argument(
        "--resume", action="store_true", help="go on after the last epoch that an interrupted run completed"
    )
    parser.add_argument(
        "--checkpoint",
        type=option_types.folder,
        metavar="DIR",
        help="keep the progress after every epoch here, and keep it when done (default: in the user's cache)",
    )


def _add_those_of_mnist(group: Any) -> None:
    """None where they were not typed: a pair of the user's own takes none of them."""
    group.add_argument("--model", choices=MODELS, help="the network (default mlp)")
    group.add_argument("--optimizer", choices=OPTIMIZERS, help="the update (default sgd)")
    group.add_argument(
        "--lr", type=_learning_rate, metavar="X", help="the learning rate (default: the optimizer's usual one)"
    )
    group.add_argument("--dtype", choices=DTYPES, help="of both sides (default float64, the sharper question)")
    group.add_argument("--device", metavar="D", help="torch's: cpu, cuda, cuda:1, … (default cpu)")
    option_types.add_mnist_dir(group)


def _run(options: argparse.Namespace) -> int:
    if options.sides != ["mnist"]:
        _expect_a_pair(options)
        options.longest_error = LONGEST_ERROR
    elif options.precision is not None:
        _expect_digits(options)
    from gradcheck_kit.cli import parity

    return parity.run(options)


def _expect_a_pair(options: argparse.Namespace) -> None:
    if len(options.sides) != 2:
        raise UsageError(f"parity takes mnist, or a reference and a candidate; got {' '.join(options.sides)}")
    typed = [f"--{name.replace('_', '-')}" for name in OF_MNIST if getattr(options, name) is not None]
    if typed:
        raise UsageError(f"{', '.join(typed)}: of parity mnist alone; your own trainees bring theirs, so leave it out")


def _expect_digits(options: argparse.Namespace) -> None:
    """What torch can round to, from float32."""
    asked = f"--precision {options.precision}"
    if options.precision not in ("tf32", "bfloat16"):
        raise UsageError(f"{asked}: parity mnist has tf32 (on CUDA) and bfloat16; type one of them")
    if options.dtype == "float64":
        raise UsageError(f"{asked} rounds products of float32; leave --dtype float64 out")
    if options.precision == "tf32" and not (options.device or "cpu").startswith("cuda"):
        raise UsageError(f"{asked}: the CPU has no TF32; type --device cuda too, or --precision bfloat16")


def with_defaults(typed: Mapping[str, int | None]) -> dict[str, int]:
    """The options of `DEFAULTS`, where None was not typed."""
    return {name: DEFAULTS[name] if value is None else value for name, value in typed.items()}


def _learning_rate(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0.0 < value < math.inf:
        raise argparse.ArgumentTypeError(f"{text!r} is no positive number, such as 0.1")
    return value
