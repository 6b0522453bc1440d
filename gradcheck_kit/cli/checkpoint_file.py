"""A training run's progress in a file: whole or not there, and of no other run."""

import contextlib
import hashlib
import json
import os
import sys
import time
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from gradcheck_kit import whole_file
from gradcheck_kit.destination import folder_obstacle
from gradcheck_kit.side_by_side.trainee import Values
from gradcheck_kit.subject import UsageError
from reference_impls.datasets.mnist_errors import MNISTUnavailable
from reference_impls.datasets.mnist_places import cache_directory

NAME = "parity.npz"
STALE = 60.0  # seconds
SETTINGS = "settings"  # beside the arrays of `TrainingRun.snapshot`, none of which is called so


@dataclass(frozen=True)
class CheckpointFile:
    """The progress of the run with these settings, in `directory`.

    Attributes:
        directory: made when there is something to save.
        settings: all that decides what is computed, as plain JSON values.
    """

    directory: Path
    settings: Mapping[str, Any]

    @property
    def path(self) -> Path:
        return self.directory / NAME

    def expect_room(self) -> None:
        """Ask before the first epoch what `save` would meet after it.

        Raises:
            UsageError: nothing can be written there.
        """
        if (obstacle := folder_obstacle(self.directory)) is not None:
            raise UsageError(f"cannot keep checkpoints in {self.directory}: {obstacle} with --checkpoint DIR")

    def save(self, snapshot: Mapping[str, Values]) -> None:
        """Write without pickle under another name first, so that a kill leaves the file before or the one after.

        Raises:
            UsageError: it cannot be written.
        """
        partial = self.path.with_name(f"{NAME}.{os.getpid()}.partial")
        try:
            self.directory.mkdir(parents=True, exist_ok=True)
            with whole_file.replacing(self.path, partial, "wb") as file:
                np.savez(file, **{SETTINGS: np.array(json.dumps(self.settings)), **snapshot})  # type: ignore[arg-type]
            self._sweep()
        except OSError as problem:
            raise UsageError(
                f"cannot write the checkpoint {self.path}: {problem.strerror}; pass --checkpoint DIR"
            ) from None

    def _sweep(self) -> None:
        """Delete what a kill in the middle of a save left: a save takes a second, what is a minute old is nobody's."""
        for partial in self.directory.glob(f"{NAME}.*.partial"):
            if partial.stat().st_mtime < time.time() - STALE:
                partial.unlink(missing_ok=True)

    def load(self) -> dict[str, Values] | None:
        """The snapshot; None where none was saved.

        Raises:
            UsageError: the file is damaged, or of a run with other settings; the message says which.
        """
        if not self.path.exists():
            return None
        try:
            with self.path.open("rb") as file, np.load(file, allow_pickle=False) as held:
                arrays = {name: held[name] for name in held.files}
            saved = json.loads(str(arrays.pop(SETTINGS)))
        except (OSError, KeyError, ValueError, EOFError, zipfile.BadZipFile) as error:
            raise UsageError(f"{self.path} is no checkpoint of a parity run ({error}); delete it") from None
        if saved != dict(self.settings):
            raise UsageError(
                f"{self.path} is of another run: {_differences(saved, self.settings)}. Type the options of that run to "
                "go on with it, or another --checkpoint DIR to begin this one"
            )
        return arrays

    def remove(self) -> None:
        """Of a run that is over; the directory too, where nothing else is in it."""
        for file in (self.path, *self.directory.glob(f"{NAME}.*.partial")):
            file.unlink(missing_ok=True)
        with contextlib.suppress(OSError):
            self.directory.rmdir()


def default_directory(identity: Mapping[str, Any]) -> Path:
    """A directory in the user's cache for the runs of this identity alone, plain JSON values.

    Raises:
        UsageError: no home directory is known.
    """
    try:
        cache = cache_directory(os.environ, sys.platform).parent
    except MNISTUnavailable:
        raise UsageError("no home directory is known to keep checkpoints in; pass --checkpoint DIR") from None
    return cache / "parity" / hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()[:16]


def _differences(there: Mapping[str, Any], here: Mapping[str, Any]) -> str:
    told = []
    for name in [name for name in {**there, **here} if there.get(name) != here.get(name)]:
        saved, now = there.get(name, "not set"), here.get(name, "not set")
        if isinstance(saved, dict) and isinstance(now, dict):
            told.append(_differences(*({f"{name} of {key}": v for key, v in part.items()} for part in (saved, now))))
        else:
            told.append(f"its {name} is {saved}, here {now}")
    return "; ".join(told)
