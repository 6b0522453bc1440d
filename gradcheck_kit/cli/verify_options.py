"""`gradcheck-kit verify`: its options. What it does is in `verify`, which is imported only when it runs."""

import argparse
from pathlib import Path
from typing import Any

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
        epilog="exit codes: 0 pass, 1 fail, 2 usage, 3 inconclusive",
    )
    parser.add_argument("--epochs", type=_positive, default=5, metavar="N", help="epochs of training (default 5)")
    parser.add_argument(
        "--device", default="auto", metavar="D", help="cpu, cuda, cuda:1, … or auto: the CPU and every CUDA device"
    )
    parser.add_argument("--seed", type=_seed, default=0, metavar="N", help="of every random number (default 0)")
    parser.add_argument("--json", type=_output, metavar="FILE", help="write the results as JSON")
    parser.add_argument(
        "--plot", type=_output, metavar="FILE.png", help="draw the two loss curves and their difference"
    )
    parser.add_argument("--no-mnist", action="store_true", help="the layer table alone")
    parser.add_argument("--mnist-dir", type=Path, metavar="DIR", help="where the four MNIST files are")
    parser.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> int:
    from gradcheck_kit.cli import verify

    return verify.run(options)


def _positive(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no positive integer")
    return int(text)


def _seed(text: str) -> int:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"{text!r} is no non-negative integer")
    return int(text)


def _output(text: str) -> Path:
    """Checked before the work, so that minutes of it are not lost to a misspelt directory."""
    path = Path(text)
    if path.is_dir() or not path.absolute().parent.is_dir():
        raise argparse.ArgumentTypeError(f"cannot write {text!r}: its directory does not exist, or it is a directory")
    return path
