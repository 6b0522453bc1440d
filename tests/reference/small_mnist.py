"""Four small files in MNIST's place, and sources and mirrors that deliver them, or fail to."""

import hashlib
import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from email.message import Message
from pathlib import Path

import numpy as np
import pytest

from reference_impls.datasets import mnist
from reference_impls.datasets.idx import ExpectedFile
from reference_impls.datasets.mnist_mirror import Mirror
from reference_impls.datasets.mnist_sources import Deliver, Progress, SourceError

NAMES = (
    "train-images-idx3-ubyte",
    "train-labels-idx1-ubyte",
    "t10k-images-idx3-ubyte",
    "t10k-labels-idx1-ubyte",
)
SHAPES = ((6, 2, 2), (6,), (3, 2, 2), (3,))


def idx_bytes(shape: tuple[int, ...], first: int) -> bytes:
    header = np.array([0x0800 + len(shape), *shape], dtype=">u4").tobytes()
    return header + bytes((first + index) % 256 for index in range(int(np.prod(shape))))


CONTENT = {name: idx_bytes(shape, 10 * index) for index, (name, shape) in enumerate(zip(NAMES, SHAPES, strict=True))}
FILES = tuple(
    ExpectedFile(name, shape, hashlib.sha256(CONTENT[name]).hexdigest())
    for name, shape in zip(NAMES, SHAPES, strict=True)
)
TRAIN_IMAGES = NAMES[0]


@dataclass
class FakeSource:
    """Delivers `content`; a missing name, or an exception in place of bytes, ends it."""

    content: dict[str, bytes | BaseException] = field(default_factory=lambda: dict(CONTENT))
    name: str = "a fake source"
    by_hand: str = "Ask the fake source."
    asked: list[str] = field(default_factory=list)

    def fetch(self, wanted: Sequence[ExpectedFile], deliver: Deliver, progress: Progress) -> None:
        for expected in wanted:
            self.asked.append(expected.name)
            raw = self.content.get(expected.name, SourceError(f"it has no {expected.name}"))
            if isinstance(raw, BaseException):
                raise raw
            progress(expected.name, len(raw), len(raw))
            deliver(expected, raw)


@dataclass
class FakeAnswer:
    """An HTTP response whose body may end, or break, before its announced length."""

    body: bytes
    announced: int | None = None
    breaks_with: BaseException | None = None
    headers: Message = field(default_factory=Message)
    closed: bool = False

    def __post_init__(self) -> None:
        self.headers["Content-Length"] = str(len(self.body) if self.announced is None else self.announced)
        self._stream = io.BytesIO(self.body)

    def read(self, amount: int, /) -> bytes:
        chunk = self._stream.read(min(amount, 16))
        if not chunk and self.breaks_with is not None:
            raise self.breaks_with
        return chunk

    def close(self) -> None:
        self.closed = True


def fake_mirror(answer: Callable[[str], FakeAnswer]) -> Mirror:
    """A mirror that answers a file name, without `.gz`, with `answer(name)`."""
    return Mirror(
        "a fake mirror",
        "https://mirror.test/",
        open=lambda url: answer(url.removeprefix("https://mirror.test/")[:-3]),
    )


def use_sources(monkeypatch: pytest.MonkeyPatch, *sources: object) -> None:
    monkeypatch.setattr(mnist, "SOURCES", sources)


def fill(directory: Path, **changed: bytes) -> Path:
    """Put the four small files there; `changed` by field-like name, such as train_images_idx3_ubyte."""
    directory.mkdir(parents=True, exist_ok=True)
    for name, raw in CONTENT.items():
        (directory / name).write_bytes(changed.get(name.replace("-", "_"), raw))
    return directory


def listing(directory: Path) -> list[str]:
    return sorted(path.name for path in directory.iterdir())


GOOD = CONTENT[TRAIN_IMAGES]
