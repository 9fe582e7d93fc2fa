"""Web addresses as users, sitemaps, feeds and redirects write them: which are asked for, in one spelling each."""

from __future__ import annotations

import re
from collections.abc import Iterable
from ipaddress import IPv6Address
from urllib.parse import urlsplit

from httpx2 import URL, InvalidURL

from groundtune.errors import UserError

PORTS = {"http": 80, "https": 443}

_NAME = re.compile(r"(?:[a-z0-9_-]{1,63}\.)*[a-z0-9_-]{1,63}\.?")
_CREDENTIALS = re.compile(r"^([a-z][a-z0-9+.-]*:)?[/\\]*[^/\\?#]*@", re.IGNORECASE)


class FetchError(Exception):
    """Something on the web could not be read; the message says why.

    passing: the trouble may pass by itself (a time-out, a server that is down).
    """

    def __init__(self, reason: str, passing: bool = False) -> None:
        super().__init__(reason)
        self.reason = reason
        self.passing = passing


class GoneError(FetchError):
    """The server says that there is nothing there, or not any more."""


def read_url(text: str, base: URL | None = None) -> URL:
    """The address that a text means, without its fragment, host in lower case; a relative one starts from `base`.

    Raises FetchError, which never shows a password, for what is not plain http or https.
    """
    try:
        url = base.join(text.strip()) if base else URL(text.strip())
    except InvalidURL as error:
        raise FetchError("not a web address") from error
    if url.scheme not in PORTS:
        raise FetchError("not a web address: it must begin with http:// or https://")
    if url.userinfo:
        raise FetchError("it has a user name or password in it, which would be shown wherever the page is cited")
    host = url.raw_host.decode("ascii")
    if not _is_host(host) or not 0 < port_of(url) < 65536:
        raise FetchError("not a web address: it names no proper host")
    netloc = f"[{host}]" if ":" in host else host
    if port_of(url) != PORTS[url.scheme]:
        netloc += f":{url.port}"
    return URL(f"{url.scheme}://{netloc}{url.raw_path.decode('ascii')}")


def port_of(url: URL) -> int:
    """The port that an address leads to."""
    return PORTS[url.scheme] if url.port is None else url.port


def shown(text: str) -> str:
    """An address as it may be shown, readable or not: without user name and password, and not endless."""
    return _CREDENTIALS.sub(r"\1//", text.strip())[:500]


def allowed_hosts(entries: Iterable[str]) -> frozenset[tuple[str, int]]:
    """Hosts and ports from entries like "intranet.example" (ports 80 and 443) and "localhost:8080" (this port alone).

    Raises UserError for an entry that is neither.
    """
    found: set[tuple[str, int]] = set()
    for entry in entries:
        try:
            port = urlsplit(f"//{entry}").port
            url = read_url(f"http://{entry}")
        except (FetchError, ValueError) as error:
            raise _no_host(entry) from error
        if url.raw_path != b"/" or entry.endswith("/"):
            raise _no_host(entry)
        found |= {(url.raw_host.decode("ascii"), one) for one in ([port] if port else PORTS.values())}
    return frozenset(found)


def _no_host(entry: str) -> UserError:
    return UserError(
        f"[[sources]] allow_hosts: {shown(entry)!r} is no host",
        'write "intranet.example" (ports 80 and 443) or "localhost:8080" (this port alone)',
    )


def _is_host(host: str) -> bool:
    if ":" not in host:
        return bool(_NAME.fullmatch(host))
    try:
        return IPv6Address(host).scope_id is None
    except ValueError:
        return False
