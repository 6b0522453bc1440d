"""Is this file the IDX file that was expected, and what does it hold?

An IDX file of bytes is a big-endian header (the magic number 0x0800 + number of dimensions, then one
32-bit length per dimension) followed by the data in C order.
"""

import gzip
import hashlib
import math
import os
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
import numpy.typing as npt

UNSIGNED_BYTE_MAGIC = 0x0800

ByteArray = npt.NDArray[np.uint8]


class ContentError(ValueError):
    """The bytes are not the expected IDX file; the text says what was found and what was expected."""


@dataclass(frozen=True)
class ExpectedFile:
    """One IDX file of unsigned bytes, known in advance: its name, the shape it holds, its SHA-256."""

    name: str
    shape: tuple[int, ...]
    sha256: str

    @property
    def magic(self) -> int:
        return UNSIGNED_BYTE_MAGIC + len(self.shape)

    @property
    def header_size(self) -> int:
        return 4 + 4 * len(self.shape)

    @property
    def size(self) -> int:
        return self.header_size + math.prod(self.shape)

    @property
    def spellings(self) -> tuple[str, ...]:
        """The file names under which it is accepted, the plain one first."""
        dotted = self.name.replace("-idx", ".idx")
        return (self.name, dotted, self.name + ".gz", dotted + ".gz")


def read(path: Path, expected: ExpectedFile) -> ByteArray:
    """Read and verify one file, gunzipped first if its name ends in `.gz`.

    Returns a read-only uint8 array of shape `expected.shape`.
    Raises ContentError if it is not the expected file, OSError if it cannot be read.
    """
    with path.open("rb") as stream:
        if path.suffix == ".gz":
            return verify(gunzip(stream, expected.size), expected)
        check_size(os.fstat(stream.fileno()).st_size, expected)
        return verify(stream.read(expected.size + 1), expected)


def gunzip(stream: BinaryIO, size: int) -> bytes:
    """Decompress at most `size + 1` bytes: enough to see that a file is too long, never a bomb.

    Raises ContentError if the stream is not a whole gzip archive.
    """
    try:
        with gzip.GzipFile(fileobj=stream) as unpacked:
            return unpacked.read(size + 1)
    except (gzip.BadGzipFile, EOFError, zlib.error) as problem:
        raise ContentError(f"not a whole gzip archive ({problem})") from None


def verify(raw: bytes, expected: ExpectedFile) -> ByteArray:
    """Check size, magic number, dimensions and SHA-256, in the order of the most telling message.

    Returns a read-only uint8 array of shape `expected.shape` over `raw`. Raises ContentError.
    """
    check_size(len(raw), expected)
    header = np.frombuffer(raw[: expected.header_size], dtype=">u4")
    if int(header[0]) != expected.magic:
        found, wanted = f"0x{int(header[0]):08x}", f"0x{expected.magic:08x}"
        raise ContentError(f"magic number {found} found, {wanted} expected: not the right kind of IDX file")
    shape = tuple(int(length) for length in header[1:])
    if shape != expected.shape:
        raise ContentError(f"dimensions {shape} found, {expected.shape} expected")
    checksum = hashlib.sha256(raw).hexdigest()
    if checksum != expected.sha256:
        raise ContentError(f"SHA-256 {checksum} found, {expected.sha256} expected: the content is damaged")
    return np.frombuffer(raw, dtype=np.uint8, offset=expected.header_size).reshape(expected.shape)


def check_size(found: int, expected: ExpectedFile) -> None:
    """Raise ContentError unless `found` bytes is the size expected."""
    if found < expected.size:
        raise ContentError(f"{found} bytes found, {expected.size} expected: the file is truncated")
    if found > expected.size:
        # A decompressed stream is read one byte past the expected size and no further.
        count = str(found) if found > expected.size + 1 else f"at least {found}"
        raise ContentError(f"{count} bytes found, {expected.size} expected: the file is oversized")
