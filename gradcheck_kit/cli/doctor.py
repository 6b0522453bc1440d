"""`gradcheck-kit doctor`: what is here, and what will not be run and why."""

import argparse
import json
import os
import platform
from importlib.util import find_spec
from typing import Any

from gradcheck_kit import __version__
from gradcheck_kit.cli import configuration
from gradcheck_kit.cli.devices import devices_of
from gradcheck_kit.cli.mnist_files import State, states, where
from gradcheck_kit.provenance import environment_now, version_of
from gradcheck_kit.report import SCHEMA
from gradcheck_kit.space import FORMATS

# What each optional dependency is for, and the extra that brings it.
OPTIONAL = {
    "torch": ("torch modules and functions, verify, parity", "torch"),
    "jax": ("comparisons with JAX", "peers"),
    "hypothesis": ("gk.explore and check", "explore"),
    "pytest": ("the pytest plugin", "pytest"),
    "matplotlib": ("pictures", "plot"),
    "rich": ("verify's tables", "cli"),
    "safetensors": ("networks stored as .safetensors", "safetensors"),
    "shtab": ("completion for bash and zsh", "cli"),
}
THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


def run(options: argparse.Namespace) -> int:
    """Carry out the command; it always succeeds: what is missing is a fact, not an error."""
    found = findings()
    print(json.dumps(found, indent=2) if options.format == "json" else _told(found))
    return 0


def findings() -> dict[str, Any]:
    """Everything as plain JSON values."""
    torch = _torch()
    devices = ["cpu"] if torch is None else devices_of(torch)
    data = states()
    needed = {name: version for name, version in environment_now().items() if name not in OPTIONAL}
    return {
        "schema": SCHEMA,
        "versions": {"gradcheck_kit": __version__, **needed},
        "platform": platform.platform(),
        "optional": {name: version_of(name) for name in OPTIONAL},
        "devices": devices,
        "dtypes": {
            "numpy": [name for name in FORMATS if name != "bfloat16"],
            "torch": [] if torch is None else list(FORMATS),
        },
        "threads": {
            "cores": os.cpu_count(),
            **{name: os.environ.get(name) for name in THREADS},
            "torch": None if torch is None else torch.get_num_threads(),
        },
        "mnist": {"directory": str(where().path), "files": {name: state.value for name, state in data.items()}},
        "configuration": _configuration(),
        "not_run": _not_run(devices, list(data.values())),
    }


def _torch() -> Any:
    if find_spec("torch") is None:
        return None
    import torch

    return torch


def _configuration() -> str | None:
    path = configuration.read().path
    return None if path is None else str(path)


def _not_run(devices: list[str], data: list[State]) -> list[str]:
    """ "what: why", as in every report."""
    missing = [
        f"{purpose}: {name} is not installed; pip install 'gradcheck-kit[{extra}]'"
        for name, (purpose, extra) in OPTIONAL.items()
        if find_spec(name) is None
    ]
    if len(devices) == 1:
        missing.append("checks on CUDA: torch is not installed or sees no CUDA device")
    if any(state is not State.RIGHT for state in data):
        missing.append("training on MNIST: not all of its files are here; type gradcheck-kit data fetch")
    return missing


def _told(found: dict[str, Any]) -> str:
    mnist, threads = found["mnist"], found["threads"]
    lines = [f"{name:<16}{version}" for name, version in found["versions"].items()]
    lines += [f"{name:<16}{version or 'not installed'}" for name, version in found["optional"].items()]
    lines += [
        "",
        f"{'platform':<16}{found['platform']}",
        f"{'devices':<16}{', '.join(found['devices'])}",
        *(f"{'dtypes, ' + library:<16}{', '.join(names) or 'none'}" for library, names in found["dtypes"].items()),
        f"{'threads':<16}{', '.join(f'{name} {number}' for name, number in threads.items() if number is not None)}",
        f"{'MNIST':<16}{mnist['directory']}",
        *(f"{'':<16}{name}: {state}" for name, state in mnist["files"].items()),
        f"{'configuration':<16}{found['configuration'] or 'none'}",
        "",
    ]
    missing = [f"not run: {item}" for item in found["not_run"]]
    return "\n".join([*lines, *(missing or ["everything can be run here"])])
