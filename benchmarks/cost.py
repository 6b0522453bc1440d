"""What a check costs beside its peers as the input grows. `python -m benchmarks.cost`.

Every peer checks the same gradients on the same machine in the same run, A B A B …; what is printed are medians, ratios
and growth exponents. A peer that is not installed says so.
"""

import argparse
import gc
import math
import resource
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor

import gradcheck_kit as gk

REPEATS = 5
LONGEST = 20.0  # seconds: a peer that took longer is not asked at the next size


def smooth(x: Tensor) -> Tensor:
    """n → n; its Jacobian is diagonal, so a peer that builds it has nothing to do but build it."""
    return torch.tanh(x) * x


class WrongHalf(torch.autograd.Function):
    """x², with a backward that is half of what it should be."""

    @staticmethod
    def forward(ctx: torch.autograd.function.FunctionCtx, x: Tensor) -> Tensor:
        ctx.save_for_backward(x)
        return x * x

    @staticmethod
    def backward(ctx: torch.autograd.function.FunctionCtx, *cotangents: Tensor) -> Tensor:
        (x,) = ctx.saved_tensors  # type: ignore[attr-defined]
        return cotangents[0] * x


@dataclass(frozen=True)
class Peer:
    """A checker: (function, point) → whether it passed."""

    name: str
    check: Callable[[Callable[[Tensor], Tensor], Tensor], bool]
    largest: int
    absent: str = ""


def ours(f: Callable[[Tensor], Tensor], x: Tensor) -> bool:
    return bool(gk.examine(f, x))


def torch_slow(f: Callable[[Tensor], Tensor], x: Tensor) -> bool:
    return bool(torch.autograd.gradcheck(f, (x.clone().requires_grad_(),), raise_exception=False))


def torch_fast(f: Callable[[Tensor], Tensor], x: Tensor) -> bool:
    return bool(torch.autograd.gradcheck(f, (x.clone().requires_grad_(),), raise_exception=False, fast_mode=True))


def scipy_check_grad(f: Callable[[Tensor], Tensor], x: Tensor) -> bool:
    """SciPy checks scalar functions: the outputs are summed."""
    from scipy.optimize import check_grad

    def value(at: np.ndarray) -> float:
        return float(f(torch.from_numpy(at)).sum())

    def gradient(at: np.ndarray) -> np.ndarray:
        leaf = torch.from_numpy(at).clone().requires_grad_()
        (g,) = torch.autograd.grad(f(leaf).sum(), leaf)
        return np.asarray(g)

    return bool(check_grad(value, gradient, x.numpy().copy()) < 1e-5)


def jax_check_grads(_f: Callable[[Tensor], Tensor], x: Tensor) -> bool:
    """The same function, written in JAX."""
    import jax
    import jax.numpy as jnp
    from jax.test_util import check_grads

    jax.config.update("jax_enable_x64", True)
    check_grads(lambda at: jnp.tanh(at) * at, (jnp.asarray(x.numpy()),), order=1, modes=["rev"])
    return True


def _absent(module: str) -> str:
    return "" if find_spec(module) else f"{module} is not installed"


PEERS = (
    Peer("gradcheck_kit", ours, 10**8),
    Peer("torch slow", torch_slow, 2_000),
    Peer("torch fast", torch_fast, 10**8),
    Peer("SciPy check_grad", scipy_check_grad, 10_000, _absent("scipy")),
    Peer("JAX check_grads", jax_check_grads, 10**8, _absent("jax")),
)


def timed(action: Callable[[], object]) -> float:
    started = time.perf_counter()
    action()
    return time.perf_counter() - started


def of_passes(sizes: list[int]) -> None:
    """Seconds of a check that passes, per peer and size."""
    print("\nA right gradient, n → n, float64: seconds (median), and how many times gradcheck_kit's\n")
    present = [peer for peer in PEERS if not peer.absent]
    print("| n | " + " | ".join(peer.name for peer in present) + " |")
    print("|---" * (1 + len(present)) + "|")
    history: dict[str, list[tuple[int, float]]] = {peer.name: [] for peer in present}
    for n in sizes:
        x = torch.from_numpy(np.random.default_rng(n).normal(size=n))
        asked = [p for p in present if n <= p.largest and (not history[p.name] or history[p.name][-1][1] < LONGEST)]
        seconds: dict[str, list[float]] = {peer.name: [] for peer in asked}
        for _ in range(REPEATS if n <= 10**5 else 2):
            for peer in asked:
                seconds[peer.name].append(timed(lambda check=peer.check, at=x: check(smooth, at)))
        medians = {name: float(np.median(values)) for name, values in seconds.items()}
        for name, median in medians.items():
            history[name].append((n, median))
        base = medians["gradcheck_kit"]
        cells = (
            f"{medians[p.name]:.3g} ({medians[p.name] / base:.2g}×)" if p.name in medians else "–" for p in present
        )
        print(f"| {n:,} | " + " | ".join(cells) + " |", flush=True)
    print("\ngrowth exponents between the two largest sizes: " + ", ".join(_growth(n, h) for n, h in history.items()))
    for peer in PEERS:
        if peer.absent:
            print(f"not run: {peer.name} ({peer.absent})")


