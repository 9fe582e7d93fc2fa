"""Values out of a row, checked. The place of a wrong one is named."""

from __future__ import annotations

import json
from typing import Any

from groundtune.errors import UserError
from groundtune.examples.material import Row
from groundtune.examples.wording import PAGE

SCALARS = (str, int, float, bool)


def text(row: Row, key: str) -> str:
    """The text under a key; a number or a truth value becomes text. Raises UserError where it is missing or blank."""
    value = row.values.get(key)
    if value is None or (isinstance(value, str) and not value.strip()):
        raise UserError(f'{row.where}: no "{key}"', f"mend or remove that row; how examples look: {PAGE}")
    if not isinstance(value, SCALARS):
        raise wrong(row, key, "a text", value)
    return str(value).strip()


def text_or_blank(row: Row, key: str) -> str:
    """The same, but "" where there is none."""
    value = row.values.get(key)
    return "" if value is None or (isinstance(value, str) and not value.strip()) else text(row, key)


def texts(row: Row, key: str) -> tuple[str, ...]:
    """The texts in the list under a key, without blanks and repeats; one text alone counts as a list of one."""
    value = row.values.get(key)
    items = value if isinstance(value, list) else [value]
    for item in items:
        if not isinstance(item, (*SCALARS, type(None))):
            raise wrong(row, key, "a list of texts", value)
    return tuple(dict.fromkeys(str(item).strip() for item in items if item is not None and str(item).strip()))


def wrong(row: Row, key: str, expected: str, value: Any) -> UserError:
    """The error for a value of the wrong type."""
    shown = json.dumps(value, ensure_ascii=False, default=str)[:60]
    return UserError(f'{row.where}: "{key}" is {shown}; {expected} was expected', f"see {PAGE}")
