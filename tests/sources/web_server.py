"""A web site on this machine, for tests of the web source: real requests, and a note of each."""

import gzip
import ssl
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

Answer = Callable[["Handler"], None]
MODIFIED = "Wed, 21 Oct 2015 07:28:00 GMT"


@dataclass(frozen=True)
class Page:
    """What lies at a path. An ETag in its headers is honoured: who knows it gets a 304."""

    body: bytes = b""
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # else each reply waits for an acknowledgement

    def do_GET(self) -> None:
        site = self.server
        assert isinstance(site, Site)
        site.asked.append((self.path, {name.lower(): value for name, value in self.headers.items()}))
        page = site.pages.get(self.path, Page(b"nothing here", 404))
        if not isinstance(page, Page):
            page(self)
            self.close_connection = True
        elif page.headers.get("ETag") is not None and self.headers["If-None-Match"] == page.headers["ETag"]:
            self.reply(Page(status=304, headers={"ETag": page.headers["ETag"]}))
        else:
            self.reply(page)

    def reply(self, page: Page) -> None:
        self.send_response(page.status)
        for name, value in page.headers.items():
            self.send_header(name, value)
        if page.status != 304:
            self.send_header("Content-Length", str(len(page.body)))
        self.end_headers()
        self.wfile.write(page.body)

    def log_message(self, format: str, *args: object) -> None:
        pass


class Site(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.pages: dict[str, Page | Answer] = {}
        self.asked: list[tuple[str, dict[str, str]]] = []
        self.port: int = self.server_address[1]
        if tls:
            self.socket = tls.wrap_socket(self.socket, server_side=True)

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that hangs up, as it does with a server that is too slow or sends too much."""

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self.port}"

    def url(self, path: str) -> str:
        return f"http://{self.host}{path}"

    def html(self, path: str, text: str, head: str = "", **headers: str) -> None:
        """Puts a page of HTML there; headers with _ for -."""
        body = f"<html><head><title>T</title>{head}</head><body><h1>{text}</h1><p>About {text}.</p></body></html>"
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        self.pages[path] = Page(body.encode(), headers={"Content-Type": "text/html", **named})

    def xml(self, path: str, text: str, zipped: bool = False) -> None:
        """Puts a sitemap or a feed there."""
        body = gzip.compress(text.encode()) if zipped else text.encode()
        self.pages[path] = Page(body, headers={"Content-Type": "application/xml"})

    def redirect(self, path: str, to: str) -> None:
        self.pages[path] = Page(status=302, headers={"Location": to})

    def paths(self) -> list[str]:
        """What was asked for, without robots.txt."""
        return [path for path, _ in self.asked if path != "/robots.txt"]


@contextmanager
def serving(tls: ssl.SSLContext | None = None) -> Iterator[Site]:
    """A site that is up within the block."""
    with Site(tls) as site:
        thread = threading.Thread(target=site.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        thread.start()
        yield site
        site.shutdown()
        thread.join()
