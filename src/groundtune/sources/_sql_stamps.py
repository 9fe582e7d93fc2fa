"""Whether a row is as it was, told by what says when it was changed.

A row is read again unless all that its state is made of (time of change, readers, config) is as it was. That catches
times that go backwards and transactions that end late, which a comparison with the latest time alone would miss. And as
a clock's tick may hold two changes, a row is also read again while no later change than its own is known.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any, NamedTuple

from groundtune.workspace import digest

FIRST_SECOND, LAST_SECOND = 946_684_800, 4_102_444_800  # 2000 and 2100: a number between them is taken for a time
MARGIN = 60  # seconds that a change must lie before the latest one: writers' clocks differ, transactions take time
DAY = 86_400  # seconds by which a time may lie ahead of now: it may be told in another zone than ours
_EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001 (all are compared in UTC)


class Moment(NamedTuple):
    """When a row was last changed, or which version of it this is."""

    kind: str  # "time", "number", "text"; "" where the row does not say
    value: str

    @property
    def order(self) -> Any:
        """What two moments of one kind are compared by; seconds for times."""
        match self.kind:
            case "time":
                return (datetime.fromisoformat(self.value) - _EPOCH).total_seconds()
            case "number":
                return Decimal(self.value)
            case _:
                return self.value

    @property
    def iso(self) -> str:
        """A time as ISO 8601, else nothing."""
        return f"{self.value[:19]}+00:00" if self.kind == "time" else ""


class Stamp(NamedTuple):
    """A document's stamp, taken apart."""

    state: str  # a digest of what tells whether the row must be read
    content: str  # a digest of what was read
    moment: Moment

    def __str__(self) -> str:
        return f"{self.state} {self.content} {self.moment.kind}:{self.moment.value}"

    @classmethod
    def parse(cls, stamp: str) -> Stamp:
        """The stamp that was written so."""
        state, _, rest = stamp.partition(" ")
        content, _, changed = rest.partition(" ")
        kind, _, value = changed.partition(":")
        return cls(state, content, Moment(kind, value))


def stamp(setup: str, changed: Any, readers: Any) -> Stamp:
    """The stamp, without its content, of a row by what its columns hold; `setup` stands for the config."""
    return Stamp(digest([setup, _exact(changed), _exact(readers)]), "", moment(changed))


def moment(value: Any) -> Moment:
    """When a row was changed, from whatever a database keeps there. A time without a zone is taken for UTC."""
    match value:
        case None:
            return Moment("", "")
        case str():
            try:
                return moment(datetime.fromisoformat(value.strip()))
            except ValueError:
                return Moment("text", value)
        case datetime():
            return Moment("time", in_utc(value).replace(tzinfo=None).isoformat(timespec="microseconds"))
        case date():
            return Moment("time", f"{value.isoformat()}T00:00:00.000000")
        case int() | float() | Decimal() if Decimal(value).is_finite():
            for unit in (1, 1_000):
                if FIRST_SECOND <= value / unit < LAST_SECOND:
                    return moment(datetime.fromtimestamp(float(value / unit), UTC))
            return Moment("number", str(value))
        case _:
            return Moment("text", _exact(value))


def watermarks(stamps: Iterable[Stamp]) -> dict[str, Any]:
    """For each kind of moment where the latest that is known begins: what was changed before it is settled.

    Times in the future are passed over (a planned publication, a slip): they would hide all that happens until then.
    """
    soon = moment(datetime.now(UTC)).order + DAY
    latest: dict[str, Any] = {}
    for changed in (stamp.moment for stamp in stamps):
        kind, order = changed.kind, changed.order
        if kind and not (kind == "time" and order > soon):
            latest[kind] = max(order, latest.get(kind, order))
    if "time" in latest:
        latest["time"] -= MARGIN
    return latest


def is_as_before(now: Stamp, before: Stamp, latest: Mapping[str, Any]) -> bool:
    """Whether a row need not be read: its state is as it was, and older than the watermark of its kind."""
    kind = now.moment.kind
    return now.state == before.state and kind in latest and bool(now.moment.order < latest[kind])


def in_utc(value: datetime) -> datetime:
    """The same instant in UTC."""
    try:
        return value.astimezone(UTC) if value.tzinfo else value.replace(tzinfo=UTC)
    except OverflowError:  # the year 9999, as some write "for ever"
        return value.replace(tzinfo=UTC)


def _exact(value: Any) -> str:
    """A value as text that no other one has; an instant is the same in every zone."""
    if isinstance(value, memoryview):
        value = bytes(value)
    return repr(in_utc(value) if isinstance(value, datetime) and value.tzinfo else value)
