"""What is accepted as MNIST: wrong files are named and kept, and a cache that cannot be used is told."""

import gzip
import io
import os
from pathlib import Path

import numpy as np
import pytest

from reference_impls.datasets import mnist, mnist_places
from reference_impls.datasets.idx import ContentError, gunzip
from tests.reference.small_mnist import GOOD, NAMES, TRAIN_IMAGES, FakeSource, fill, listing, use_sources

WRONG = {
    "flipped byte": (GOOD[:-1] + bytes([GOOD[-1] ^ 1]), "SHA-256 .* found, .* expected"),
    "truncated": (GOOD[:-1], "39 bytes found, 40 expected: the file is truncated"),
    "empty": (b"", "0 bytes found, 40 expected"),
    "oversized": (GOOD + b"xyz", "43 bytes found, 40 expected: the file is oversized"),
    "wrong magic": (b"\0\0\x08\x01" + GOOD[4:], "magic number 0x00000801 found, 0x00000803 expected"),
    "wrong dimensions": (
        GOOD[:4] + np.array([2, 6, 2], dtype=">u4").tobytes() + GOOD[16:],
        r"dimensions \(2, 6, 2\) found, \(6, 2, 2\) expected",
    ),
}


@pytest.mark.parametrize(("raw", "finding"), WRONG.values(), ids=WRONG.keys())
def test_a_wrong_file_in_the_cache_is_named_and_kept(
    cache: Path, monkeypatch: pytest.MonkeyPatch, raw: bytes, finding: str
) -> None:
    fill(cache, train_images_idx3_ubyte=raw)
    source = FakeSource()
    use_sources(monkeypatch, source)
    with pytest.raises(mnist.MNISTCorrupt, match=finding) as raised:
        mnist.load()
    assert str(raised.value).startswith(f"{cache / TRAIN_IMAGES}: ")
    assert "Delete that file and run again" in str(raised.value)
    assert (cache / TRAIN_IMAGES).read_bytes() == raw
    assert source.asked == []


def test_a_wrong_file_is_reported_before_the_others_are_downloaded(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (cache / NAMES[3]).write_bytes(b"damaged")
    source = FakeSource()
    use_sources(monkeypatch, source)
    with pytest.raises(mnist.MNISTCorrupt, match="t10k-labels"):
        mnist.load()
    assert source.asked == []


def test_a_truncated_gzip_file_is_corrupt(cache: Path) -> None:
    fill(cache)
    (cache / TRAIN_IMAGES).unlink()
    (cache / f"{TRAIN_IMAGES}.gz").write_bytes(gzip.compress(GOOD, mtime=0)[:-9])
    with pytest.raises(mnist.MNISTCorrupt, match="not a whole gzip archive"):
        mnist.load()


def test_a_gzip_bomb_is_refused_without_unpacking_it(cache: Path) -> None:
    fill(cache)
    (cache / TRAIN_IMAGES).unlink()
    (cache / f"{TRAIN_IMAGES}.gz").write_bytes(gzip.compress(bytes(10_000_000), mtime=0))
    with pytest.raises(mnist.MNISTCorrupt, match="at least 41 bytes found, 40 expected"):
        mnist.load()


def test_gunzip_stops_one_byte_past_the_size() -> None:
    assert len(gunzip(io.BytesIO(gzip.compress(bytes(100_000), mtime=0)), 40)) == 41
    with pytest.raises(ContentError):
        gunzip(io.BytesIO(b"no archive"), 40)


def test_a_cache_directory_that_cannot_be_made_is_named(
    cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "a file"))
    source = FakeSource()
    use_sources(monkeypatch, source)
    with pytest.raises(mnist.MNISTUnavailable, match="cannot be written") as raised:
        mnist.load()
    assert str(tmp_path / "a file" / "gradcheck-kit" / "mnist") in str(raised.value)
    assert source.asked == []


def test_an_unwritable_cache_directory_is_named(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cache.chmod(0o500)
    try:
        if os.access(cache, os.W_OK):
            pytest.skip("this user can write to any directory")
        use_sources(monkeypatch, FakeSource())
        with pytest.raises(mnist.MNISTUnavailable, match="cannot be written: permission denied") as raised:
            mnist.load()
        assert str(cache) in str(raised.value)
    finally:
        cache.chmod(0o700)


def test_a_full_disk_names_the_cache_directory_and_leaves_nothing(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(source: Path, target: Path) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(mnist_places.os, "replace", full)
    use_sources(monkeypatch, FakeSource())
    with pytest.raises(mnist.MNISTUnavailable, match="cannot be written: No space left on device"):
        mnist.load()
    assert listing(cache) == []
