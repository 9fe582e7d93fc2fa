"""A progress that keeps what it is told, for tests."""

from groundtune.types import NoProgress


class Said(NoProgress):
    """Keeps the sentences."""

    def __init__(self) -> None:
        self.sentences: list[str] = []

    def say(self, sentence: str) -> None:
        self.sentences.append(sentence)

    def __contains__(self, words: str) -> bool:
        return any(words in sentence for sentence in self.sentences)
