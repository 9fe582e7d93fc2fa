"""Fetching: only what may be fetched, from where it may be fetched, and never more than was meant."""

import gzip
import ssl
import time
import tracemalloc
import zlib
from collections.abc import Callable, Iterator
from ipaddress import IPv4Address

import httpcore2
import pytest
import trustme
from hypothesis import given, settings
from hypothesis import strategies as st

from groundtune.errors import UserError
from groundtune.sources._connect import is_public, resolve
from groundtune.sources._fetch import MOST_REDIRECTS, Fetcher, Reply, gunzip
from groundtune.sources._urls import FetchError, allowed_hosts, read_url, shown
from tests.sources.web_server import Handler, Page, Site, serving

MOST = 1_000_000


@pytest.fixture
def site() -> Iterator[Site]:
    with serving() as one:
        yield one


def get(url: str, *allow: str, most: int = MOST, timeout: float = 5) -> Reply:
    with Fetcher("Groundtune", timeout, allowed_hosts(allow)) as fetcher:
        return fetcher.get(read_url(url), most)


def refused(url: str, *allow: str, most: int = MOST, timeout: float = 5) -> FetchError:
    with pytest.raises(FetchError) as raised:
        get(url, *allow, most=most, timeout=timeout)
    return raised.value


# ---------------------------------------------------------------- addresses


