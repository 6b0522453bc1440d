"""How do named arrays come into a file and back? As NumPy's .npz, or as .safetensors; never by pickle.

Reading a pickle runs whatever code it holds. These two formats hold numbers only.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from reference_impls.layers.layer import Array

SUFFIXES = (".npz", ".safetensors")


def write_arrays(path: str | Path, arrays: Mapping[str, Array]) -> None:
    """Write the arrays to a file whose suffix, ".npz" or ".safetensors", says how.

    Raises:
        ModuleNotFoundError: ".safetensors" without the package of that name.
        ValueError: another suffix.
        OSError: the file cannot be written.
    """
    if _suffix(path) == ".npz":
        named: dict[str, Any] = dict(arrays)
        np.savez(path, **named)
    else:
        _safetensors().save_file(dict(arrays), path)


def read_arrays(path: str | Path) -> dict[str, Array]:
    """Read the arrays of a file, by name.

    Raises:
        ModuleNotFoundError: ".safetensors" without the package of that name.
        ValueError: another suffix, or an array of Python objects, which would need pickle.
        OSError: the file cannot be read.
    """
    if _suffix(path) == ".npz":
        with np.load(path, allow_pickle=False) as file:
            return {name: file[name] for name in file.files}
    read: dict[str, Array] = _safetensors().load_file(path)
    return read


def _suffix(path: str | Path) -> str:
    suffix = Path(path).suffix
    if suffix not in SUFFIXES:
        raise ValueError(f'{path}: the suffix is "{suffix}"; pass a path that ends in ".npz" or ".safetensors"')
    return suffix


def _safetensors() -> Any:
    try:
        import safetensors.numpy
    except ModuleNotFoundError:
        raise ModuleNotFoundError(
            "a .safetensors file needs the package safetensors; install it with "
            "pip install 'gradcheck-kit[safetensors]', or use .npz"
        ) from None
    return safetensors.numpy
