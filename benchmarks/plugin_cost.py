"""What the installed plugin adds to `pytest --collect-only` on a project that has nothing to do with it.

`python -m benchmarks.plugin_cost`: a project of plain tests in a temporary directory is collected without the plugin
and with it, in turns A B A B, each time by a fresh process. Told are the medians of the wall time and of the processor
time (user and system, which a busy machine disturbs less), and of the differences within each pair. Where the entry
point is not installed the plugin is loaded by `-p gradcheck_kit.pytest_plugin`.
"""

import argparse
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from importlib.metadata import entry_points
from pathlib import Path

MODULE = "gradcheck_kit.pytest_plugin"
WITHOUT = ("-p", "no:gradcheck_kit")
ROOT = Path(__file__).resolve().parents[1]


def project(folder: Path, files: int, tests: int) -> None:
    """So many files of so many plain tests."""
    (folder / "pytest.ini").write_text("[pytest]\n", encoding="utf-8")
    body = "".join(f"def test_{i}():\n    assert {i} + 1 == {i + 1}\n\n\n" for i in range(tests))
    for number in range(files):
        (folder / f"test_{number}.py").write_text(body, encoding="utf-8")


def collect(folder: Path, plugins: tuple[str, ...]) -> tuple[float, float]:
    """Wall and processor time of one collection, in seconds."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)  # an installed plugin is compiled
    command = [sys.executable, "-m", "pytest", "--collect-only", "-qq", "-p", "no:cacheprovider", *plugins]
    before, started = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    subprocess.run(command, cwd=folder, env=environment, check=True, stdout=subprocess.DEVNULL)
    wall, after = time.perf_counter() - started, resource.getrusage(resource.RUSAGE_CHILDREN)
    return wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--files", type=int, default=20)
    parser.add_argument("--tests", type=int, default=25, help="in each file")
    parser.add_argument("--pairs", type=int, default=20)
    options = parser.parse_args()
    installed = any(entry.value == MODULE for entry in entry_points(group="pytest11"))
    loaded = () if installed else (*WITHOUT, "-p", MODULE)
    with tempfile.TemporaryDirectory() as name:
        project(Path(name), options.files, options.tests)
        for plugins in (WITHOUT, loaded):  # writes the bytecode
            collect(Path(name), plugins)
        pairs = [(collect(Path(name), WITHOUT), collect(Path(name), loaded)) for _ in range(options.pairs)]
    how = "by its entry point" if installed else f"by -p {MODULE}"
    print(f"{options.files * options.tests} tests in {options.files} files, {options.pairs} pairs; loaded {how}\n")
    print("time       without    with   more, median of the pairs (quartiles)")
    for index, what in enumerate(("wall", "processor")):
        without, beside = ([1000.0 * pair[side][index] for pair in pairs] for side in (0, 1))
        more = [b - a for a, b in zip(without, beside, strict=True)]
        low, middle, high = statistics.quantiles(more, n=4)
        medians = f"{statistics.median(without):5.0f} ms  {statistics.median(beside):5.0f} ms"
        print(f"{what:<9} {medians}  {middle:5.1f} ms ({low:.1f} to {high:.1f})")


if __name__ == "__main__":
    main()
