"""What a check costs beside its peers as the input grows. `python -m benchmarks.cost`.

Every peer checks the same gradients on the same machine in the same run, A B A B …; what is printed are medians, ratios
and growth exponents. A peer that is not installed, or is left out at a size, is named with the reason. The cost of a
whole module is `python -m benchmarks.module_cost`.
"""

import argparse
import platform
import time
import warnings
from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor
from torch.autograd.gradcheck import GradcheckError

import gradcheck_kit as gk
from benchmarks.peers import FAST, NUMERICAL, OURS, PEERS, SLOW, VECTORISED, Peer, Subject, dense, elementwise

REPEATS = 5
LONG = 3.0  # seconds: longer ones have no start-up to speak of, and are not repeated
LONGEST = 60.0  # seconds: a peer that is expected to take longer is left out

History = dict[str, list[tuple[int, float]]]
"""By peer: (size, median seconds)."""


def timed(action: Callable[[], object]) -> float:
    started = time.perf_counter()
    action()
    return time.perf_counter() - started


def at(n: int) -> Tensor:
    """A random point of n elements."""
    return torch.from_numpy(np.random.default_rng(n).normal(size=n))


def medians(checks: Sequence[tuple[str, Callable[[], object]]], repeats: int) -> dict[str, float]:
    """Median seconds of each, measured in turns after one that is not counted; a long one is measured once."""
    first = {name: timed(check) for name, check in checks}
    seconds = {name: [elapsed] if elapsed > LONG else [] for name, elapsed in first.items()}
    for _ in range(repeats):
        for name, check in checks:
            if first[name] <= LONG:
                seconds[name].append(timed(check))
    return {name: float(np.median(values)) for name, values in seconds.items()}


def expected(history: list[tuple[int, float]], n: int, least: float) -> float:
    """Seconds at size n, carried on from the sizes so far, growing at least as n^least."""
    if not history:
        return 0.0
    size, seconds = history[-1]
    grown = exponent(history[-2:]) if len(history) > 1 else 0.0
    return seconds * (n / size) ** max(least, grown)


def exponent(history: Sequence[tuple[int, float]]) -> float:
    """The slope of log seconds over log size, by least squares."""
    sizes, seconds = np.log(np.array(history)).T
    return float(np.polyfit(sizes, seconds, 1)[0])


def of_passes(sizes: list[int], peers: Sequence[Peer] = PEERS) -> None:
    """Seconds of a check that passes, per peer and size."""
    subject = elementwise()
    present = [peer for peer in peers if not peer.absent]
    print(f"\nA right gradient, {subject.name}, n → n, float64: seconds (median), and how many times gradcheck_kit's\n")
    print("| n | " + " | ".join(peer.name for peer in present) + " |")
    print("|---" * (1 + len(present)) + "|")
    history: History = {peer.name: [] for peer in present}
    left_out = [f"{peer.name}: {peer.absent}" for peer in peers if peer.absent]
    dropped: set[str] = set()
    for peer in present:  # imports and compilation are no part of a check
        _must_pass(peer, subject, at(8))
    for n in sizes:
        x, asked = at(n), []
        for peer in (p for p in present if p.name not in dropped):
            why = peer.too_large(subject, n) or _too_long(peer, history[peer.name], n)
            if why:
                left_out.append(f"{peer.name} from n = {n:,}: {why}")
                dropped.add(peer.name)
            else:
                asked.append(peer)
        checks = [(peer.name, lambda p=peer, x=x: _must_pass(p, subject, x)) for peer in asked]
        found = medians(checks, REPEATS if n <= 10**5 else 2)
        for name, median in found.items():
            history[name].append((n, median))
        cells = (_cell(found, peer.name) for peer in present)
        print(f"| {n:,} | " + " | ".join(cells) + " |", flush=True)
    _print_growth(history, left_out)


def _must_pass(peer: Peer, subject: Subject, x: Tensor) -> None:
    if not peer.check(subject, x):
        raise RuntimeError(f"{peer.name} did not pass the right gradient of {subject.name} at n = {x.numel()}")


def _too_long(peer: Peer, history: list[tuple[int, float]], n: int) -> str:
    seconds = expected(history, n, 2.0 if peer.builds_jacobian else 1.0)
    return f"about {seconds:.3g} s expected, more than {LONGEST:.0f}" if seconds > LONGEST else ""


def _cell(found: dict[str, float], name: str, beside: Peer = OURS) -> str:
    base = found[beside.name]
    return f"{found[name]:.3g} ({found[name] / base:.2g}×)" if name in found else "–"


