"""A check at one point: the arrays that an .npz file holds."""

import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from gradcheck_kit.cli.signatures import forward_names
from gradcheck_kit.cli.target import at_own_line
from gradcheck_kit.engine import examine
from gradcheck_kit.exploration.construction import Call, Construction
from gradcheck_kit.exploration.demands import Demands
from gradcheck_kit.exploration.structure import Example, NDArray
from gradcheck_kit.exploration.trial import Trial, backward_raised, failed_pull, forward_works
from gradcheck_kit.report import Report
from gradcheck_kit.space import copies_of
from gradcheck_kit.subject import Subject, UsageError, in_words


def arrays_of(path: Path) -> dict[str, NDArray]:
    """The arrays of a file by name; pickled objects are refused.

    Raises:
        UsageError: there is no such file, it is no .npz, or an array holds Python objects.
    """
    try:
        with np.load(path, allow_pickle=False) as held:
            if not isinstance(held, np.lib.npyio.NpzFile):
                raise UsageError(f"{path} holds a single array; write it with np.savez({str(path)!r}, x=x)")
            return {name: _plain(held, name, path) for name in held.files}
    except OSError as problem:
        raise UsageError(f"cannot read {path}: {problem.strerror or problem}") from None
    except (ValueError, EOFError, zipfile.BadZipFile) as problem:
        if isinstance(problem, UsageError):
            raise
        raise UsageError(f"{path} is no .npz file ({problem}); write one with np.savez(file, x=x, W=W)") from None


def _plain(held: Any, name: str, path: Path) -> NDArray:
    try:
        return np.asarray(held[name])
    except ValueError:
        raise UsageError(
            f"{path}: {name!r} holds Python objects, and to load those may run any code; save numbers, such as\n"
            f"  np.savez({path.name!r}, {name}=np.asarray({name}, dtype=np.float64))"
        ) from None


def named(arrays: Mapping[str, NDArray], target: Any) -> dict[str, NDArray]:
    """The arrays by the names of the forward's inputs, where `np.savez(file, x)` has called them arr_0, arr_1, …"""
    names = forward_names(target) or []
    return {
        names[int(name[4:])] if _unnamed(name) and int(name[4:]) < len(names) else name: array
        for name, array in arrays.items()
    }


def _unnamed(name: str) -> bool:
    return name.startswith("arr_") and name[4:].isdecimal()


def checked(
    target: Any,
    vjp: Callable[..., Any] | None,
    arrays: Mapping[str, NDArray],
    constants: Mapping[str, Any],
    demands: Demands,
    seed: int,
) -> Report:
    """The report of a target at recorded arrays, `demands.seconds` being the check's budget.

    Raises:
        UsageError: the target cannot be called with them; the message shows the line of the user's that raised.
    """
    floating = [str(array.dtype) for array in arrays.values() if array.dtype.kind == "f"]
    dtype = demands.dtype or (floating[0] if floating else "float64")
    cast = {n: a.astype(dtype) if a.dtype.kind == "f" and demands.dtype else a for n, a in arrays.items()}
    example = Example({}, dtype, "C", cast, seed)
    construction = Construction(target, vjp, (*cast, *constants), constants, demands=demands)
    with construction.session():
        try:
            call = construction.call(example)
        except UsageError:
            raise
        except Exception as error:
            raise _unusable(f"{construction.title} cannot be built", cast, error) from error
        return _report(construction, call, example, seed)


def _report(construction: Construction, call: Call, example: Example, seed: int) -> Report:
    try:
        subject = construction.subject(call)
    except UsageError:
        raise
    except Exception as error:
        if not forward_works(call):
            raise _unusable(f"the forward of {construction.title} raises", example.arrays, error) from error
        return _told(backward_raised(construction.title, None, example, seed, error, call))
    failed = _first_call(construction, subject, call, example, seed)
    if failed is not None:
        return failed
    demands = construction.demands
    return examine(subject, **demands.options(seed), budget=demands.seconds)


def _first_call(construction: Construction, subject: Subject, call: Call, example: Example, seed: int) -> Report | None:
    """The failure of a backward that raises; None where it returns."""
    with subject.session():
        point = copies_of(subject.library, subject.point)
        try:
            outputs = dict(subject.forward(point))
        except UsageError:
            raise
        except Exception as error:
            raise _unusable(f"the forward of {construction.title} raises", example.arrays, error) from error
        failed = failed_pull(construction, subject, outputs, example, seed, call)
    return None if failed is None else _told(failed)


def _told(trial: Trial) -> Report:
    if trial.report is None:
        raise AssertionError("a backward that raised has a report")
    return trial.report


def _unusable(what: str, arrays: Mapping[str, NDArray], error: Exception) -> UsageError:
    shapes = ", ".join(f"{name} {array.dtype} {array.shape}" for name, array in arrays.items())
    told = f"{in_words(error, None)}{at_own_line(error)}"
    return UsageError(f"{what} with {shapes}: {told}\n  pass arrays of other shapes")