@pytest.mark.parametrize(
    "address",
    [
        *("127.0.0.1", "127.8.9.1", "10.0.0.1", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.100.100.200"),
        *("0.0.0.0", "0.1.2.3", "224.0.0.1", "239.255.255.250", "240.0.0.1", "255.255.255.255"),
        *("192.0.0.192", "192.0.2.1", "192.88.99.1", "198.18.0.1", "198.51.100.1", "203.0.113.1", "168.63.129.16"),
        *("::", "::1", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "::127.0.0.1", "fe80::1", "fe80::1%eth0", "fc00::1"),
        *("fd00:ec2::254", "fec0::1", "ff02::1", "64:ff9b::7f00:1", "64:ff9b::a00:1", "64:ff9b:1::1.1.1.1"),
        *("2002:7f00:1::", "2001::1", "2001:db8::1", "3fff::1", "5f00::1", "100::1", "4000::1"),
        *("", "localhost", "1.1.1.1.1"),
    ],
)
def test_an_address_in_the_house_is_not_public(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize(
    "address",
    ["1.1.1.1", "93.184.215.14", "2606:4700::1111", "2a00:1450:4001::1", "::ffff:1.1.1.1", "64:ff9b::101:101"],
)
def test_an_address_of_the_internet_is_public(address: str) -> None:
    assert is_public(address)


@given(st.integers(0, 2**32 - 1))
def test_an_ipv4_address_is_judged_alike_however_it_is_wrapped_in_ipv6(number: int) -> None:
    address = IPv4Address(number)
    assert is_public(f"::ffff:{address}") == is_public(f"64:ff9b::{address}") == is_public(str(address))
    assert address.is_global or not is_public(str(address))


# ---------------------------------------------------------------- what may be asked


def test_a_private_host_is_asked_when_it_is_allowed_by_name(site: Site) -> None:
    site.pages["/a"] = Page(b"hello")
    assert get(site.url("/a"), site.host).body == b"hello"


def test_a_private_host_is_refused_and_the_way_to_allow_it_told(site: Site) -> None:
    error = refused(site.url("/a"))
    assert "127.0.0.1 is at 127.0.0.1, which is not a public address" in error.reason
    assert f'add "{site.host}" to allow_hosts' in error.reason
    assert not error.passing
    assert site.asked == []


@pytest.mark.parametrize("allowed", ["127.0.0.1", "127.0.0.1:1", "localhost:{port}", "intranet.example:{port}"])
def test_only_the_port_and_the_name_that_are_allowed_are(site: Site, allowed: str) -> None:
    assert "not a public address" in refused(site.url("/"), allowed.format(port=site.port)).reason
    assert site.asked == []


def test_a_host_without_a_port_is_allowed_on_the_usual_two() -> None:
    assert allowed_hosts(["Intranet.example"]) == {("intranet.example", 80), ("intranet.example", 443)}
    assert allowed_hosts(["localhost:8080", "[::1]:443"]) == {("localhost", 8080), ("::1", 443)}


@pytest.mark.parametrize(
    "entry", ["", "http://localhost", "localhost/", "localhost/x", "a b", "u:secret@h", "h:0", "h:x", "*", "10.0.0.0/8"]
)
def test_an_allowed_host_that_is_none_is_an_error(entry: str) -> None:
    with pytest.raises(UserError, match=r"allow_hosts: .* is no host") as raised:
        allowed_hosts([entry])
    assert "secret" not in raised.value.message


@pytest.mark.parametrize(
    "host",
    [
        *("localhost", "localhost.", "LOCALHOST", "127.1", "2130706433", "0x7f000001", "0177.0.0.1", "0"),
        *("[::1]", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "[0:0:0:0:0:ffff:127.0.0.1]", "[::]"),
    ],
)
def test_no_spelling_of_loopback_gets_past(site: Site, host: str) -> None:
    reason = refused(f"http://{host}:{site.port}/").reason
    # the system's resolver does not know the last dot everywhere, and no address of the web is octal
    assert any(why in reason for why in ("not a public address", "is not found", "not a web address"))
    assert site.asked == []


@pytest.mark.parametrize(
    "url",
    [
        *("ftp://example.com/", "file:///etc/passwd", "javascript:alert(1)", "/relative", "example.com", "", "http://"),
        *("http:///x", "http://a b/", "http://h:99999/", "http://h:0/", "http://a..b/", "http://[fe80::1%25eth0]/"),
        *("http://[::1", "http://h\x00/", "http://１２７.0.0.1/", "gopher://h/", "http://%6c/", "http://-\\evil/"),
    ],
)
def test_what_is_no_address_of_the_web_is_refused(url: str) -> None:
    with pytest.raises(FetchError, match="not a web address"):
        read_url(url)


@pytest.mark.parametrize("url", ["http://ann:secret@h/x", "https://secret@h", "http:\\\\ann:secret@h", "ann:secret@h"])
def test_an_address_with_a_password_is_refused_and_the_password_never_shown(url: str) -> None:
    with pytest.raises(FetchError) as raised:
        read_url(url)
    assert "secret" not in raised.value.reason + shown(url)


def test_an_at_sign_in_a_path_is_no_password() -> None:
    assert shown("https://h/@ann/x") == str(read_url("https://h/@ann/x")) == "https://h/@ann/x"


@pytest.mark.parametrize(
    ("url", "same"),
    [
        ("HTTP://Example.com:80/a/../b#part", "http://example.com/b"),
        ("https://example.com:443", "https://example.com/"),
        ("http://example.com:443/", "http://example.com:443/"),
        (" http://bücher.example/ä?q=ü ", "http://xn--bcher-kva.example/%C3%A4?q=%C3%BC"),
        ("http://[2606:4700::1111]:80/", "http://[2606:4700::1111]/"),
    ],
)
def test_an_address_has_one_spelling(url: str, same: str) -> None:
    assert str(read_url(url)) == same == str(read_url(same))


# ---------------------------------------------------------------- connections


class Recorder(httpcore2.SyncBackend):
    """Connects to a site on this machine whatever address it is told, and notes the address."""

    def __init__(self, site: Site) -> None:
        self.site = site
        self.connected: list[str] = []

    def connect_tcp(self, host: str, port: int, *arguments: object, **options: object) -> httpcore2.NetworkStream:
        self.connected.append(host)
        return super().connect_tcp("127.0.0.1", self.site.port, timeout=5)


def test_a_name_that_is_bound_to_another_address_after_the_check_is_never_connected_to(site: Site) -> None:
    site.pages["/"] = Page(b"public", headers={"Connection": "close"})
    answers = iter([["93.184.215.14"], ["127.0.0.1"]])
    network = Recorder(site)
    with Fetcher("G", 5, frozenset(), resolve=lambda host, port: next(answers), network=network) as fetcher:
        assert fetcher.get(read_url("http://rebind.example/"), MOST).body == b"public"
        assert network.connected == ["93.184.215.14"]  # the checked address itself, after one question to the resolver
        with pytest.raises(FetchError, match=r"rebind.example is at 127.0.0.1, which is not a public address"):
            fetcher.get(read_url("http://rebind.example/"), MOST)
    assert network.connected == ["93.184.215.14"]


@pytest.mark.parametrize("addresses", [["93.184.215.14", "10.0.0.1"], ["::1", "2606:4700::1111"]])
def test_one_private_address_among_a_names_addresses_is_enough_to_refuse_it(site: Site, addresses: list[str]) -> None:
    network = Recorder(site)
    with (
        Fetcher("G", 5, frozenset(), resolve=lambda host, port: addresses, network=network) as fetcher,
        pytest.raises(FetchError, match="not a public address"),
    ):
        fetcher.get(read_url("http://mixed.example/"), MOST)
    assert network.connected == []


def test_the_next_address_is_tried_where_one_does_not_answer(site: Site) -> None:
    site.pages["/"] = Page(b"hello")
    addresses = ["127.0.0.2", "127.0.0.1"]  # the site listens on the second alone
    allowed = frozenset({("two.example", site.port)})
    with Fetcher("G", 5, allowed, resolve=lambda host, port: addresses) as fetcher:
        assert fetcher.get(read_url(f"http://two.example:{site.port}/"), MOST).body == b"hello"


def test_an_unknown_host_may_be_known_again(site: Site) -> None:
    error = refused("http://nowhere.invalid/")
    assert error.passing
    assert "the host nowhere.invalid is not found" in error.reason


def test_a_resolver_gives_each_address_once() -> None:
    assert resolve("127.0.0.1", 80) == ["127.0.0.1"]


def test_a_refused_connection_may_pass() -> None:
    with serving() as gone:
        url, host = gone.url("/"), gone.host
    error = refused(url, host)
    assert error.passing
    assert "the connection failed" in error.reason


def test_a_proxy_in_the_environment_is_not_used(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    with serving() as proxy:
        for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
            monkeypatch.setenv(name, proxy.url(""))
        site.pages["/"] = Page(b"direct")
        assert get(site.url("/"), site.host).body == b"direct"
        assert proxy.asked == []


# ---------------------------------------------------------------- TLS


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def secure(authority: trustme.CA) -> Iterator[Site]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("site.example").configure_cert(context)
    with serving(context) as one:
        one.pages["/"] = Page(b"secret")
        yield one


def get_secure(site: Site, host: str, trusted: trustme.CA) -> Reply:
    context = ssl.create_default_context()
    trusted.configure_trust(context)
    allowed = frozenset({(host, site.port)})
    with Fetcher("G", 5, allowed, resolve=lambda host, port: ["127.0.0.1"], tls=context) as fetcher:
        return fetcher.get(read_url(f"https://{host}:{site.port}/"), MOST)


def test_a_certificate_is_checked_against_the_name_not_the_address(secure: Site, authority: trustme.CA) -> None:
    assert get_secure(secure, "site.example", authority).body == b"secret"
    assert secure.asked[0][1]["host"] == f"site.example:{secure.port}"
    with pytest.raises(FetchError, match="certificate verify failed: Hostname mismatch"):
        get_secure(secure, "other.example", authority)


def test_a_certificate_of_nobody_is_refused(secure: Site) -> None:
    with pytest.raises(FetchError, match="certificate verify failed"):
        get_secure(secure, "site.example", trustme.CA())
    assert secure.asked == []


def test_a_redirect_from_https_to_http_is_refused(secure: Site, authority: trustme.CA) -> None:
    secure.redirect("/", f"http://site.example:{secure.port}/plain")
    with pytest.raises(FetchError, match="a redirect from https to http"):
        get_secure(secure, "site.example", authority)


# ---------------------------------------------------------------- redirects


def test_redirects_are_followed_relative_ones_too(site: Site) -> None:
    site.redirect("/old/a", "../b#part")
    site.redirect("/b", site.url("/c"))
    site.pages["/c"] = Page(b"here")
    reply = get(site.url("/old/a"), site.host)
    assert (str(reply.url), reply.body) == (site.url("/c"), b"here")


def test_a_redirect_to_a_private_host_is_refused_before_it_is_asked(site: Site) -> None:
    with serving() as inner:
        for to in (inner.url("/admin"), f"http://localhost:{site.port}/", f"//127.1:{site.port}/", "http://[::1]/"):
            site.redirect("/a", to)
            assert "not a public address" in refused(site.url("/a"), site.host).reason
        assert inner.asked == []
        assert set(site.paths()) == {"/a"}


@pytest.mark.parametrize(
    ("to", "reason"),
    [
        ("ftp://127.0.0.1/", "a redirect to what is not a web address"),
        ("file:///etc/passwd", "a redirect to what is not a web address"),
        ("http://ann:secret@127.0.0.1/", "user name or password"),
    ],
)
def test_a_redirect_leads_to_the_web_alone(site: Site, to: str, reason: str) -> None:
    site.redirect("/a", to)
    error = refused(site.url("/a"), site.host)
    assert reason in error.reason
    assert "secret" not in error.reason


def test_redirects_come_to_an_end(site: Site) -> None:
    site.redirect("/a", "/b")
    site.redirect("/b", "/a")
    assert refused(site.url("/a"), site.host).reason == f"more than {MOST_REDIRECTS} redirects"
    assert len(site.asked) == MOST_REDIRECTS + 1


def test_no_cookie_is_sent_back(site: Site) -> None:
    site.pages["/a"] = Page(status=302, headers={"Location": "/b", "Set-Cookie": "session=1"})
    site.pages["/b"] = Page()
    get(site.url("/a"), site.host)
    assert [set(headers) for _, headers in site.asked] == [{"host", "user-agent", "accept-encoding"}] * 2


# ---------------------------------------------------------------- size


def endless(handler: Handler) -> None:
    """A body that says nothing of its length and never ends."""
    handler.send_response(200)
    handler.end_headers()
    while True:
        handler.wfile.write(b"x" * 65536)


def bomb(handler: Handler) -> None:
    """A gigabyte of zeros in a megabyte of gzip, as the page's encoding."""
    pack = zlib.compressobj(9, wbits=31)
    handler.send_response(200)
    handler.send_header("Content-Encoding", "gzip")
    handler.end_headers()
    for _ in range(1_000):
        handler.wfile.write(pack.compress(bytes(1_000_000)))


@pytest.mark.parametrize("answer", [endless, bomb])
def test_a_page_is_read_no_further_than_its_limit(site: Site, answer: Callable[[Handler], None]) -> None:
    site.pages["/"] = answer
    error = refused(site.url("/"), site.host, most=2_000_000)
    assert (error.reason, error.passing) == ("it is larger than 2 MB", False)


def test_a_page_may_be_as_large_as_its_limit(site: Site) -> None:
    site.pages["/"] = Page(b"x" * 1_000)
    assert len(get(site.url("/"), site.host, most=1_000).body) == 1_000
    assert "larger" in refused(site.url("/"), site.host, most=999).reason


def test_a_gzip_bomb_takes_no_memory() -> None:
    data = gzip.compress(bytes(20_000_000))
    tracemalloc.start()
    with pytest.raises(FetchError, match="larger than 1 MB"):
        gunzip(data, MOST)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 3 * MOST


@settings(deadline=None)
@given(st.lists(st.binary(max_size=200_000).map(lambda data: data * 3), min_size=1, max_size=3))
def test_gzip_data_of_several_members_unpacks_to_all_of_them(members: list[bytes]) -> None:
    data = b"".join(gzip.compress(member) for member in members) + b"\0\0"
    assert gunzip(data, MOST * 2) == b"".join(members)


def test_what_unpacks_to_more_than_was_packed_is_all_there() -> None:
    assert gunzip(gzip.compress(bytes(64 * 1024 * 5)), MOST) == bytes(64 * 1024 * 5)


def test_a_compressed_page_is_unpacked(site: Site) -> None:
    site.pages["/"] = Page(gzip.compress(b"hello"), headers={"Content-Encoding": "gzip"})
    assert get(site.url("/"), site.host).body == b"hello"


@pytest.mark.parametrize(
    ("encoding", "body", "reason", "passing"),
    [
        ("gzip", b"no gzip", "its gzip data is damaged", False),
        ("gzip", gzip.compress(b"hello" * 100)[:-12], "it broke off", True),
        ("gzip", b"", "it broke off", True),
        ("br", b"x", "its content encoding is br, which was not asked for", False),
    ],
)
def test_a_body_that_cannot_be_unpacked_is_refused(
    site: Site, encoding: str, body: bytes, reason: str, passing: bool
) -> None:
    site.pages["/"] = Page(body, headers={"Content-Encoding": encoding})
    error = refused(site.url("/"), site.host)
    assert (error.reason, error.passing) == (reason, passing)


def half(handler: Handler) -> None:
    handler.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf")


def test_a_body_that_breaks_off_is_not_taken_for_the_page(site: Site) -> None:
    site.pages["/"] = half
    error = refused(site.url("/"), site.host)
    assert error.passing
    assert "the connection failed" in error.reason


# ---------------------------------------------------------------- time


def dripping(start: bytes) -> Callable[[Handler], None]:
    """A server that goes on byte by byte, each within the time that one read may take."""

    def answer(handler: Handler) -> None:
        handler.wfile.write(start)
        for _ in range(100):
            handler.wfile.write(b"x")
            time.sleep(0.05)

    return answer


@pytest.mark.parametrize(
    "start", [b"", b"HTTP/1.1 200 OK\r\nX-Long: ", b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n"]
)
def test_a_server_that_drips_is_left_when_the_time_is_up(site: Site, start: bytes) -> None:
    site.pages["/"] = dripping(start)
    began = time.monotonic()
    error = refused(site.url("/"), site.host, timeout=0.3)
    assert time.monotonic() - began < 4
    assert (error.reason, error.passing) == ("not answered within 0.3 seconds", True)


def test_a_server_that_says_nothing_is_left_when_the_time_is_up(site: Site) -> None:
    site.pages["/"] = lambda handler: time.sleep(2)
    assert refused(site.url("/"), site.host, timeout=0.3).reason == "not answered within 0.3 seconds"


def test_a_server_that_never_finishes_greeting_is_left_when_the_time_is_up(site: Site) -> None:
    error = refused(f"https://{site.host}/", site.host, timeout=0.3)  # it speaks no TLS and waits for a request
    assert error.passing
