"""`groundtune init`: looks at a folder of documents and a file of examples, and writes the config that fits them."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

from groundtune import parse, plug
from groundtune.errors import UserError
from groundtune.examples.read import Loaded, read_examples
from groundtune.types import Document, LeftOut, Progress
from groundtune.workspace import write_text

TEMPLATE = """\
# Groundtune's config; docs/config.md lists every key. Next: groundtune run
{sources}
[examples]
path = {examples}
{columns}task = "{task}"                 # qa: short answers | labels: classes | text: translation, replies
question = "{question}"  # knowledge: tuning may read the documents of test questions, as retrieval does | skill: not
test_most = {test_most}

[model]
name = "smollm2-135m"       # bundled; or "hf:org/name", a folder, "openai:name" with base_url

[tune]
minutes = {minutes}                # the budget of training

[decide]
# max_p95_ms = 1500         # rule out what is slower
# freshness = "1h"          # how soon a changed document must be answered by
queries_per_month = 50000
price_per_hour = 0.10       # of the machine, in your currency
"""


def write_config(
    docs: Path | None,
    examples: Path | None,
    config: Path,
    *,
    columns: Mapping[str, str],
    force: bool,
    progress: Progress,
) -> list[str]:
    """Writes the config and returns what was found, in sentences.

    columns: our name -> the name in the file of examples, where they differ. Raises UserError where nothing usable is
    found, or a config is there already and `force` is not set.
    """
    if config.exists() and not force:
        raise UserError(f"{config} is there already", "give --force to write over it, or --config NAME for another one")
    if examples is None:
        raise UserError("--examples is missing", "name the file of your examples (docs/examples.md)")
    if docs is not None and docs.resolve() == examples.resolve():
        raise UserError(f"{docs} is both --docs and --examples", "without --docs, the documents beside them are taken")
    if columns and examples.is_dir():
        raise UserError(f"{examples} is a folder", "--columns is for the examples in a file")
    loaded = read_examples(examples, columns=dict(columns))
    found = list(loaded.notes) or [f"{examples.name}: {len(loaded.examples):,} examples, format {loaded.format}"]
    found.append(f"task: {loaded.task}")
    if docs is not None:
        found += _look_at(docs, _ignored(docs, examples), progress)
    question = "knowledge" if docs is not None else "skill"
    text = TEMPLATE.format(
        sources=_source(docs, examples, config),
        examples=_quoted(_relative(examples, config)),
        columns=_columns(columns),
        task=loaded.task,
        question=question,
        test_most=150,
        minutes=_minutes(loaded),
    )
    write_text(config, text)
    return [
        *found,
        f"wrote {config}; next: groundtune run" + ("" if config.name == "groundtune.toml" else f" -c {config}"),
    ]


def _look_at(docs: Path, ignored: Sequence[str], progress: Progress) -> list[str]:
    """What is in the folder, in sentences. Raises UserError, with the reasons, where nothing in it can be read."""
    left_out: list[LeftOut] = []
    source = plug.make("sources", "folder", {"path": str(docs), "ignore": ignored}, parse, where="--docs")
    kinds: Counter[str] = Counter()
    characters = 0
    documents: list[Document] = []
    progress.start("reading documents", None)
    for document in source.documents({}, left_out.append):
        documents.append(document)
        kinds[Path(document.id).suffix or "no suffix"] += 1
        characters += len(document.text)
        progress.advance()
    progress.finish()
    listed = ", ".join(f"{count} {kind}" for kind, count in kinds.most_common())
    found = [f"{docs}: {len(documents):,} documents ({listed}), {characters:,} characters"]
    staff = sum(bool(document.readers) for document in documents)
    if staff:
        found.append(f"{staff} of them name who may read them; the others are open to everyone")
    found += [f"left out: {item.id}: {item.reason}" for item in left_out[:10]]
    if len(left_out) > 10:
        found.append(f"and {len(left_out) - 10:,} more left out")
    return found


def _source(docs: Path | None, examples: Path, config: Path) -> str:
    if docs is None:
        return ""
    lines = ["", "[[sources]]", 'kind = "folder"', f"path = {_quoted(_relative(docs, config))}"]
    if ignored := ", ".join(map(_quoted, _ignored(docs, examples))):
        lines.append(f"ignore = [{ignored}]   # the examples are no documents")
    return "\n".join([*lines, ""])


def _ignored(docs: Path, examples: Path) -> list[str]:
    """The pattern of the examples where they lie among the documents, as .gitignore would say it."""
    folder, file = docs.resolve(), examples.resolve()
    if not file.is_relative_to(folder):
        return []
    name = file.relative_to(folder).as_posix()
    return ["/" + re.sub(r"[\\*?\[\]]| \Z", r"\\\g<0>", name)]  # ! and # mean nothing after the slash


def _columns(columns: Mapping[str, str]) -> str:
    """The line of the config that says what our names are in the file; none where they are the same."""
    pairs = ", ".join(f"{ours} = {_quoted(theirs)}" for ours, theirs in columns.items())
    return f"columns = {{ {pairs} }}\n" if pairs else ""


def _relative(path: Path, config: Path) -> str:
    """A path as the config at `config` says it."""
    folder = config.resolve().parent
    target = path.resolve()
    return target.relative_to(folder).as_posix() if target.is_relative_to(folder) else str(target)


def _quoted(text: str) -> str:
    """A TOML basic string."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def _minutes(loaded: Loaded) -> int:
    """A first budget: a minute for every 60 examples, between 5 and 30."""
    return min(30, max(5, len(loaded.examples) // 60))
