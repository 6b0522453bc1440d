"""Work shared out over processes of one thread each, with the progress on stderr: stdout is the table's."""

import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from multiprocessing import get_context
from typing import TypeVar

Task = TypeVar("Task")
Result = TypeVar("Result")


def in_workers(function: Callable[[Task], Result], tasks: Sequence[Task], processes: int) -> Iterator[Result]:
    """`function` of every task, in the order in which they are done; Ctrl-C ends it with those that are.

    Raises:
        Exception: whatever `function` raised in a worker.
    """
    for variable in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ[variable] = "1"  # read by each worker when it imports NumPy and torch, which is why it is spawned
    started = time.perf_counter()
    with ProcessPoolExecutor(processes, mp_context=get_context("spawn")) as pool:
        running = [pool.submit(function, task) for task in tasks]
        try:
            for done, future in enumerate(as_completed(running), 1):
                yield future.result()
                seconds = time.perf_counter() - started
                print(f"\r{done} of {len(tasks)}, {seconds:.0f} s", end="", file=sys.stderr, flush=True)
        except KeyboardInterrupt:
            pool.shutdown(wait=False, cancel_futures=True)
            print("\nstopped: the table counts what was done", file=sys.stderr)
    print(file=sys.stderr)
