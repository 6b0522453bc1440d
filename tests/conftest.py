"""What all tests share: Hypothesis profiles whose seed is always known, one thread a process, and the devices."""

# ruff: noqa: E402 - the environment is set before the imports that read it
import os

# Before NumPy is first imported: two threads make a skinny matrix product fifty times slower than one.
for _variable in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_variable, "1")

import secrets
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import Phase, settings

try:
    import torch
except ImportError:
    torch = None  # type: ignore[assignment]
else:
    torch.set_num_threads(1)

# Not the phase "explain": it runs a failing check, which is slow, some hundred times more, and says little here.
_COMMON = settings(deadline=None, print_blob=True, phases=set(Phase) - {Phase.explain})
# The same examples in every run; "nightly" looks further, from a seed that the report header shows.
settings.register_profile("default", _COMMON, derandomize=True, max_examples=15)
settings.register_profile("nightly", _COMMON, derandomize=False, max_examples=300)
settings.load_profile("default")  # --hypothesis-profile is loaded over it

DEVICES = ("cpu", "cuda")
SEED_FOR_WORKERS = "hypothesis_seed"


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    """Settle the seed of a nightly run before Hypothesis's own plugin reads the option."""
    worker: dict[str, Any] | None = getattr(config, "workerinput", None)
    if worker is not None:
        config.option.hypothesis_seed = worker.get(SEED_FOR_WORKERS)
    elif config.option.hypothesis_profile == "nightly" and config.option.hypothesis_seed is None:
        config.option.hypothesis_seed = str(secrets.randbits(32))


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """xdist's workers parse the command line themselves, so a seed chosen here has to be sent to them."""
    node.workerinput[SEED_FOR_WORKERS] = node.config.option.hypothesis_seed


def pytest_report_header(config: pytest.Config) -> str | None:
    """How to draw the same examples again."""
    return _how_to_repeat(config)


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    """Once more at the end: -q leaves the header out, and a log's end is what is read."""
    line = _how_to_repeat(config)
    if line is not None:
        terminalreporter.write_line(line)


def _how_to_repeat(config: pytest.Config) -> str | None:
    seed = config.option.hypothesis_seed
    if seed is None:
        return None
    profile = settings.get_current_profile_name()
    return f"hypothesis seed: repeat with --hypothesis-profile={profile} --hypothesis-seed={seed}"


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """A test that takes `device` is collected for every device, present or not."""
    if "device" in metafunc.fixturenames:
        metafunc.parametrize("device", DEVICES)


@pytest.fixture(scope="session")
def needs_device() -> Callable[[str, str], None]:
    """Skips where the device is absent, with a reason that names what was not run."""

    def skip_unless_present(device: str, what: str) -> None:
        if device == "cuda" and (torch is None or not torch.cuda.is_available()):
            pytest.skip(f"no CUDA device: {what} on {device} was not run")

    return skip_unless_present
