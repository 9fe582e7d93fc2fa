"""A conversation as one example: its last assistant turn is the output, everything said before it is the input."""

from __future__ import annotations

from groundtune.errors import UserError
from groundtune.examples.formats import Found
from groundtune.examples.formats._values import text_or_blank, wrong
from groundtune.examples.material import Row
from groundtune.types import Example


def conversation(row: Row, key: str, role_key: str, text_key: str, assistant: tuple[str, ...]) -> Found:
    """The example in a row whose `key` holds the turns, each with its role and text under the given names."""
    turns = row.values[key] if isinstance(row.values.get(key), list) else None
    if turns is None or not all(isinstance(turn, dict) for turn in turns):
        raise wrong(row, key, f'a list of turns {{"{role_key}": .., "{text_key}": ..}}', row.values.get(key))
    said = [(str(turn.get(role_key, "")), _said(row, turn, text_key)) for turn in turns]
    last = max((place for place, (role, words) in enumerate(said) if role in assistant and words), default=-1)
    before = "\n\n".join(words for _, words in said[: max(last, 0)] if words)
    if last < 0 or not before:
        raise UserError(
            f"{row.where}: no turn of the {assistant[0]} that answers another", "mend or remove that conversation"
        )
    return Found(row.where, Example(text_or_blank(row, "id"), "text", before, (said[last][1],)))


def _said(row: Row, turn: dict[str, object], text_key: str) -> str:
    """The words of a turn; of content in parts ({"type": "text", "text": ..}) those of its text parts."""
    content = turn.get(text_key)
    if isinstance(content, list):
        return "\n".join(str(part["text"]) for part in content if isinstance(part, dict) and "text" in part).strip()
    if content is not None and not isinstance(content, str):  # None: a turn that only calls a tool
        raise wrong(row, text_key, "a text", content)
    return (content or "").strip()
