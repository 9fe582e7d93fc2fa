"""The Modelfile that tells Ollama how to ask a GGUF: with the very prompt that was measured."""

from __future__ import annotations

from groundtune.prompts import Template
from groundtune.types import Limits, Passage

LEAST_CONTEXT = 2048  # tokens
QUESTION, PASSAGES = "{{ .Prompt }}", "{{ .System }}"  # what Ollama puts the user's and the system's message for


def modelfile(template: Template, limits: Limits, context: int, file: str, *, passages: bool) -> str:
    """Its text. context: tokens of the longest prompt and its answer; file: the GGUF's name, which lies beside it.

    passages: whether the model was measured with passages before the question: then they are the system's message.
    Ollama reads no escapes, so a stop that is a line's end stands there as one. A model's own penalty on words that
    come again is taken off: none was measured.
    """
    stops = [f'PARAMETER stop """{stop}"""' for stop in limits.stop]
    lines = [
        f"FROM ./{file}",
        f'TEMPLATE """{_ollama(template, passages=passages)}"""',
        "PARAMETER temperature 0",
        "PARAMETER repeat_penalty 1",
        f"PARAMETER num_predict {limits.max_tokens}",
        f"PARAMETER num_ctx {context}",
        *stops,
    ]
    return "\n".join(lines) + "\n"


def context_for(tokens: int, room: int | None) -> int:
    """The context to ask for: a power of two that holds so many tokens, no more than the model reads."""
    wanted = max(LEAST_CONTEXT, 1 << (tokens - 1).bit_length())
    return wanted if room is None else min(wanted, room)


def _ollama(template: Template, *, passages: bool) -> str:
    """The prompt in Go's template language, with a blank line after each answer of a conversation."""
    text = plain_text(template, QUESTION)
    if passages:
        whole = plain_text(template, QUESTION, PASSAGES)
        text = f"{{{{ if .System }}}}{whole.removesuffix(text)}{{{{ end }}}}{text}"
    return f"{text}{{{{ .Response }}}}\n\n"


def plain_text(template: Template, question: str, *passages: str) -> str:
    """The prompt of a plain template as text. passages: best first; none where there are none."""
    shown = [Passage(0, "", text, 0, len(text)) for text in passages] or None
    return template.prompt(question, shown).messages[0].content
