"""What a model is asked: templates, plain ones and chats, with solved examples in front or without.

A template turns a question, with passages or without, into a prompt. Base models depend much on its wording, so several
are compared on train questions (measure/prompting.py); a tuned model is trained on `TRAINED` and needs no examples.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from groundtune.types import Limits, Message, Passage, Prompt, Task

ABSTENTION = "I don't know"

# What stands before a question, and before its answer.
CUES: dict[Task, tuple[str, str]] = {
    "qa": ("Q: ", "A:"),
    "labels": ("Text: ", "Label:"),
    "text": ("Input: ", "Output:"),
}
_INSTRUCTION = {
    "qa": f'Answer with a few words. Where you cannot know the answer, say "{ABSTENTION}".',
    "labels": "Say which label fits the text.",
    "text": "Give the output for the input.",
}
_WITH_PASSAGES = {
    "qa": f'Answer with a few words out of the passages. Where they do not say it, say "{ABSTENTION}".',
    "labels": "Say which label fits the text. The passages may help.",
    "text": "Give the output for the input. The passages may help.",
}


@dataclass(frozen=True, slots=True)
class Shot:
    """A solved example as it stands in a prompt."""

    question: str
    answer: str
    passages: tuple[Passage, ...] = ()


@dataclass(frozen=True, slots=True)
class Template:
    """One way of asking. `plain`: text to be continued, no chat; `shots`: the solved examples in front."""

    name: str
    task: Task
    plain: bool
    shots: tuple[Shot, ...] = ()

    def prompt(self, question: str, passages: Sequence[Passage] | None = None, choices: Sequence[str] = ()) -> Prompt:
        """The prompt for one question. passages: what was retrieved, best first; None where there is no retriever."""
        if self.plain:
            return self._plain(question, passages, tuple(choices))
        instruction = (_INSTRUCTION if passages is None else _WITH_PASSAGES)[self.task]
        messages = [Message("system", instruction)]
        for shot in self.shots:
            messages.append(Message("user", self._turn(shot.question, None if passages is None else shot.passages)))
            messages.append(Message("assistant", shot.answer))
        messages.append(Message("user", self._turn(question, passages)))
        return Prompt(tuple(messages), tuple(choices))

    def _plain(self, question: str, passages: Sequence[Passage] | None, choices: tuple[str, ...]) -> Prompt:
        _, cue = CUES[self.task]
        parts = [
            f"{self._turn(shot.question, None if passages is None else shot.passages)}\n{cue} {shot.answer}"
            for shot in self.shots
        ]
        parts.append(f"{self._turn(question, passages)}\n{cue}")
        return Prompt((Message("user", "\n\n".join(parts)),), tuple(map(self.completion, choices)), plain=True)

    def _turn(self, question: str, passages: Sequence[Passage] | None) -> str:
        lead, _ = CUES[self.task]
        # The best passage stands last, next to the question: small models make most of what they read last.
        shown = [show(passage) for passage in reversed(passages or ())]
        return "\n\n".join([*shown, f"{lead}{question}"])

    def completion(self, answer: str) -> str:
        """The text that should follow the prompt, for training."""
        return f" {answer}" if self.plain else answer

    def limits(self, max_tokens: int) -> Limits:
        """Where a completion ends: short answers are one line, other text ends where a new example would begin."""
        lead, _ = CUES[self.task]
        stop = f"\n{lead.strip()}" if self.task == "text" else "\n"
        return Limits(max_tokens, (stop,))


def show(passage: Passage) -> str:
    """A passage as a model reads it: what it stands under, then its text."""
    heading = passage.heading.split(" > ")[-1] if passage.heading else ""
    parts = [
        part for part in dict.fromkeys((passage.title, heading)) if part and not passage.text.startswith(f"# {part}")
    ]
    return f"[{' > '.join(parts)}]\n{passage.text}" if parts else passage.text


def trained(task: Task) -> Template:
    """The template that adapters are trained on and asked with."""
    return Template("trained", task, plain=True)


def candidates(task: Task, shots: Sequence[Shot]) -> list[Template]:
    """Templates worth comparing for a model that was not tuned: chat and plain text, with examples, as far as there are
    any, and without."""
    bare = [Template("chat", task, plain=False), Template("plain", task, plain=True)]
    if not shots:
        return bare
    return [
        *bare,
        Template("chat-shots", task, plain=False, shots=tuple(shots[:3])),
        Template("plain-shots", task, plain=True, shots=tuple(shots[:4])),
        Template("plain-more-shots", task, plain=True, shots=tuple(shots[:8])),
    ]


def case_candidates(task: Task) -> list[Template]:
    """Templates worth comparing where each question gets shots of its own: the nearest solved cases."""
    return [Template("chat-cases", task, plain=False), Template("plain-cases", task, plain=True)]