def _growth(name: str, history: list[tuple[int, float]]) -> str:
    if len(history) < 2:
        return f"{name} –"
    (n0, t0), (n1, t1) = history[-2:]
    return f"{name} n^{math.log(t1 / t0) / math.log(n1 / n0):.2f}"


def of_failures(n: int) -> None:
    """Seconds until a wrong gradient is reported; ours is located and diagnosed in that time."""
    x = torch.from_numpy(np.random.default_rng(n).normal(size=n))
    print(f"\nA wrong gradient (half of x²'s), n = {n:,}, float64:\n")
    for name, check in (("gradcheck_kit", ours), ("torch fast", torch_fast), ("torch slow", torch_slow)):
        verdict = "passed" if check(WrongHalf.apply, x) else "reported"
        seconds = [timed(lambda c=check: c(WrongHalf.apply, x)) for _ in range(3)]
        print(f"- {name}: {verdict} in {np.median(seconds):.3g} s")


def of_evaluations(sizes: list[int]) -> None:
    """Forward evaluations and VJPs of a pass: they do not depend on n."""
    print("\nEvaluations of a pass (forward + VJP):\n")
    for n in sizes:
        cost = gk.examine(smooth, torch.from_numpy(np.random.default_rng(n).normal(size=n))).cost
        print(f"- n = {n:,}: {cost.forward} + {cost.vjp}")


class Loss(torch.nn.Module):
    """An MLP with its loss."""

    def __init__(self, widths: list[int], dtype: torch.dtype) -> None:
        super().__init__()
        layers: list[torch.nn.Module] = []
        for fan_in, fan_out in pairwise(widths):
            layers += [torch.nn.Linear(fan_in, fan_out), torch.nn.Tanh()]
        self.body = torch.nn.Sequential(*layers[:-1]).to(dtype)

    def forward(self, x: Tensor, labels: Tensor) -> Tensor:
        return torch.nn.functional.cross_entropy(self.body(x), labels)


def of_module(widths: list[int], dtype: torch.dtype, device: str) -> None:
    """A whole module: time in its own forward + backward passes, memory in copies of its parameters."""
    module = Loss(widths, dtype).to(device)
    x = torch.randn(64, widths[0], dtype=dtype, device=device)
    labels = (torch.arange(64) % widths[-1]).to(device)
    count = sum(p.numel() for p in module.parameters())

    def once() -> None:
        module(x, labels).backward()
        module.zero_grad()
        if device != "cpu":
            torch.cuda.synchronize()

    once()
    passes = float(np.median([timed(once) for _ in range(5)]))
    gc.collect()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    names = [name for name, _ in module.named_parameters()]
    report = gk.examine(module, x, labels, wrt=names)
    copies = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024 / (count * x.element_size())
    memory = f"peak memory {copies:.1f} copies of the parameters more than before" if device == "cpu" else ""
    print(
        f"\nA module of {count:,} parameters, {str(dtype).removeprefix('torch.')}, {device}: {report.verdict.value}, "
        f"{report.cost.seconds:.2f} s = {report.cost.seconds / passes:.0f} of its forward + backward passes "
        f"({report.cost.forward} + {report.cost.vjp} evaluations) {memory}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--largest", type=int, default=10**7)
    parser.add_argument("--device", default="cpu")
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    print(f"torch {torch.__version__}, {torch.get_num_threads()} threads")
    of_module([784, 2048, 2560, 1200, 10], torch.float64, options.device)
    sizes = [10**k for k in range(2, 9) if 10**k <= options.largest]
    of_passes(sizes)
    of_failures(1_000)
    of_evaluations(sizes)


if __name__ == "__main__":
    main()
