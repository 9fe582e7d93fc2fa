"""Latency and memory."""

from groundtune.approach import Approach
from groundtune.measure.resources import latencies, peak_memory_mb, reset_peak_memory
from groundtune.prompts import trained
from groundtune.types import NoProgress
from tests.rigged import Rigged


class Count(NoProgress):
    total: float | None = None
    done = 0.0

    def start(self, what: str, total: float | None) -> None:
        self.total = total

    def advance(self, amount: float = 1) -> None:
        self.done += amount


def test_questions_are_timed_one_at_a_time_after_two_that_are_not() -> None:
    generator = Rigged(lambda prompt: "x", seconds=0.01)
    progress = Count()

    times = latencies(Approach("base", generator, trained("qa")), ["a", "b", "c"], progress)

    assert len(times) == 3
    assert all(10 <= milliseconds < 500 for milliseconds in times)
    assert [prompt.messages[0].content for prompt in generator.asked] == [f"Q: {q}\nA:" for q in "ababc"]
    assert progress.done == progress.total == 3


def test_the_peak_of_memory_grows_with_what_is_held_and_is_forgotten_at_a_reset() -> None:
    reset_peak_memory()
    before = peak_memory_mb()
    held = bytearray(200_000_000)
    assert 180 < peak_memory_mb() - before < 260
    del held
    assert 180 < peak_memory_mb() - before < 260

    reset_peak_memory()

    assert peak_memory_mb() - before < 60
