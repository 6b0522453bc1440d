"""A command's results as a JSON file."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from gradcheck_kit.subject import UsageError


def write(path: Path, values: Mapping[str, Any]) -> None:
    """Indented, and without NaN, which JSON has not.

    Raises:
        UsageError: the file cannot be written.
    """
    try:
        path.write_text(json.dumps(values, indent=2, allow_nan=False) + "\n", encoding="utf-8")
    except OSError as problem:
        raise UsageError(f"cannot write {path}: {problem.strerror}") from None
