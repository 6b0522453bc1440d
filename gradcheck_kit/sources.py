"""Where the code under test is written: the functions that one evaluation of a pullback runs."""

import inspect
import linecache
import sys
import sysconfig
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

from gradcheck_kit.space import Array, Arrays
from gradcheck_kit.subject import Subject

OWN = str(Path(__file__).parent)
LIBRARIES = tuple(sysconfig.get_paths()[name] for name in ("stdlib", "platstdlib", "purelib", "platlib"))


@dataclass(frozen=True, order=True)
class Source:
    """A function in a file: the path (relative where it lies below the working directory), the line of its `def`, its
    qualified name."""

    file: str
    line: int
    name: str

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {"file": self.file, "line": self.line, "name": self.name}


class Watch:
    """Sees which Python functions outside of libraries run in the first evaluation of a pullback.

    What runs in a thread that Python did not start, as the backward of a CUDA tensor does, is not seen. Nor is anything
    while a profiler runs, which has the one hook there is.
    """

    def __init__(self) -> None:
        self._ran: set[CodeType] = set()
        self._watched = False

    def over(self, subject: Subject) -> Subject:
        """The same subject, watched."""
        pullback = subject.pullback

        def first_watched(point: Arrays, cotangents: Arrays) -> Mapping[str, Array | None]:
            if self._watched or sys.getprofile() is not None:
                return pullback(point, cotangents)
            self._watched = True
            with self._watching():
                return pullback(point, cotangents)

        return replace(subject, pullback=first_watched)

    @property
    def sources(self) -> tuple[Source, ...]:
        """The functions that ran, by file and line."""
        return tuple(sorted({_source_of(code) for code in self._ran if _of_the_user(code.co_filename)}))

    @contextmanager
    def _watching(self) -> Iterator[None]:
        """Python's profiling hook (`sys.setprofile`), taken out again."""

        def saw(frame: FrameType, event: str, _: Any) -> None:
            if event == "call":
                self._ran.add(frame.f_code)

        sys.setprofile(saw)
        try:
            yield
        finally:
            sys.setprofile(None)


def source_of(subject: Subject) -> Source | None:
    """Where the backward under test is defined: a layer's `backward`, a function's `vjp`, the `backward` of an
    `autograd.Function`; of any other torch target what is differentiated, a module's `forward` or the callable."""
    if subject.origin is None:
        return None
    return source_in(_backward_of(subject.origin.target, subject.origin.vjp))


def source_in(function: Any) -> Source | None:
    """Where a function or method is written; None for one without Python source."""
    code = getattr(inspect.unwrap(getattr(function, "__func__", function)), "__code__", None)
    return None if code is None else _source_of(code)


def raised_in(error: BaseException) -> str:
    """The user's own last line that ran before an exception, as "layers.py:12"; empty where there is none."""
    frames = [f for f in traceback.extract_tb(error.__traceback__) if _of_the_user(f.filename)]
    return f"{_path(frames[-1].filename)}:{frames[-1].lineno}" if frames else ""


def _backward_of(target: Any, vjp: Callable[..., Any] | None) -> Any:
    if vjp is not None:
        return vjp
    kind = target if inspect.isclass(target) else type(target)
    bound = getattr(target, "__self__", None)
    if inspect.isclass(bound) and hasattr(bound, "backward"):
        return bound.backward  # of `Function.apply`
    # An nn.Module has no backward of its own; a plain callable has neither method.
    return getattr(kind, "backward", None) or getattr(kind, "forward", target)


def _source_of(code: CodeType) -> Source:
    return Source(_path(code.co_filename), _line_of_def(code.co_filename, code.co_firstlineno), code.co_qualname)


def _line_of_def(file: str, first: int) -> int:
    """Code begins at its first decorator; a file that cannot be read is taken to have none."""
    if not linecache.getline(file, first).lstrip().startswith("@"):
        return first
    following = enumerate(linecache.getlines(file)[first:], first + 1)
    return next((line for line, text in following if text.lstrip().startswith(("def ", "async def "))), first)


@cache
def _path(file: str) -> str:
    path, here = Path(file), Path.cwd()
    return path.relative_to(here).as_posix() if path.is_relative_to(here) else path.as_posix()


@cache
def _of_the_user(file: str) -> bool:
    """Whether a file is neither Python's, nor an installed library's, nor ours; `<string>` is no file."""
    return not (file.startswith(("<", OWN)) or any(file.startswith(folder) for folder in LIBRARIES))