def _print_growth(history: History, left_out: list[str]) -> None:
    print("\nGrowth exponents (seconds ~ n^p), over all sizes measured and over the two largest:\n")
    for name, points in history.items():
        if len(points) > 1:
            print(f"- {name}: {exponent(points):.2f}, {exponent(points[-2:]):.2f} (up to n = {points[-1][0]:,})")
    if left_out:
        print("\nLeft out:\n")
    for line in left_out:
        print(f"- {line}")


def of_slow_mode(n: int) -> None:
    """Beside a checker that builds the Jacobian, n → n."""
    print(f"\nA right gradient at n = m = {n:,}, float64: seconds (median), and how many times those of the first\n")
    asked = (NUMERICAL, OURS, VECTORISED, SLOW, FAST)
    print("| subject | " + " | ".join(p.name for p in asked) + " |")
    print("|---" * (1 + len(asked)) + "|")
    x = at(n)
    for subject in (elementwise(), dense(n)):
        checks = [(p.name, lambda p=p, s=subject: _must_pass(p, s, x)) for p in asked]
        found = medians(checks, REPEATS)
        print(f"| {subject.name} | " + " | ".join(_cell(found, p.name, NUMERICAL) for p in asked) + " |", flush=True)


class Scaled(torch.autograd.Function):
    """x², with a backward that is `factors` times what it should be, elementwise."""

    @staticmethod
    def forward(ctx: torch.autograd.function.FunctionCtx, x: Tensor, factors: Tensor) -> Tensor:
        ctx.save_for_backward(x, factors)
        return x * x

    @staticmethod
    def backward(ctx: torch.autograd.function.FunctionCtx, *cotangents: Tensor) -> tuple[Tensor, None]:
        x, factors = ctx.saved_tensors  # type: ignore[attr-defined]
        return 2 * factors * cotangents[0] * x, None


def _bugs(n: int) -> dict[str, Tensor]:
    """Factors on the right gradient."""
    one_wrong = torch.ones(n, dtype=torch.float64)
    one_wrong[n // 2] = -1.0
    everywhere = torch.ones(n, dtype=torch.float64)
    return {
        "of the wrong sign": -everywhere,
        "zero": 0 * everywhere,
        "half": everywhere / 2,
        "1,000 times": 1_000 * everywhere,
        "1.001 times": 1.001 * everywhere,
        "of the wrong sign in one element": one_wrong,
    }


def of_failures(sizes: Sequence[int]) -> None:
    """Seconds until the error is raised, which names the element and the cause in our case."""
    print("\nA wrong gradient of x², n → n, float64: seconds until the error is raised\n")
    print("| the gradient is | n | gradcheck_kit | torch fast | ratio | torch slow |\n|---|---|---|---|---|---|")
    for n in sizes:
        x = at(n)
        for name, factors in _bugs(n).items():

            def f(x: Tensor, factors: Tensor = factors) -> Tensor:
                return Scaled.apply(x, factors)

            checks: dict[str, Callable[[], object]] = {
                "ours": lambda f=f, x=x: gk.check(f, x),
                "fast": lambda f=f, x=x: torch.autograd.gradcheck(f, (x.clone().requires_grad_(),), fast_mode=True),
                "slow": lambda f=f, x=x: torch.autograd.gradcheck(f, (x.clone().requires_grad_(),)),
            }
            raised = {key: _raises(check) for key, check in checks.items()}
            found = medians([(key, lambda c=check: _raises(c)) for key, check in checks.items()], 3)
            said = {key: f"{found[key]:.3g}" + ("" if raised[key] else " (passed it)") for key in checks}
            ratio = f"{found['fast'] / found['ours']:.2g}×" if raised["fast"] else "–"
            print(f"| {name} | {n:,} | {said['ours']} | {said['fast']} | {ratio} | {said['slow']} |", flush=True)


def _raises(check: Callable[[], object]) -> bool:
    try:
        check()
    except (gk.GradientCheckError, GradcheckError):
        return True
    return False


def of_evaluations(sizes: list[int]) -> None:
    """Forward evaluations and VJPs of a pass: they do not depend on n."""
    print("\nEvaluations of a pass (forward + VJP):\n")
    for n in sizes:
        cost = gk.examine(elementwise().f, at(n)).cost
        print(f"- n = {n:,}: {cost.forward} + {cost.vjp}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--largest", type=int, default=10**7)
    parser.add_argument("--threads", type=int, default=1, help="of torch; on a busy machine two wait for each other")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    warnings.simplefilter("ignore")
    print(
        f"Python {platform.python_version()}, NumPy {np.__version__}, torch {torch.__version__}, "
        f"{torch.get_num_threads()} threads, {platform.machine()}"
    )
    sizes = [10**k for k in range(2, 9) if 10**k <= options.largest]
    of_slow_mode(1_000)
    of_failures([100, 1_000])
    of_passes(sizes)
    of_evaluations(sizes)


if __name__ == "__main__":
    main()
