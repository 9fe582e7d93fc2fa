"""Chat JSONL, as the fine-tuning services take it: {"messages": [{"role": "user", "content": ..}, ..]}."""

from __future__ import annotations

from groundtune.examples.formats import Format, Reading
from groundtune.examples.formats._turns import conversation
from groundtune.examples.material import Material
from groundtune.examples.wording import count


class Chat:
    def recognises(self, material: Material) -> bool:
        """By `messages`."""
        return "messages" in material.keys

    def read(self, material: Material) -> Reading:
        """One example a conversation."""
        found = [conversation(row, "messages", "role", "content", ("assistant",)) for row in material.rows]
        return Reading(f"chat, {count(len(found), 'conversation')}; the last assistant turn is the answer", found)


def create() -> Format:
    return Chat()
