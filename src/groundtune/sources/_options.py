"""What the sources of files and of pages share: patterns of what is meant, and the error where nothing was found."""

from __future__ import annotations

from collections.abc import Sequence

from pathspec import GitIgnoreSpec

from groundtune.errors import UserError
from groundtune.types import LeftOut

_NAMED = 3  # what is left out, of all that is


def patterns(option: str, lines: Sequence[str]) -> GitIgnoreSpec:
    """Patterns as in .gitignore. Raises UserError, which names the option, for one that is none."""
    try:
        return GitIgnoreSpec.from_lines(lines)
    except ValueError as error:
        raise UserError(f"[[sources]] {option} = {list(lines)}: {error}", "patterns are as in .gitignore") from error


def nothing(what: str, missed: Sequence[LeftOut], hint: str) -> UserError:
    """The error of a source that gave no document, with the first of those that it left out."""
    if missed:
        first = missed[:_NAMED]
        named = "; ".join(f"{item.id}: {item.reason}" for item in first)
        what += f"; {len(missed)} left out, the first{f' {len(first)}' if len(first) > 1 else ''}: {named}"
    return UserError(what, hint)
