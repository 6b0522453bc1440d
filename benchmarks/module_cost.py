"""What the check of a whole module costs, in its own forward + backward passes and in copies of its parameters.

`python -m benchmarks.module_cost`: an MLP of 10⁷ parameters with its loss, by default 784-2048-2560-1200-10 in float64
on a batch of 128 images. The larger the batch the more a pass costs, and the less the arithmetic of the check beside
it; 128 is a customary batch for such a network. Times are of one process, in turns: pass, check, pass, check. Memory is
that of a fresh process each: the highest resident size during the check, less the resident size with the module
loaded and one pass done. It is read from /proc, so memory is measured on Linux only.
"""

import argparse
import gc
import json
import subprocess
import sys
import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

import gradcheck_kit as gk

REPEATS = 5
PASSES = 5  # in a turn
STATUS, RESET = Path("/proc/self/status"), Path("/proc/self/clear_refs")


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


class Bench:
    """The module, a batch, and the two things that are measured."""

    def __init__(self, options: argparse.Namespace) -> None:
        torch.manual_seed(0)
        self.module = Loss(options.widths, getattr(torch, options.dtype)).to(options.device)
        self._device = options.device
        self._x = torch.randn(options.batch, options.widths[0], dtype=getattr(torch, options.dtype)).to(options.device)
        self._labels = (torch.arange(options.batch) % options.widths[-1]).to(options.device)
        self.count = sum(p.numel() for p in self.module.parameters())
        self.bytes = self.count * self._x.element_size()

    def one_pass(self) -> None:
        """Forward, backward, and the gradients let go."""
        self.module(self._x, self._labels).backward()
        self.module.zero_grad()
        if self._device != "cpu":
            torch.cuda.synchronize()

    def check(self) -> gk.Report:
        """All parameters; the images are data and are held fixed."""
        names = [name for name, _ in self.module.named_parameters()]
        return gk.examine(self.module, self._x, self._labels, wrt=names)


def of_time(bench: Bench, repeats: int) -> None:
    bench.one_pass()
    ratios, seconds, report = [], [], None
    for _ in range(repeats):
        passes = float(np.median([_timed(bench.one_pass) for _ in range(PASSES)]))
        started = time.perf_counter()
        report = bench.check()
        seconds.append((passes, time.perf_counter() - started))
        passes = (passes + float(np.median([_timed(bench.one_pass) for _ in range(PASSES)]))) / 2
        ratios.append(seconds[-1][1] / passes)
    assert report is not None
    one, whole = np.median(np.array(seconds), axis=0)
    print(
        f"- time: {report.verdict.value} in {whole:.3g} s, a forward + backward pass takes {one:.3g} s: "
        f"{np.median(ratios):.0f} passes (between {min(ratios):.0f} and {max(ratios):.0f} in {repeats} turns), "
        f"for {report.cost.forward} forward evaluations and {report.cost.vjp} VJPs"
    )


def _timed(action: Callable[[], object]) -> float:
    started = time.perf_counter()
    action()
    return time.perf_counter() - started


def resident(peak: bool) -> int:
    """Bytes of resident memory of this process, now or at most; of this program only, unlike `getrusage`."""
    key = "VmHWM:" if peak else "VmRSS:"
    line = next(line for line in STATUS.read_text(encoding="ascii").splitlines() if line.startswith(key))
    return 1024 * int(line.split()[1])


def measure_memory(bench: Bench, what: Callable[[], object]) -> dict[str, float]:
    """In copies of the parameters: the most that `what` holds beyond what was resident before."""
    bench.one_pass()
    gc.collect()
    before = resident(peak=False)
    RESET.write_text("5", encoding="ascii")  # the highest resident size begins anew
    what()
    return {"before": before / bench.bytes, "more": (resident(peak=True) - before) / bench.bytes}


def of_memory(arguments: list[str]) -> None:
    if not RESET.exists():
        print("- memory: not measured, this system has no /proc")
        return
    measured = {}
    for what in ("pass", "check"):
        command = [sys.executable, "-m", "benchmarks.module_cost", *arguments, "--memory-of", what]
        measured[what] = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    check, own = measured["check"], measured["pass"]
    print(
        f"- memory: at most {check['more']:.1f} copies of the parameters more than the {check['before']:.1f} resident "
        f"before; a forward + backward pass holds at most {own['more']:.1f} more"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--widths", type=int, nargs="+", default=[784, 2048, 2560, 1200, 10])
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--dtype", choices=["float64", "float32", "float16", "bfloat16"], default="float64")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--threads", type=int, default=1, help="of torch; on a busy machine two wait for each other")
    parser.add_argument("--repeats", type=int, default=REPEATS)
    parser.add_argument("--memory-of", choices=["pass", "check"], help="measure this process alone, and print JSON")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    bench = Bench(options)
    if options.memory_of:
        print(json.dumps(measure_memory(bench, bench.one_pass if options.memory_of == "pass" else bench.check)))
        return
    widths = "-".join(map(str, options.widths))
    print(f"torch {torch.__version__}, {torch.get_num_threads()} threads\n")
    print(f"An MLP {widths}, {bench.count:,} parameters, {options.dtype}, batch {options.batch}, {options.device}:\n")
    of_time(bench, options.repeats)
    if options.device == "cpu":
        of_memory(sys.argv[1:])


if __name__ == "__main__":
    main()
