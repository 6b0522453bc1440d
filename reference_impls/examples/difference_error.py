"""How accurate is a difference quotient, and at which step? The V-curve, and why central differences win.

The chain square(exp(square(x))) has the derivative 3.297442541400256 at 0.5, which backward finds to the last
digit. A difference quotient misses it by

- truncation, what Taylor's series is cut off by: proportional to h for forward differences, to h**2 for central ones;
- rounding, the last digit of f divided by h: the same for both.

Over h that is a V in logarithmic scales: from the right its error falls by one decade per decade of h (forward) or two
(central), until rounding lifts it again. The central V goes deeper because truncation is out of the way before
rounding has grown. Run it with ``python -m reference_impls.examples.difference_error``; ``--plot FILE.png`` draws the
curves, for which it needs matplotlib.
"""

import argparse
from dataclasses import dataclass
from pathlib import Path

from reference_impls.autograd import Exp, Square, Variable, gradients, numerical_diff

AT = 0.5
STEPS = tuple(10.0**-k for k in range(1, 16))


@dataclass(frozen=True)
class Errors:
    """The relative errors of both difference quotients at one step."""

    step: float
    forward: float
    central: float


def chain(x: Variable) -> Variable:
    """Return exp(x**2)**2."""
    return Square()(Exp()(Square()(x)))


def derivative(at: float = AT) -> float:
    """Return the derivative of the chain by backward."""
    x = Variable(at)
    (dx,) = gradients(chain(x), [x])
    return float(dx.data)


def errors(at: float = AT, steps: tuple[float, ...] = STEPS) -> list[Errors]:
    """Return the errors at every step, beside the derivative by backward."""
    exact, x = derivative(at), Variable(at)

    def relative(found: float) -> float:
        return abs(found - exact) / abs(exact)

    return [
        Errors(
            h,
            forward=relative(float(numerical_diff(chain, x, h, scheme="forward"))),
            central=relative(float(numerical_diff(chain, x, h, scheme="central"))),
        )
        for h in steps
    ]


def plot(curve: list[Errors], path: Path) -> None:
    """Draw both curves into a file; ModuleNotFoundError without matplotlib."""
    try:
        from matplotlib.figure import Figure
    except ModuleNotFoundError:
        raise ModuleNotFoundError(
            "--plot needs matplotlib; install it with pip install 'gradcheck-kit[plot]', or leave --plot out"
        ) from None
    figure = Figure(figsize=(7, 4.5), layout="constrained")
    axes = figure.add_subplot()
    steps = [row.step for row in curve]
    axes.loglog(steps, [row.forward for row in curve], "o-", label="forward")
    axes.loglog(steps, [row.central for row in curve], "s-", label="central")
    axes.set(xlabel="step h", ylabel="relative error", title=f"Difference quotients of exp(x²)² at x = {AT}")
    axes.legend()
    figure.savefig(path)


def main(arguments: list[str] | None = None) -> None:
    """Print the table, and draw it where that is asked for."""
    parser = argparse.ArgumentParser(description="The error of difference quotients against their step.")
    parser.add_argument("--plot", type=Path, metavar="FILE.png", help="draw the curves as well (needs matplotlib)")
    options = parser.parse_args(arguments)
    curve = errors()
    print(f"derivative of exp(x²)² at {AT}, by backward: {derivative()!r}")
    print(f"{'h':>7}  {'forward':>8}  {'central':>8}   relative error")
    for row in curve:
        print(f"{row.step:7.0e}  {row.forward:8.1e}  {row.central:8.1e}")
    for name in ("forward", "central"):
        best = min(curve, key=lambda row: getattr(row, name))
        print(f"{name} differences are best at h = {best.step:.0e}: {getattr(best, name):.1e}")
    if options.plot is not None:
        plot(curve, options.plot)
        print(f"drawn into {options.plot}")


if __name__ == "__main__":
    main()
