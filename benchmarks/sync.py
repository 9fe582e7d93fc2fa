"""What it takes to stay in step with 10,000 documents, and what indexing 100,000 passages takes of the memory.

python -m benchmarks.sync [--json] [--documents 10000] [--passages 100000]

Nothing changed: a sync beside `sha256sum` over the same files, in turn, start-up of both left out. One document
changed: from its save until a search of another process finds it, with `groundtune watch` running. Memory: the peak of
a process that indexes so many passages, the default embedder included.
"""

from __future__ import annotations

import argparse
import json
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from itertools import cycle, islice
from pathlib import Path

from benchmarks.data import data
from groundtune.config import load
from groundtune.project import Project
from groundtune.stages import bring
from groundtune.types import EVERYONE

ROUNDS = 7
CHANGES = 20
CONFIG = """
[[sources]]
kind = "folder"
path = "documents"
"""
# Indexes a folder in a process of its own and says how much memory that took at most.
MEASURED = """
import json, resource, sys
from pathlib import Path
from groundtune.config import load
from groundtune.project import Project
from groundtune.stages import bring
project = Project(load(Path(sys.argv[1])))
summary = bring(project)
documents, passages = project.index.counts()
kilobytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
print(json.dumps({"documents": documents, "passages": passages, "peak_gb": kilobytes / 1e6,
                  "embedding_seconds": summary.embedding_seconds}))
"""


def main() -> None:
    """Runs the three and prints a table."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--json", action="store_true")
    arguments.add_argument("--documents", type=int, default=10_000)
    arguments.add_argument("--passages", type=int, default=100_000)
    given = arguments.parse_args()
    result: dict[str, object] = {"documents": given.documents}
    with tempfile.TemporaryDirectory() as place:
        config = written(Path(place), islice(cycle(paragraphs()), given.documents))
        result |= {"first sync": measured(config)}
        result |= unchanged(config)
        result |= watched(config)
    if given.passages:
        with tempfile.TemporaryDirectory() as place:
            config = written(Path(place), islice(cycle(sentences()), given.passages))
            result |= {"indexing": measured(config)}
    if given.json:
        print(json.dumps(result))
        return
    print("| what | value |\n|---|---|")
    for name, value in result.items():
        print(f"| {name} | {f'{value:.3f}' if isinstance(value, float) else value} |")


def unchanged(config: Path) -> dict[str, object]:
    """Seconds of a sync that finds nothing to do, of `sha256sum` over the same files, and their ratio."""
    files = sorted(str(file) for file in (config.parent / "documents").rglob("*.md"))
    project = Project(load(config))
    bring(project)
    ours, theirs = [], []
    for _ in range(ROUNDS):
        began = time.perf_counter()
        summary = bring(project)
        ours.append(time.perf_counter() - began)
        assert summary.unchanged == len(files), summary
        theirs.append(hashing(files) - hashing(files[:1]))
    project.index.close()
    sync, sha = statistics.median(ours), statistics.median(theirs)
    return {"nothing changed, s": sync, "sha256sum, s": sha, "sync / sha256sum": sync / sha}


def hashing(files: list[str]) -> float:
    began = time.perf_counter()
    subprocess.run(["xargs", "-0", "sha256sum"], input="\0".join(files).encode(), stdout=subprocess.DEVNULL, check=True)
    return time.perf_counter() - began


def watched(config: Path) -> dict[str, object]:
    """Seconds from the save of a document until it is found, and how many passages were embedded each time."""
    command = [sys.executable, "-m", "groundtune.cli", "watch", "-c", str(config)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as watching:
        assert watching.stderr is not None
        until(watching.stderr.readline, "folder 1:")
        project = Project(load(config))
        time.sleep(3)
        took, embedded = [], []
        for number in range(CHANGES):
            word = f"zyx{number}qwv"
            file = config.parent / "documents" / f"{number * 37 % 100:02}" / f"{number * 37:05}.md"
            text = file.read_text(encoding="utf-8")
            began = time.perf_counter()
            file.write_text(f"{text}\n\nIts word is {word}.\n", encoding="utf-8")
            while not project.index.search_words(word, 1, EVERYONE):
                time.sleep(0.01)
                assert time.perf_counter() - began < 60, "it was never found"
            took.append(time.perf_counter() - began)
            line = until(watching.stderr.readline, "changed")
            embedded.append(int(re.findall(r"(\d+) passages embedded", line)[0]))
            time.sleep(0.3)
        watching.terminate()
    project.index.close()
    return {"searchable after, s (median)": statistics.median(took), "searchable after, s (most)": max(took),
            "passages embedded a change (most)": max(embedded)}  # fmt: skip


def until(line: Callable[[], str], part: str) -> str:
    """The next line that has this in it."""
    while True:
        said = line()
        assert said, "it ended"
        if part in said:
            return said


def measured(config: Path) -> dict[str, float]:
    """What indexing took, in a process of its own."""
    done = subprocess.run([sys.executable, "-c", MEASURED, str(config)], stdout=subprocess.PIPE, check=True)
    found: dict[str, float] = json.loads(done.stdout)
    return found


def written(place: Path, texts: islice[str]) -> Path:
    """A folder of documents in a hundred folders, and its config."""
    for number, text in enumerate(texts):
        file = place / "documents" / f"{number % 100:02}" / f"{number:05}.md"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(f"# Number {number}\n\n{text}\n", encoding="utf-8")
    config = place / "groundtune.toml"
    config.write_text(CONFIG, encoding="utf-8")
    return config


def paragraphs() -> list[str]:
    squad = json.loads(data("squad/dev-v1.1.json").read_text())["data"]
    found = [paragraph["context"] for article in squad for paragraph in article["paragraphs"]]
    return found + [json.loads(line)["text"] for line in (data("scifact") / "corpus.jsonl").read_text().splitlines()]


def sentences() -> list[str]:
    return [part for text in paragraphs() for part in re.split(r"(?<=[.!?])\s+", text) if len(part) > 30]


if __name__ == "__main__":
    main()
