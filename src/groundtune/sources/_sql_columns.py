"""Which columns of a query mean what."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from groundtune.errors import UserError


@dataclass(frozen=True, slots=True)
class Columns:
    """The columns by their meaning. `text` empty: all that have no other meaning, each with its name."""

    key: str
    text: tuple[str, ...] = ()
    title: str | None = None
    updated_at: str | None = None
    readers: str | None = None

    def of_state(self) -> list[str]:
        """What tells whether a row must be read: readers too, for a change of them may leave no other trace."""
        return _once(self.key, self.updated_at, self.readers)

    def of_document(self, there: Sequence[str]) -> list[str]:
        """What a document is made from; `there`: all that the query gives."""
        return _once(*self.of_state(), self.title, *(self.text or there))

    def found(self, there: Sequence[str], where: str) -> Columns:
        """The columns as the query itself names them.

        where: how messages name the source. Raises UserError for a column that the query does not give or gives twice,
        and where it gives readers that the config does not speak of: a slip must not open a row to everyone.
        """
        folded = [name.casefold() for name in there]
        plain = [re.sub(r":\d+$", "", name) for name in folded]  # SQLite gives a second one a number: "id:1"
        if twice := next((name for name in folded if plain.count(name) > 1), None):
            raise UserError(
                f"{where}: the query gives two columns named {twice}", "name one of them apart: ... AS other"
            )

        def find(option: str, name: str) -> str:
            if name.casefold() not in folded:
                raise UserError(f"{where}: {option} = {name!r}: the query gives no such column, but {', '.join(there)}")
            return there[folded.index(name.casefold())]

        if not self.readers and "readers" in folded:
            raise UserError(
                f"{where}: the query gives a column readers, but the config does not say who may read a row",
                'add readers = "readers", or give the column another name',
            )
        return Columns(
            key=find("key", self.key),
            text=tuple(find("text", name) for name in self.text),
            title=self.title and find("title", self.title),
            updated_at=self.updated_at and find("updated_at", self.updated_at),
            readers=self.readers and find("readers", self.readers),
        )


def _once(*names: str | None) -> list[str]:
    return list(dict.fromkeys(name for name in names if name))
