"""ShareGPT: {"conversations": [{"from": "human", "value": ..}, {"from": "gpt", "value": ..}]}."""

from __future__ import annotations

from groundtune.examples.formats import Format, Reading
from groundtune.examples.formats._turns import conversation
from groundtune.examples.material import Material
from groundtune.examples.wording import count


class ShareGPT:
    def recognises(self, material: Material) -> bool:
        """By `conversations`."""
        return "conversations" in material.keys

    def read(self, material: Material) -> Reading:
        """One example a conversation."""
        roles = ("gpt", "assistant", "chatgpt", "model")
        found = [conversation(row, "conversations", "from", "value", roles) for row in material.rows]
        return Reading(
            f"ShareGPT, {count(len(found), 'conversation')}; the last turn of the model is the answer", found
        )


def create() -> Format:
    return ShareGPT()
