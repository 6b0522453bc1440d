"""Where and when a table was measured."""

import os
import platform
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import torch


def measured_here() -> str:
    """One sentence: the day (UTC), the processor and its cores, the versions."""
    cores = os.cpu_count()
    versions = f"Python {platform.python_version()}, NumPy {np.__version__}, torch {torch.__version__}"
    return (
        f"Measured on {datetime.now(UTC):%Y-%m-%d} on {_processor()}, {cores} cores, {platform.system()}; {versions}."
    )


def _processor() -> str:
    """The model's name where the system tells it, otherwise the architecture."""
    told = Path("/proc/cpuinfo")
    lines = told.read_text(encoding="utf-8").splitlines() if told.exists() else []
    models = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return models[0] if models else platform.processor() or platform.machine()
