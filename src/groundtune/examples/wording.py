"""How this folder speaks to the user."""

from __future__ import annotations

PAGE = "docs/examples.md"


def count(number: int, noun: str) -> str:
    """`1 question`, `10,570 questions`."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
