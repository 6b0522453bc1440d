"""A failure shows our report and none of our frames."""

import sys
from pathlib import Path
from types import TracebackType
from typing import Any

import pytest

OWN = Path(__file__).parents[1]


def hide(item: pytest.Item, call: "pytest.CallInfo[Any]") -> None:
    """Take our frames out of the traceback of our own two errors, alone or in a group; --full-trace leaves them."""
    if call.excinfo is None or item.config.getoption("fulltrace"):
        return
    error = call.excinfo.value
    if _cut(error, tuple(_kinds())):
        call.excinfo = pytest.ExceptionInfo.from_exc_info((type(error), error, error.__traceback__ or call.excinfo.tb))


def _cut(error: BaseException, kinds: tuple[type[BaseException], ...]) -> bool:
    """Whether a traceback has changed."""
    if isinstance(error, BaseExceptionGroup):
        return any([_cut(each, kinds) for each in error.exceptions])
    theirs = _without_ours(error.__traceback__) if isinstance(error, kinds) else None
    if theirs is None:  # another's error, or nothing would be left
        return False
    error.__traceback__ = theirs
    return True


def _without_ours(traceback: TracebackType | None) -> TracebackType | None:
    frames = []
    while traceback is not None:
        frames.append(traceback)
        traceback = traceback.tb_next
    rest: TracebackType | None = None
    for each in reversed(frames):
        if not Path(each.tb_frame.f_code.co_filename).is_relative_to(OWN):
            rest = TracebackType(rest, each.tb_frame, each.tb_lasti, each.tb_lineno)
    return rest


def _kinds() -> list[Any]:
    """The errors as far as they are loaded: what is not loaded was not raised."""
    places = (("gradcheck_kit.report", "GradientCheckError"), ("gradcheck_kit.subject", "UsageError"))
    return [getattr(sys.modules[module], name) for module, name in places if module in sys.modules]
