"""How a scan behaves towards the hosts that it asks: their robots.txt, pauses, and no more of a host that fails."""

from __future__ import annotations

import time
from collections import Counter

from httpx2 import URL
from protego import Protego

from groundtune.sources._fetch import Fetcher, accept
from groundtune.sources._urls import FetchError

_MOST_BYTES = 500 * 1024  # as much as RFC 9309 asks for; what comes after counts for nothing
_LONGEST_PAUSE = 30  # seconds; a robots.txt that asks for more gets this
_FAILURES = 5  # in a row, until a host is left alone


class Manners:
    """What one scan knows about its hosts.

    pause: seconds between two requests to a host. robots: whether robots.txt is asked for and obeyed.
    """

    def __init__(self, fetcher: Fetcher, user_agent: str, pause: float, robots: bool) -> None:
        self.agent = product(user_agent)
        self._fetcher = fetcher
        self._pause = pause
        self._robots = robots
        self._rules: dict[str, Protego | FetchError] = {}
        self._delays: dict[str, float] = {}
        self._asked: dict[str, float] = {}
        self._failures: Counter[str] = Counter()

    def permit(self, url: URL) -> None:
        """Raises FetchError if a page must not be asked for."""
        if self._failures[url.host] >= _FAILURES:
            raise FetchError(f"{url.host} failed {_FAILURES} times in a row and was not asked again", passing=True)
        if self._robots and not self._rules_of(url).can_fetch(str(url), self.agent):
            raise FetchError("its site's robots.txt disallows it")

    def wait(self, url: URL) -> dict[str, str]:
        """Returns when the host may be asked again; no headers (it is what a Fetcher calls before each request)."""
        pause = max(self._pause, self._delays.get(url.host, 0.0))
        time.sleep(max(0.0, self._asked.get(url.host, -pause) + pause - time.monotonic()))
        self._asked[url.host] = time.monotonic()
        return {}

    def note(self, url: URL, failed: bool) -> None:
        """How it ended with a page of this host."""
        self._failures[url.host] = self._failures[url.host] + 1 if failed else 0

    def _rules_of(self, url: URL) -> Protego:
        """The robots.txt of an address's site, asked for once a scan."""
        place = url.join("/robots.txt")
        if str(place) not in self._rules:
            self._rules[str(place)] = self._read(place)
        rules = self._rules[str(place)]
        if isinstance(rules, FetchError):
            raise rules
        self._delays[url.host] = min(rules.crawl_delay(self.agent) or 0.0, _LONGEST_PAUSE)
        return rules

    def _read(self, place: URL) -> Protego | FetchError:
        try:
            reply = self._fetcher.get(place, _MOST_BYTES, self.wait, cut=True)
            if 400 <= reply.status < 500 and reply.status != 429:  # there is none: everything is allowed
                return Protego.parse("")
            return Protego.parse(accept(reply).body.decode("utf-8", "replace"))
        except FetchError as error:
            return FetchError(f"robots.txt: {error.reason}", error.passing)


def product(user_agent: str) -> str:
    """The name that robots.txt calls an agent by: "Groundtune" of "Groundtune/1.0 (+https://...)"."""
    return user_agent.split("/")[0].split()[0]
