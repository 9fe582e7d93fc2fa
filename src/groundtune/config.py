"""The file a user writes (groundtune.toml), as typed tables with defaults.

An unknown key is an error that lists the valid ones.
"""

from __future__ import annotations

import difflib
import json
import os
import tomllib
from collections import Counter
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from groundtune.errors import UserError
from groundtune.types import Question, Task

Language = Literal[
    "none", "arabic", "danish", "dutch", "english", "finnish", "french", "german", "greek", "hungarian", "italian",
    "norwegian", "portuguese", "romanian", "russian", "spanish", "swedish", "tamil", "turkish",
]  # fmt: skip


class Table(BaseModel):
    """One table of the file: frozen, and closed to keys that are not in it."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class OpenTable(BaseModel):
    """A table whose `kind` decides what else it holds; the kind's factory checks that (see plug.py)."""

    model_config = ConfigDict(extra="allow", frozen=True)

    kind: str

    @property
    def options(self) -> dict[str, Any]:
        return dict(self.model_extra or {})


class WorkspaceTable(Table):
    path: Path = Path(".groundtune")


class SourceTable(OpenTable):
    """A source of documents: [[sources]] kind = "folder", path = "docs"."""

    name: str | None = None  # in messages; None: its kind and number
    every: str | None = None  # how often `watch` looks at it: "30s", "15m"; None: as suits its kind


class ModelTable(Table):
    """The one model that all approaches share."""

    name: str = "smollm2-135m"  # bundled; or "hf:org/name", a folder, "openai:name", "echo"
    base_url: str | None = None  # for "openai:name"
    key_env: str = "OPENAI_API_KEY"  # the environment variable that holds the endpoint's key
    engine: Literal["transformers", "vllm"] = "transformers"  # that answers; the same where it is measured and served
    bits: Literal[4] | None = None  # of each weight in memory, by bitsandbytes; None: as the machine computes
    threads: int | None = Field(default=None, ge=1)  # None: the cores that are there
    batch: int = Field(default=48, ge=1)  # prompts that are answered together, at the most


class EmbedderTable(Table):
    name: str = "all-minilm-l6-v2"  # bundled; or "hf:org/name", a folder
    tune: bool = False  # tune its side of the queries on the train questions; kept only where that is better
    minutes: float = Field(default=10, gt=0)  # the budget of that


class IndexTable(Table):
    passage_chars: int = Field(default=800, ge=100)  # at most so long a passage
    language: Language = "english"  # whose word endings do not count when words are searched
    keep: int = Field(default=10, ge=0)  # so many earlier states of the index can still be asked (--as-of)
    store: Literal["sqlite", "postgres"] = "sqlite"  # where it lies: in the workspace, or in PostgreSQL with pgvector
    url_env: str = "GROUNDTUNE_INDEX"  # postgres: the environment variable that holds the database's URL
    schema_name: str = "groundtune"  # postgres: the schema that the index's tables are in


class RetrieveTable(OpenTable):
    """How passages are found: kind = "hybrid" | "lexical" | "dense", with the kind's options."""

    kind: str = "hybrid"
    k: int = Field(default=3, ge=1, le=20)  # passages in a prompt
    cases: int = Field(default=8, ge=1, le=64)  # solved train examples in a prompt, of approaches that search those
    reranker: str | None = None  # a cross-encoder: "hf:org/name", a folder; None: the retriever's order stays
    rerank: int = Field(default=20, ge=1, le=200)  # passages that the reranker reads for a question


class ExamplesTable(Table):
    path: Path | None = None
    test_path: Path | None = None  # a test set of your own; without one, a part of `path` is held out
    task: Literal[Task, "auto"] = "auto"
    format: str = "auto"
    columns: dict[str, str] = Field(default_factory=dict)  # CSV, TSV, Parquet: our name -> their column
    question: Literal[Question, "auto"] = "auto"  # knowledge where documents are given, else skill
    test_share: float = Field(default=0.3, gt=0, lt=1)
    test_most: int = Field(default=150, ge=1)  # so many test examples are asked at the most
    seed: int = 1
    allow_leaks: bool = False


class PromptTable(Table):
    """Which prompt each generator gets. "auto" compares several on train questions and keeps the best."""

    name: str = "auto"
    candidates_on: int = Field(default=24, ge=4)  # train questions that the comparison asks
    max_tokens: int | None = Field(default=None, ge=1)  # of an answer; None: what the longest train answer may need
    abstain_below: float | None = Field(default=None, gt=0, lt=1)  # withhold labels and short answers less surely right


