"""Times and durations as users write them and as we store them: UTC, ISO 8601."""

from __future__ import annotations

import re
from datetime import UTC, datetime, time

from groundtune.errors import UserError

UNITS = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}  # in seconds


def now() -> str:
    """The time now."""
    return _written(datetime.now(UTC))


def moment(text: str, where: str) -> str:
    """A time that a user wrote; without a zone it is UTC, a day alone is the end of that day.

    where: names it in messages. Raises UserError where it is no time.
    """
    try:
        read = datetime.fromisoformat(text)
    except ValueError as error:
        raise UserError(f"{where} {text!r} is no time", "write it as 2026-11-22 or 2026-11-22T14:30") from error
    if re.fullmatch(r"[\d-]+", text.strip()):
        read = datetime.combine(read, time.max)
    return _written(read.replace(tzinfo=read.tzinfo or UTC).astimezone(UTC))


def seconds(text: str, where: str) -> float:
    """A duration that a user wrote: "30s", "15m", "1h", "7d". Raises UserError where it is none."""
    found = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([smhd])\s*", text, re.ASCII)
    if not found or float(found[1]) == 0:
        raise UserError(
            f"{where} = {text!r} is not a duration", 'write a number and its unit: "30s", "15m", "1h", "7d"'
        )
    return float(found[1]) * UNITS[found[2]]


def _written(time: datetime) -> str:
    return time.isoformat(timespec="milliseconds")
