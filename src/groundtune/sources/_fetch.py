"""Getting something from the web: bounded in size, time and redirects, only over checked connections.

No cookies, no credentials, no proxies from the environment; each request stands for itself.
"""

from __future__ import annotations

import ssl
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from http import HTTPStatus
from types import TracebackType
from typing import Self

import httpcore2
from httpx2 import URL

from groundtune.sources._connect import CheckedBackend, Deadline, Resolve, resolve
from groundtune.sources._urls import FetchError, GoneError, read_url

MOST_REDIRECTS = 10
GZIP = b"\x1f\x8b"

_REDIRECTS = {301, 302, 303, 307, 308}
_GONE = {404, 410}
_PASSING = {408, 425, 429}  # and all from 500: the server's own trouble
_PIECE = 64 * 1024


@dataclass(frozen=True, slots=True)
class Reply:
    """What a server said. url: where, after redirects; headers: by name in lower case; body: of a 200 alone."""

    url: URL
    status: int
    headers: Mapping[str, str]
    body: bytes


Before = Callable[[URL], Mapping[str, str]]


class Fetcher:
    """A web client. Use it in a `with` block and in one thread.

    timeout: seconds that one request may take in all, from connecting to the last byte.
    allowed: (host, port) that may be asked though their address is not public.
    """

    def __init__(
        self,
        user_agent: str,
        timeout: float,
        allowed: frozenset[tuple[str, int]],
        *,
        resolve: Resolve = resolve,
        network: httpcore2.NetworkBackend | None = None,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._user_agent = user_agent
        self._deadline = Deadline(timeout)
        backend = CheckedBackend(allowed, self._deadline, resolve, network or httpcore2.SyncBackend())
        self._pool = httpcore2.ConnectionPool(
            ssl_context=tls or _trusted(), keepalive_expiry=5, network_backend=backend
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._pool.close()

    def get(self, url: URL, most: int, before: Before = lambda _: {}, *, cut: bool = False) -> Reply:
        """The reply to a GET, redirects followed.

        most: bytes of the body, decompressed; cut: whether a larger one is cut there, not refused. before: called with
        the address of each request, redirects too; gives headers to send with it, and may refuse it by raising. Raises
        FetchError where there is no reply to be had.
        """
        for _ in range(MOST_REDIRECTS + 1):
            headers = before(url)
            reply = self._ask(url, headers, most, cut)
            if reply.status not in _REDIRECTS or "location" not in reply.headers:
                return reply
            url = _followed(url, reply.headers["location"])
        raise FetchError(f"more than {MOST_REDIRECTS} redirects", passing=True)

    def _ask(self, url: URL, headers: Mapping[str, str], most: int, cut: bool) -> Reply:
        """One request, one reply."""
        own = {"Host": url.netloc.decode("ascii"), "User-Agent": self._user_agent, "Accept-Encoding": "gzip"}
        target = httpcore2.URL(scheme=url.raw_scheme, host=url.raw_host, port=url.port, target=url.raw_path)
        self._deadline.restart()
        try:
            with self._pool.stream("GET", target, headers=[*own.items(), *headers.items()]) as response:
                received = _headers(response.headers)
                body = _body(response, received, most, cut) if response.status == 200 else b""
        except httpcore2.TimeoutException as error:
            raise self._deadline.missed() from error
        except (httpcore2.NetworkError, httpcore2.ProtocolError) as error:
            raise FetchError(f"the connection failed ({error})", passing=True) from error
        except zlib.error as error:
            raise FetchError("its gzip data is damaged") from error
        return Reply(url, response.status, received, body)


def accept(reply: Reply) -> Reply:
    """The reply, if it is a 200. Raises FetchError for any other."""
    if reply.status == 200:
        return reply
    phrase = next((status.phrase for status in HTTPStatus if status == reply.status), "")
    reason = f"HTTP {reply.status} {phrase}".rstrip()
    if reply.status in _GONE:
        raise GoneError(reason)
    raise FetchError(reason, passing=reply.status in _PASSING or reply.status >= 500)


def gunzip(data: bytes, most: int) -> bytes:
    """What is in gzip data. Raises FetchError for more than `most` bytes and for damaged data."""
    try:
        return _gathered(_unpacked([data]), most)
    except zlib.error as error:
        raise FetchError("its gzip data is damaged") from error


@cache
def _trusted() -> ssl.SSLContext:
    """The system's certificate authorities; reading them takes a tenth of a second."""
    return httpcore2.default_ssl_context()


def _followed(url: URL, location: str) -> URL:
    try:
        target = read_url(location, url)
    except FetchError as error:
        raise FetchError(f"a redirect to what is {error.reason}") from error
    if url.scheme == "https" and target.scheme == "http":
        raise FetchError("a redirect from https to http, where anybody on the way could change the page")
    return target


def _headers(pairs: Iterable[tuple[bytes, bytes]]) -> dict[str, str]:
    """Headers by name in lower case; what is sent several times is joined."""
    found: dict[str, str] = {}
    for raw_name, raw_value in pairs:
        name, value = raw_name.decode("ascii").lower(), raw_value.decode("utf-8", "replace")
        found[name] = f"{found[name]}, {value}" if name in found else value
    return found


def _body(response: httpcore2.Response, headers: Mapping[str, str], most: int, cut: bool) -> bytes:
    encoding = headers.get("content-encoding", "").strip().lower()
    if encoding in ("gzip", "x-gzip"):
        return _gathered(_unpacked(response.iter_stream()), most, cut)
    if encoding not in ("", "identity"):
        raise FetchError(f"its content encoding is {encoding[:40]}, which was not asked for")
    return _gathered(response.iter_stream(), most, cut)


def _gathered(pieces: Iterable[bytes], most: int, cut: bool = False) -> bytes:
    """The pieces as one, which stops as soon as they are too many."""
    body = bytearray()
    for piece in pieces:
        body += piece
        if len(body) > most:
            if cut:
                return bytes(body[:most])
            raise FetchError(f"it is larger than {most / 1_000_000:g} MB")
    return bytes(body)


def _unpacked(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """Gzip data unpacked in small pieces, so that a bomb is noticed before it goes off. It may have several members."""
    unzip = zlib.decompressobj(wbits=31)
    for chunk in chunks:
        rest, full = chunk, False
        while rest or full:
            if unzip.eof:
                if not rest.startswith(GZIP):
                    return  # padding after the end
                unzip = zlib.decompressobj(wbits=31)
            piece = unzip.decompress(rest, _PIECE)
            yield piece
            rest = unzip.unused_data if unzip.eof else unzip.unconsumed_tail
            full = len(piece) == _PIECE and not unzip.eof  # more may wait inside though all was taken in
    if not unzip.eof:
        raise FetchError("it broke off", passing=True)
