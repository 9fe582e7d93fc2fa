"""What a spreadsheet's cell shows: a value as its number format writes it."""

from __future__ import annotations

import re
from datetime import date, datetime, time
from functools import lru_cache
from typing import Any, NamedTuple

from groundtune.parse._parsed import one_line

_UNIT = re.compile(r"\[\$([^\]-]+)[^\]]*\]|\"([^\"]*)\"|([$€£¥])")  # [$€-407], "kg", $
_YEARS = range(1900, 2101)


class Cell(NamedTuple):
    """A cell's text; whether it is words (no number, no date); whether it could name a column (words, dates, years)."""

    text: str
    is_words: bool
    is_name: bool


class _Form(NamedTuple):
    before: str
    after: str
    decimals: int
    percent: bool


def shown(cell: Any) -> Cell | None:
    """What one of openpyxl's cells shows; None for an empty one and for an error such as #REF!."""
    value = cell.value
    if value is None or cell.data_type == "e":
        return None
    if isinstance(value, bool):
        return Cell(str(value).upper(), is_words=False, is_name=False)
    if isinstance(value, (int, float)):
        return Cell(_number(value, _form(cell.number_format)), is_words=False, is_name=value in _YEARS)
    if isinstance(value, (datetime, date, time)):
        return Cell(_time(value), is_words=False, is_name=True)
    text = one_line(str(value))  # a timedelta is written as its hours
    return Cell(text, is_words=True, is_name=True) if text else None


def _time(value: datetime | date | time) -> str:
    if isinstance(value, datetime):
        return value.isoformat(" ", "minutes") if value.time() != time() else value.date().isoformat()
    return value.isoformat("minutes") if isinstance(value, time) else value.isoformat()


def _number(value: float, form: _Form) -> str:
    """A number with the decimals of its format, unless that would change it; Excel itself holds 15 digits."""
    if form.percent:
        value *= 100
    exact = f"{value:.15g}"
    rounded = f"{value:.{form.decimals}f}"
    digits = rounded if float(rounded) == float(exact) else exact
    return f"{form.before}{digits}{form.after}"


@lru_cache(maxsize=1000)
def _form(number_format: str) -> _Form:
    """What a number format puts around a number: "[$€-407]#,##0.00" is "€" before, two decimals."""
    form = number_format.partition(";")[0][:200]
    units = [(found.start(), next(filter(None, found.groups()), "").strip()) for found in _UNIT.finditer(form)]
    bare = _UNIT.sub(lambda found: " " * len(found[0]), form)
    digits = re.search(r"[0#?]", bare)
    decimals = re.search(r"\.(0+)", bare)
    place = digits.start() if digits else len(form)
    after = " ".join(unit for start, unit in units if unit and start > place)
    percent = "%" in bare
    return _Form(
        before="".join(unit for start, unit in units if start < place),
        after=("%" if percent else "") + (f" {after}" if after else ""),
        decimals=min(len(decimals[1]), 15) if decimals else 0,
        percent=percent,
    )
