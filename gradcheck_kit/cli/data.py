"""`gradcheck-kit data`: where MNIST lies, whether it is right, and how it gets there."""

import argparse
import sys

from gradcheck_kit.cli.mnist_files import State, states, where
from gradcheck_kit.subject import UsageError
from reference_impls.datasets import mnist


def run(options: argparse.Namespace) -> int:
    """Carry out the command; returns its exit code."""
    place = where(options.mnist_dir)
    if options.action == "where":
        print(place.path)
        return 0
    if options.action == "fetch":
        try:
            mnist.load(options.mnist_dir, progress=_line_a_file())
        except (mnist.MNISTUnavailable, mnist.MNISTCorrupt) as error:
            raise UsageError(str(error)) from None
    found = states(options.mnist_dir)
    print(f"{place.path} ({place.origin})")
    for expected in mnist.FILES:
        print(f"  {expected.name}  sha256 {expected.sha256}  {found[expected.name].value}")
    right = all(state is State.RIGHT for state in found.values())
    if not right:
        print("gradcheck-kit: not all files are there and right; type gradcheck-kit data fetch", file=sys.stderr)
    return 0 if right else 1


def _line_a_file() -> mnist.Progress:
    named: set[str] = set()

    def advance(name: str, _received: int, _total: int | None) -> None:
        if name not in named:
            named.add(name)
            print(f"downloading {name}", file=sys.stderr)

    return advance