class TuneTable(Table):
    recipe: Literal["mixed", "context", "closed-book", "documents", "facts", "separate"] = "mixed"
    seeds: int = Field(default=1, ge=1, le=20)  # so many adapters are trained, each from another seed, and all measured
    minutes: float = Field(default=20, gt=0)
    memory_gb: float | None = Field(default=None, gt=0)  # that training may take; None: what it takes
    precision: Literal["auto", "fp32", "bf16"] = "auto"  # of the frozen weights, on a processor; auto: the faster one
    epochs: float = Field(default=3, gt=0, le=1000)
    rank: int = Field(default=16, ge=1)
    rate: float = Field(default=1e-3, gt=0)
    try_rates: tuple[Annotated[float, Field(gt=0)], ...] = ()  # instead: the best of these on held-out train examples
    batch: int = Field(default=8, ge=1)  # rows in a step
    gold_share: float = Field(default=0.9, ge=0, le=1)  # of the context rows; the rest teach abstention
    alone_share: float = Field(default=0.5, ge=0, le=1)  # of the context prompts that hold the gold passage alone
    closed_share: float = Field(default=0.25, ge=0, le=1)  # of the questions, asked without passages as well
    documents_share: float = Field(default=0.15, ge=0, le=1)  # of the passages, read as text: knowledge only
    replay_share: float | None = Field(default=None, ge=0, lt=1)  # of the rows, general text; None: where it is needed
    forget_most: float = Field(default=1.5, gt=0)  # times the perplexity of general text; more is too much
    made_from: int = Field(default=400, ge=1)  # "documents": passages that questions are made from, at the most
    made_each: int = Field(default=2, ge=1)  # "documents": questions that are written for each of them
    readers: tuple[str, ...] = ()  # groups whose documents tuning may read besides those that are open to everyone
    seed: int = 1
    checkpoint_minutes: float = Field(default=1, gt=0)


class MeasureTable(Table):
    latency_on: int = Field(default=30, ge=1)  # examples asked one at a time for p50 and p95


class ApproachTable(Table):
    """One row of the comparison: a generator, with or without the retriever."""

    generator: Literal["base", "tuned"]
    retriever: bool | Literal["examples"] = False  # "examples": the nearest train examples, solved, stand in the prompt

    @property
    def reads(self) -> Literal["context", "cases", "closed"]:
        """What is looked up for a question: passages, train examples as solved cases, nothing."""
        if self.retriever == "examples":
            return "cases"
        return "context" if self.retriever else "closed"


class DecideTable(Table):
    quality: str | None = None  # the metric that decides; None: the task's first
    max_p95_ms: float | None = Field(default=None, gt=0)
    max_cost_per_1000: float | None = Field(default=None, gt=0)
    freshness: str | None = None  # how soon a changed document must be answered by: "1h", "7d"
    queries_per_month: int = Field(default=50_000, ge=1)
    price_per_hour: float = Field(default=0.10, ge=0)  # of the machine, in the user's currency
    price_per_million_tokens: float = Field(default=0, ge=0)  # read and written, where an endpoint charges for them
    smallest_difference: float = Field(default=0.02, ge=0)  # smaller ones do not matter to the user
    confidence: float = Field(default=0.95, gt=0.5, lt=1)


FOUR_APPROACHES = {
    "base": ApproachTable(generator="base"),
    "rag": ApproachTable(generator="base", retriever=True),
    "tuned": ApproachTable(generator="tuned"),
    "hybrid": ApproachTable(generator="tuned", retriever=True),
}


class Config(Table):
    """The whole file. Relative paths in it are meant from the folder that the file lies in."""

    workspace: WorkspaceTable = WorkspaceTable()
    sources: tuple[SourceTable, ...] = ()
    model: ModelTable = ModelTable()
    writer: ModelTable | None = None  # makes and rewords questions; None: the model itself makes them
    embedder: EmbedderTable = EmbedderTable()
    index: IndexTable = IndexTable()
    retrieve: RetrieveTable = RetrieveTable()
    examples: ExamplesTable = ExamplesTable()
    prompt: PromptTable = PromptTable()
    tune: TuneTable = TuneTable()
    measure: MeasureTable = MeasureTable()
    approaches: dict[str, ApproachTable] = Field(default_factory=lambda: dict(FOUR_APPROACHES))
    decide: DecideTable = DecideTable()

    @model_validator(mode="after")
    def _names_are_plain(self) -> Self:
        for name in self.approaches:
            if not name.replace("_", "").replace("-", "").isalnum():
                raise ValueError(f"[approaches.{name}]: a name is made of letters, digits, - and _")
        return self

    @model_validator(mode="after")
    def _tuned_ones_need_no_cases(self) -> Self:
        for name, row in self.approaches.items():
            if row.generator == "tuned" and row.reads == "cases":
                raise ValueError(
                    f'[approaches.{name}] retriever = "examples" is for generator = "base": '
                    "a tuned model has learnt from the train examples, and is asked as it was trained"
                )
        return self

    @model_validator(mode="after")
    def _sources_are_told_apart(self) -> Self:
        if len(self.named_sources) < len(self.sources):
            names = ", ".join(json.dumps(table.name) for table in self.sources if table.name)
            raise ValueError(f"[[sources]] name: two sources have the same one ({names})")
        return self

    @model_validator(mode="after")
    def _address_holds_no_key(self) -> Self:
        tables = {"model": self.model, "writer": self.writer}
        for name in (name for name, table in tables.items() if table and "@" in (table.base_url or "")):
            raise ValueError(  # the value is not said: it would be a secret on a screen
                f"[{name}] base_url holds a user or a password, and the config stands in the report; "
                "put the key into the environment variable that key_env names"
            )
        return self

    @property
    def named_sources(self) -> dict[str, SourceTable]:
        """The sources by name; one that was given none is called after its kind: "folder 1"."""
        numbers: Counter[str] = Counter()
        named = {}
        for table in self.sources:
            numbers[table.kind] += 1
            named[table.name or f"{table.kind} {numbers[table.kind]}"] = table
        return named

    @property
    def question(self) -> Question:
        """Which question is asked; see docs/measuring.md."""
        if self.examples.question != "auto":
            return self.examples.question
        return "knowledge" if self.sources else "skill"


