"""`gradcheck-kit verify`: its options. What it does is in `verify`, which is imported only when it runs."""

import argparse
from typing import Any

from gradcheck_kit.cli import option_types
from gradcheck_kit.cli.exit_codes import MEANING
from gradcheck_kit.subject import UsageError

DESCRIPTION = """\
Checks every reference layer against numerical derivatives and torch.autograd, then trains a NumPy MLP beside the same
torch model on the full MNIST and says whether both are the same computation.
"""


def add_to(commands: Any) -> None:
    """Add the command to argparse's subparsers."""
    parser = commands.add_parser(
        "verify",
        help="check every reference layer, and train NumPy beside torch on MNIST",
        description=DESCRIPTION,
        epilog=MEANING,
    )
    parser.add_argument(
        "--epochs", type=option_types.positive, default=5, metavar="N", help="epochs of training (default 5)"
    )
    parser.add_argument(
        "--device", default="auto", metavar="D", help="cpu, cuda, cuda:1, … or auto: the CPU and every CUDA device"
    )
    parser.add_argument(
        "--seed", type=option_types.seed, default=0, metavar="N", help="of every random number (default 0)"
    )
    parser.add_argument("--json", type=option_types.output, metavar="FILE", help="write the results as JSON")
    parser.add_argument(
        "--plot", type=option_types.picture, metavar="FILE.png", help="draw the two loss curves and their difference"
    )
    parser.add_argument("--no-mnist", action="store_true", help="the layer table alone")
    option_types.add_mnist_dir(parser)
    parser.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> int:
    if options.no_mnist and options.plot:
        raise UsageError(f"--plot {options.plot} draws the training that --no-mnist leaves out; type one of them alone")
    from gradcheck_kit.cli import verify

    return verify.run(options)
