"""Times and durations as users write them."""

import pytest

from groundtune.errors import UserError
from groundtune.times import moment, now, seconds


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-11-22T14:30", "2026-11-22T14:30:00.000+00:00"),
        ("2026-11-22 14:30:05", "2026-11-22T14:30:05.000+00:00"),
        ("2026-11-22T14:30:00+02:00", "2026-11-22T12:30:00.000+00:00"),
        ("2026-11-22T14:30:00Z", "2026-11-22T14:30:00.000+00:00"),
        ("2026-11-22", "2026-11-22T23:59:59.999+00:00"),
    ],
)
def test_a_time_is_kept_in_utc_and_a_day_means_its_end(text: str, expected: str) -> None:
    assert moment(text, "--as-of") == expected


@pytest.mark.parametrize("text", ["", "yesterday", "2026-13-01", "14:30"])
def test_what_is_no_time_is_named(text: str) -> None:
    with pytest.raises(UserError, match=r"--as-of .* is no time"):
        moment(text, "--as-of")


def test_times_sort_as_they_passed() -> None:
    first = now()
    assert first <= now() < moment("2100-01-01", "here")


@pytest.mark.parametrize(("text", "expected"), [("30s", 30), ("1.5 m", 90), ("1h", 3600), ("7d", 604_800)])
def test_a_duration_has_a_unit(text: str, expected: float) -> None:
    assert seconds(text, "here") == expected


@pytest.mark.parametrize("text", ["", "0s", "5", "h", "-1h", "1w", "１h"])
def test_what_is_no_duration_is_named(text: str) -> None:
    with pytest.raises(UserError, match=r"every = .* is not a duration"):
        seconds(text, "every")
