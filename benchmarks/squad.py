"""SQuAD 1.1 dev: 2,067 paragraphs as documents, articles held out (skill), the four approaches, one verdict.

python -m benchmarks.squad [--json] [--minutes 17] [--workspace DIR]   (about 40 minutes on 2 cores)
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
import tomllib
from pathlib import Path

from benchmarks.data import data
from groundtune import stages
from groundtune.config import parse
from groundtune.progress import TerminalProgress
from groundtune.project import Project
from groundtune.report.terminal import terminal
from groundtune.workspace import read_jsonl

CONFIG = """
[workspace]
path = "{workspace}"
[examples]
path = "{examples}"
question = "skill"
test_share = 0.25       # of 48 articles, so at least 12 are held out
test_most = 150
[prompt]
candidates_on = 16
[tune]
minutes = {minutes}
[measure]
latency_on = 20
"""


def main() -> None:
    """Runs the line on SQuAD and prints its verdict."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--json", action="store_true")
    arguments.add_argument("--minutes", type=float, default=17.0)
    arguments.add_argument("--workspace", type=Path)
    given = arguments.parse_args()
    workspace = given.workspace or Path(tempfile.mkdtemp(prefix="groundtune-squad-"))
    text = CONFIG.format(workspace=workspace.resolve(), examples=data("squad/dev-v1.1.json"), minutes=given.minutes)
    began = time.perf_counter()
    project = Project(parse(tomllib.loads(text), Path("squad.toml")), TerminalProgress(), text)
    verdict = stages.run(project)
    articles = {row["group"] for row in read_jsonl(project.workspace.test)}
    verdict["minutes"] = round((time.perf_counter() - began) / 60, 1)
    verdict["test_articles"] = len(articles)
    if given.json:
        print(json.dumps(verdict))
        return
    print("\n".join(terminal(verdict)))
    print(f"{verdict['minutes']} minutes; {len(articles)} held-out articles; {project.workspace.report('html')}")


if __name__ == "__main__":
    main()
