"""How are the MNIST files fetched from a public mirror over HTTPS?"""

import io
import queue
import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from email.message import Message
from http.client import HTTPException
from typing import IO, Protocol

from reference_impls.datasets.idx import ContentError, ExpectedFile, gunzip
from reference_impls.datasets.mnist_sources import Deliver, Progress, SourceError

PYTORCH_URL = "https://ossci-datasets.s3.amazonaws.com/mnist/"
CVDF_URL = "https://storage.googleapis.com/cvdf-datasets/mnist/"

ANSWER_SECONDS = 10.0  # name look-up, connection, and headers, all of them together
READ_SECONDS = 30.0  # the longest silence in the middle of a download
CHUNK_BYTES = 64 * 1024
ARCHIVE_OVERHEAD_BYTES = 4096  # a gzip archive may be this much longer than what it holds


class Answer(Protocol):
    """The part of an HTTP response that is used."""

    @property
    def headers(self) -> Mapping[str, str] | Message: ...

    def read(self, amount: int, /) -> bytes: ...

    def close(self) -> None: ...


class RefuseInsecureRedirects(urllib.request.HTTPRedirectHandler):
    """urllib follows a redirect from HTTPS to HTTP; this does not."""

    def redirect_request(
        self, req: urllib.request.Request, fp: IO[bytes], code: int, msg: str, headers: Message, newurl: str
    ) -> urllib.request.Request | None:
        if not newurl.startswith("https://"):
            fp.close()
            raise urllib.error.URLError(f"redirected to {newurl}, which is not HTTPS")
        return super().redirect_request(req, fp, code, msg, headers, newurl)  # type: ignore[arg-type]


def open_https(url: str) -> Answer:
    """Open a URL, honouring proxies. Raises OSError or HTTPException, TimeoutError after ANSWER_SECONDS.

    urllib's own timeout holds for each address of a host in turn and not for the name look-up, so a
    firewall that swallows packets would hold it up for minutes; hence the thread.
    """
    outcome: queue.SimpleQueue[Answer | Exception] = queue.SimpleQueue()

    def ask() -> None:
        try:
            opener = urllib.request.build_opener(RefuseInsecureRedirects)
            outcome.put(opener.open(url, timeout=READ_SECONDS))
        except Exception as problem:
            outcome.put(problem)

    threading.Thread(target=ask, daemon=True).start()
    try:
        answer = outcome.get(timeout=ANSWER_SECONDS)
    except queue.Empty:
        raise TimeoutError(f"no answer within {ANSWER_SECONDS:g} seconds") from None
    if isinstance(answer, Exception):
        raise answer
    return answer


@dataclass(frozen=True)
class Mirror:
    """A web folder that holds the four files as `.gz`. Raises ValueError if the URL is not HTTPS."""

    name: str
    base_url: str
    open: Callable[[str], Answer] = open_https

    def __post_init__(self) -> None:
        if not (self.base_url.startswith("https://") and self.base_url.endswith("/")):
            raise ValueError(f"base_url is {self.base_url!r}, expected 'https://.../' with a slash at the end")

    @property
    def by_hand(self) -> str:
        return f"Download {self.base_url}NAME.gz for each NAME below, into either directory."

    def fetch(self, wanted: Sequence[ExpectedFile], deliver: Deliver, progress: Progress) -> None:
        """Download, gunzip and deliver each wanted file. Raises SourceError at the first that fails."""
        for expected in wanted:
            archive = self._download(expected, progress)
            try:
                raw = gunzip(io.BytesIO(archive), expected.size)
            except ContentError as problem:
                raise SourceError(f"{expected.name}.gz: {problem}") from None
            deliver(expected, raw)

    def _download(self, expected: ExpectedFile, progress: Progress) -> bytes:
        name, limit = f"{expected.name}.gz", expected.size + ARCHIVE_OVERHEAD_BYTES
        archive = bytearray()
        with closing(self._answer(name)) as answer:
            total = _content_length(answer)
            progress(name, 0, total)
            for chunk in _chunks(answer, name):
                archive += chunk
                if len(archive) > limit:
                    raise SourceError(f"{name}: more than {limit} bytes received, refused as oversized")
                progress(name, len(archive), total)
        if total is not None and len(archive) != total:
            raise SourceError(f"{name}: {len(archive)} bytes received, {total} announced")
        return bytes(archive)

    def _answer(self, name: str) -> Answer:
        try:
            return self.open(self.base_url + name)
        except (OSError, HTTPException) as problem:
            if isinstance(problem, urllib.error.HTTPError):
                problem.close()  # it is the open response as well
            raise SourceError(f"{name}: {_reason(problem)}") from None


def _chunks(answer: Answer, name: str) -> Iterator[bytes]:
    while True:
        try:
            chunk = answer.read(CHUNK_BYTES)
        except (OSError, HTTPException) as problem:
            raise SourceError(f"{name}: the download broke off: {_reason(problem)}") from None
        if not chunk:
            return
        yield chunk


def _content_length(answer: Answer) -> int | None:
    announced = answer.headers.get("Content-Length")
    return int(announced) if announced is not None and announced.isdecimal() else None


def _reason(problem: Exception) -> str:
    if isinstance(problem, urllib.error.URLError) and not isinstance(problem, urllib.error.HTTPError):
        return str(problem.reason)
    return str(problem) or type(problem).__name__
