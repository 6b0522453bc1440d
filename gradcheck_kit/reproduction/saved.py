"""Arrays in a .npz file that loads without pickle, and the lines that load them."""

import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from gradcheck_kit.literals import Literal


def write(path: str | Path, arrays: Mapping[str, npt.NDArray[Any]]) -> None:
    """Write the arrays, under any names (`numpy.savez` takes none called "file").

    Raises:
        OSError: the file cannot be written.
    """
    with zipfile.ZipFile(path, "w") as archive:
        for name, array in arrays.items():
            with archive.open(f"{name}.npy", "w", force_zip64=True) as entry:
                np.lib.format.write_array(entry, np.asarray(array), allow_pickle=False)


def loading(variable: str, name: str, array: Literal) -> str:
    """The line that takes an array out of `saved`; bfloat16, which NumPy lacks, is there as its bits."""
    line = f"{variable} = saved[{name!r}]"
    if array.device is None:
        return line
    line = f"{variable} = torch.from_numpy(saved[{name!r}])"
    line += ".view(torch.bfloat16)" if array.dtype == "bfloat16" else ""
    return line if array.device == "cpu" else f"{line}.to({array.device!r})"