def load(path: Path) -> Config:
    """The config in a TOML file, its relative paths made absolute. Raises UserError naming the key and the value."""
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise UserError(f"{path}: no such file", "make one: groundtune init --docs DIR --examples FILE") from error
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{path}: not readable ({error})") from error
    try:
        return parse(tomllib.loads(text), path)
    except tomllib.TOMLDecodeError as error:
        raise UserError(f"{path}: not TOML: {error}") from error


def parse(tables: dict[str, Any], path: Path) -> Config:
    """Checks the tables of a file at `path` (named in messages; its folder is where relative paths start)."""
    try:
        config = Config.model_validate(tables)
    except ValidationError as error:
        raise UserError(f"{path.name}: {_explain(error)}", "docs/config.md lists every key") from error
    return _anchored(config, path.resolve().parent)


def _anchored(config: Config, folder: Path) -> Config:
    """The config with every path absolute. A model's or an embedder's name is a path if it begins like one."""

    def anchored(path: Path | str) -> Path:
        return folder / os.path.expanduser(path)  # noqa: PTH111 (Path.expanduser raises for an unknown user)

    def model(name: str) -> str:
        return str(anchored(name)) if name.startswith((".", "~")) else name

    def source(table: SourceTable) -> SourceTable:
        path = table.options.get("path")
        return table.model_copy(update={"path": str(anchored(path))}) if isinstance(path, str) else table

    examples, reranker, writer = config.examples, config.retrieve.reranker, config.writer
    return config.model_copy(
        update={
            "workspace": WorkspaceTable(path=anchored(config.workspace.path)),
            "sources": tuple(map(source, config.sources)),
            "examples": examples.model_copy(
                update={
                    "path": examples.path and anchored(examples.path),
                    "test_path": examples.test_path and anchored(examples.test_path),
                }
            ),
            "model": config.model.model_copy(update={"name": model(config.model.name)}),
            "writer": writer and writer.model_copy(update={"name": model(writer.name)}),
            "retrieve": config.retrieve.model_copy(update={"reranker": reranker and model(reranker)}),
            "embedder": config.embedder.model_copy(update={"name": model(config.embedder.name)}),
        }
    )


# The beginnings of pydantic's error types, in our words.
_EXPECTED = {
    "bool": "true or false",
    "dict": "a table",
    "float": "a number",
    "int": "a whole number",
    "model": "a table",
    "path": "a path",
    "string": "a text",
    "tuple": "a list of tables, each under its own [[...]],",
}


def _explain(error: ValidationError) -> str:
    first = error.errors()[0]
    where = [str(part) for part in first["loc"]]
    if not where:  # a rule of the whole file, which says itself what is wrong
        return first["msg"].removeprefix("Value error, ")
    name, table = where[-1], where[:-1]
    if first["type"] == "extra_forbidden":
        valid = _keys(table)
        close = difflib.get_close_matches(name, valid, n=1)
        meant = f"; did you mean {close[0]!r}? One" if close else "; one"
        return f"{_place(table, name)} is unknown{meant} of: {', '.join(valid)}"
    if first["type"] == "missing":
        return f"{_place(table, name)} is missing"
    value = json.dumps(first["input"], default=str, ensure_ascii=False)
    expected = _EXPECTED.get(first["type"].partition("_")[0])
    wrong = f"{expected} was expected" if expected else f"{first['msg'][0].lower()}{first['msg'][1:]}"
    return f"{_place(table, name)} = {value}: {wrong}"


def _place(table: list[str], name: str) -> str:
    """Where a value stands, as a user would say it: "[tune] epochs", "[[sources]] number 2, path", "[tune]"."""
    match table:
        case []:
            return f"[{name}]"
        case [array, number] if number.isdigit():
            return f"[[{array}]] number {int(number) + 1}, {name}"
        case _:
            return f"[{'.'.join(table)}] {name}"


def _keys(table: list[str]) -> list[str]:
    model: type[BaseModel] = Config
    if table:
        annotation = Config.model_fields[table[0]].annotation if table[0] in Config.model_fields else None
        if isinstance(annotation, type) and issubclass(annotation, BaseModel):
            model = annotation
        elif table[0] == "approaches":
            model = ApproachTable
    return list(model.model_fields)
