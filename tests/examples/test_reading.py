"""Reading examples: every format, what is said about it, and what is refused."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pyarrow  # type: ignore[import-untyped]
import pyarrow.parquet  # type: ignore[import-untyped]
import pytest

from groundtune.errors import UserError
from groundtune.examples.read import read_examples
from groundtune.types import Evidence

Rows = Sequence[dict[str, Any]]
Write = Callable[[str, str], Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def writes(name: str, text: str) -> Path:
        path = tmp_path / name
        path.write_text(text, encoding="utf-8")
        return path

    return writes


def jsonl(rows: Rows) -> str:
    return "".join(json.dumps(row) + "\n" for row in rows)


def questions(number: int) -> list[dict[str, Any]]:
    return [{"question": f"How tall is tower {n}?", "answers": [f"{n} metres"]} for n in range(number)]


def refused(path: Path, **options: Any) -> UserError:
    with pytest.raises(UserError) as caught:
        read_examples(path, **options)
    return caught.value


# ---------------------------------------------------------------- native


def test_native_questions_keep_answers_evidence_group_and_id(write: Write) -> None:
    first = {
        "id": "q1",
        "question": "May I send it back?",
        "answers": ["30 days", "thirty days"],
        "evidence": [{"document": "returns.md", "quote": "within 30 days"}, {"document": "faq.md"}],
        "group": "returns",
    }
    loaded = read_examples(write("q.jsonl", jsonl([first, *questions(9)])))
    example = loaded.examples[0]
    assert (loaded.task, loaded.format, loaded.documents) == ("qa", "native", ())
    assert (example.id, example.group, example.answers) == ("q1", "returns", ("30 days", "thirty days"))
    assert example.evidence == (Evidence("returns.md", "within 30 days"), Evidence("faq.md"))
    assert loaded.notes == ('q.jsonl: native rows, 10 examples of "question" and "answers"',)


def test_the_default_group_is_the_first_evidence_document_else_the_id(write: Write) -> None:
    rows = [{**row, "evidence": [{"document": "a.md"}, {"document": "b.md"}]} for row in questions(5)]
    examples = read_examples(write("q.jsonl", jsonl([*rows, *questions(10)[5:]]))).examples
    assert {example.group for example in examples[:5]} == {"a.md"}
    assert [example.group for example in examples[5:]] == [example.id for example in examples[5:]]


def test_ids_that_are_made_outlive_a_new_order_and_differ_for_repeats(write: Write) -> None:
    rows = [*questions(10), questions(1)[0]]
    forth = read_examples(write("a.jsonl", jsonl(rows))).examples
    back = read_examples(write("b.jsonl", jsonl(rows[::-1]))).examples
    assert len({example.id for example in forth}) == 11
    assert {(example.question, example.id) for example in forth} == {(example.question, example.id) for example in back}


def test_no_answers_mean_unanswerable_and_are_counted_aloud(write: Write) -> None:
    nowhere = {"question": "Do you ship to Mars?", "answers": [], "evidence": [{"document": "shipping.md"}]}
    loaded = read_examples(write("q.jsonl", jsonl([nowhere, *questions(9)])))
    assert loaded.examples[0].answers == ()
    assert loaded.examples[0].evidence == ()
    assert loaded.examples[0].group == "shipping.md"
    assert "1 question without answers: taken as unanswerable" in loaded.notes
    assert "evidence of 1 unanswerable question was used for grouping only" in loaded.notes
    assert not loaded.retrieval_only


def test_text_and_label_are_labels_and_a_label_seen_once_is_named(write: Write) -> None:
    rows = [{"text": f"message {n}", "label": n % 3} for n in range(10)] + [{"text": "odd one", "label": "rare"}]
    loaded = read_examples(write("m.jsonl", jsonl(rows)))
    assert loaded.task == "labels"
    assert loaded.examples[1].answers == ("1",)
    assert "4 labels" in loaded.notes
    assert "seen only once, so for training and never tested: 'rare'" in loaded.notes


def test_input_and_output_are_text_unless_the_outputs_are_few_and_short(write: Write) -> None:
    long = write("long.jsonl", jsonl([{"input": f"ticket {n}", "output": f"summary {n}"} for n in range(10)]))
    few = write("few.jsonl", jsonl([{"input": f"ticket {n}", "output": "yes" if n % 2 else "no"} for n in range(10)]))
    assert read_examples(long).task == "text"
    assert read_examples(few).task == "labels"
    assert any("read as labels" in note for note in read_examples(few).notes)
    assert read_examples(few, task="text").task == "text"


def test_a_task_that_the_answers_do_not_fit_is_refused(write: Write) -> None:
    rows = [{"question": "Which?", "answers": ["a", "b"]}] * 10
    error = refused(write("q.jsonl", jsonl(rows)), task="labels")
    assert error.message == "q.jsonl line 1: 2 answers; task = 'labels' needs exactly one label"


def test_a_byte_order_mark_and_windows_line_ends_are_read(tmp_path: Path) -> None:
    path = tmp_path / "q.jsonl"
    path.write_bytes(b"\xef\xbb\xbf" + jsonl(questions(10)).replace("\n", "\r\n\r\n").encode())
    assert len(read_examples(path).examples) == 10


# ---------------------------------------------------------------- other people's formats

FIRST = "Dr. J. Smith of St. Louis built it in 1901. It fell in 1950! (Nobody was hurt.) It was sold."


def squad(version: str, titles: Sequence[str] = ("Old_Tower", "New_Tower")) -> str:
    questions: Rows = [
        {"id": "{title}a", "question": "When did it fall?", "answers": [{"text": "1950", "answer_start": 55}] * 2},
        {"id": "{title}b", "question": " Who built it?", "answers": [{"text": "J. Smith", "answer_start": 0}]},
        {"id": "{title}c", "question": "Why?", "answers": [], "is_impossible": True},
        {"id": "{title}d", "question": "Gone?", "answers": [{"text": "not there", "answer_start": 3}]},
        {"id": "{title}e", "question": "What then?", "answers": [{"text": "sold", "answer_start": 88}]},
    ]
    articles = []
    for title in titles:
        asked = [{**question, "id": question["id"].replace("{title}", title)} for question in questions]
        paragraphs = [{"context": "Nothing was asked here.", "qas": []}, {"context": FIRST, "qas": asked}]
        articles.append({"title": title, "paragraphs": paragraphs})
    return json.dumps({"version": version, "data": articles})


def test_squad_gives_questions_by_article_and_its_paragraphs_as_documents(write: Write) -> None:
    loaded = read_examples(write("dev.json", squad("v2.0")))
    assert loaded.format == "squad"
    assert loaded.task == "qa"
    assert loaded.notes[0] == "dev.json: SQuAD 2.0, 10 questions over 2 articles; its paragraphs can be the documents"
    assert [document.id for document in loaded.documents] == [
        "Old_Tower/1",
        "Old_Tower/2",
        "New_Tower/1",
        "New_Tower/2",
    ]
    assert (loaded.documents[1].text, loaded.documents[1].title) == (FIRST, "Old Tower")
    first = loaded.examples[0]
    assert (first.id, first.answers, first.group) == ("Old_Towera", ("1950",), "Old_Tower")


def test_squad_evidence_quotes_the_sentence_of_the_answer(write: Write) -> None:
    fell, built, why, gone, then = read_examples(write("dev.json", squad("1.1"))).examples[:5]
    assert fell.evidence == (Evidence("Old_Tower/2", "It fell in 1950!"),)
    assert built.question == "Who built it?"  # answer_start is wrong there: the words are looked for
    assert built.evidence == (Evidence("Old_Tower/2", "Dr. J. Smith of St. Louis built it in 1901."),)
    assert why.answers == ()
    assert why.evidence == ()
    assert gone.evidence == (Evidence("Old_Tower/2", ""),)
    assert then.evidence == (Evidence("Old_Tower/2", "It was sold."),)


def test_damaged_squad_names_the_article(write: Write) -> None:
    error = refused(write("dev.json", squad("1.1").replace('"context"', '"contents"')))
    assert error.message.startswith("dev.json: not whole as SQuAD near article 'Old_Tower' (KeyError: 'context')")


def test_a_squad_file_of_ten_thousand_questions_is_read_within_two_seconds(write: Write) -> None:
    path = write("big.json", squad("1.1", [f"Tower_{n}" for n in range(2000)]))
    start = time.perf_counter()
    assert len(read_examples(path).examples) == 10_000
    assert time.perf_counter() - start < 2


def test_chat_joins_what_was_said_before_the_last_assistant_turn(write: Write) -> None:
    parts = [{"type": "text", "text": "And tomorrow?"}, {"type": "image_url", "image_url": {}}]
    turns = [("system", "Be short."), ("user", "Rain?"), ("assistant", "Yes."), ("user", parts), ("assistant", "No.")]
    row = {"messages": [{"role": role, "content": content} for role, content in turns]}
    loaded = read_examples(write("chat.jsonl", jsonl([row] * 10)), task="text")
    assert loaded.format == "chat"
    assert loaded.examples[0].question == "Be short.\n\nRain?\n\nYes.\n\nAnd tomorrow?"
    assert loaded.examples[0].answers == ("No.",)


def test_a_chat_without_an_answer_is_named(write: Write) -> None:
    error = refused(write("chat.jsonl", jsonl([{"messages": [{"role": "user", "content": "Hello?"}]}] * 10)))
    assert error.message == "chat.jsonl line 1: no turn of the assistant that answers another"


def test_sharegpt_is_read_as_conversations(write: Write) -> None:
    rows = [
        {"id": f"c{n}", "conversations": [{"from": "human", "value": f"Hi {n}"}, {"from": "gpt", "value": f"Ho {n}"}]}
        for n in range(10)
    ]
    loaded = read_examples(write("share.json", json.dumps(rows)))
    assert (loaded.format, loaded.task) == ("sharegpt", "text")
    assert (loaded.examples[3].id, loaded.examples[3].question, loaded.examples[3].answers) == ("c3", "Hi 3", ("Ho 3",))


@pytest.mark.parametrize("as_text", [json.dumps, jsonl])
def test_alpaca_puts_the_input_under_the_instruction(write: Write, as_text: Callable[[Rows], str]) -> None:
    rows = [{"instruction": "Translate.", "input": f"cat {n}" if n else "", "output": f"Katze {n}"} for n in range(10)]
    loaded = read_examples(write("alpaca.json", as_text(rows)))
    assert (loaded.format, loaded.task) == ("alpaca", "text")
    assert [example.question for example in loaded.examples[:2]] == ["Translate.", "Translate.\n\ncat 1"]


def test_ragas_contexts_are_evidence_with_or_without_their_documents(write: Write) -> None:
    row = {"user_input": "How long?", "reference": "30 days", "reference_contexts": ["Within 30 days.", "Or longer."]}
    named = {**row, "user_input": "How long now?", "reference_context_ids": ["returns.md", 7]}
    loaded = read_examples(write("testset.jsonl", jsonl([row, named] * 5)))
    assert (loaded.format, loaded.task) == ("ragas", "qa")
    assert loaded.examples[0].evidence == (Evidence("", "Within 30 days."), Evidence("", "Or longer."))
    assert loaded.examples[1].evidence == (Evidence("returns.md", "Within 30 days."), Evidence("7", "Or longer."))
    assert loaded.examples[1].group == "returns.md"


def test_beir_has_evidence_and_no_answers_and_says_so(tmp_path: Path) -> None:
    (tmp_path / "qrels").mkdir()
    corpus = [{"_id": f"d{n}", "title": f"Title {n}", "text": f"Body {n}"} for n in range(12)]
    (tmp_path / "corpus.jsonl").write_text(jsonl(corpus))
    (tmp_path / "queries.jsonl").write_text(jsonl([{"_id": str(n), "text": f"query {n}"} for n in range(12)]))
    judged = [f"{n}\td{n}\t1\n{n}\td11\t0\n" for n in range(10)]
    (tmp_path / "qrels" / "test.tsv").write_text("query-id\tcorpus-id\tscore\n" + "".join(judged))
    (tmp_path / "qrels" / "train.tsv").write_text("query-id\tcorpus-id\tscore\n9\td8\t2\n10\td1\t0\n")
    loaded = read_examples(tmp_path)
    assert (loaded.format, loaded.task, len(loaded.examples), len(loaded.documents)) == ("beir", "qa", 10, 12)
    assert loaded.examples[9].evidence == (Evidence("d9"), Evidence("d8"))
    assert loaded.retrieval_only
    assert "retrieval can be measured" in loaded.notes[-1]
    assert (loaded.documents[0].id, loaded.documents[0].title, loaded.documents[0].text) == ("d0", "Title 0", "Body 0")


# ---------------------------------------------------------------- tables


def test_a_csv_with_a_mapping_is_read_with_its_documents_and_line_breaks(write: Write) -> None:
    lines = [f'"Wie hoch,\nTurm {n}?";{n} Meter;turm.md;ist {n} Meter hoch\n' for n in range(10)]
    path = write("fragen.csv", "Frage;Antwort;document;quote\n" + "".join(lines))
    loaded = read_examples(path, columns={"question": "Frage", "answers": "Antwort"})
    assert loaded.examples[2].question == "Wie hoch,\nTurm 2?"
    assert loaded.examples[2].answers == ("2 Meter",)
    assert loaded.examples[2].evidence == (Evidence("turm.md", "ist 2 Meter hoch"),)
    assert loaded.notes[0].startswith("fragen.csv: CSV, 10 examples")


def test_a_tsv_without_a_header_is_mapped_by_numbers_and_its_quotes_stay(write: Write) -> None:
    path = write("sst.tsv", "".join(f'"film {n} is\t{n % 2}\n' for n in range(10)))
    loaded = read_examples(path, columns={"text": "1", "label": "2"})
    assert loaded.examples[0].question == '"film 0 is'
    assert len(loaded.examples) == 10


def test_parquet_is_read_by_native_names_with_lists(tmp_path: Path) -> None:
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(questions(10)), tmp_path / "q.parquet")
    loaded = read_examples(tmp_path / "q.parquet")
    assert loaded.examples[4].answers == ("4 metres",)
    assert loaded.notes[0].startswith("q.parquet: PARQUET, 10 examples")


def test_a_mapping_hides_the_formats_that_the_other_columns_look_like(write: Write) -> None:
    rows = [{"instruction": f"cancel {n}", "output": "long text", "intent": "ab"[n % 2]} for n in range(10)]
    loaded = read_examples(write("b.jsonl", jsonl(rows)), columns={"text": "instruction", "label": "intent"})
    assert (loaded.task, loaded.format, loaded.examples[1].answers) == ("labels", "native", ("b",))


def test_columns_that_nobody_named_are_listed_with_the_line_to_write(write: Write) -> None:
    error = refused(write("train.csv", "text,category\n" + "hello,greeting\n" * 10))
    assert error.message.endswith('there are: "text", "category"')
    assert 'columns = {text = "text", label = "..."}' in error.hint
    assert 'label = "2"' in error.hint


def test_a_mapping_to_a_column_that_is_not_there_lists_those_that_are(write: Write) -> None:
    path = write("train.csv", "text,category\n" + "hello,greeting\n" * 10)
    assert refused(path, columns={"label": "intent"}).message == (
        'train.csv: no column "intent"; there are: "text", "category"'
    )
    assert "'labell' is unknown; one of: question, answers" in refused(path, columns={"labell": "text"}).message


def test_an_object_of_objects_is_rows_by_id(write: Write) -> None:
    rows = {str(n): {"QUESTION": f"Does drug {n} help?", "final": "yes" if n % 2 else "no"} for n in range(10)}
    loaded = read_examples(
        write("pub.json", json.dumps(rows, indent=1)), columns={"text": "QUESTION", "label": "final"}
    )
    assert loaded.task == "labels"
    assert loaded.examples[7].id == "7"


# ---------------------------------------------------------------- bad input

GOOD = jsonl(questions(10))


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("q.jsonl", GOOD + "{oops}\n", "q.jsonl line 11: malformed JSON"),
        ("q.jsonl", "{oops}\n" + GOOD, "q.jsonl line 1: malformed JSON"),
        ("q.jsonl", GOOD + "[1]\n", "q.jsonl line 11: an object {...} was expected, not [1]"),
        (
            "q.jsonl",
            GOOD + '{"question": "Why?"}\n',
            'q.jsonl line 11: no "answers"; an example needs "question" and "answers" (docs/examples.md)',
        ),
        ("q.jsonl", GOOD.replace('"answers"', '"answer"'), 'q.jsonl line 1: no "answers"'),
        ("q.jsonl", GOOD + '{"question": " ", "answers": ["a"]}\n', 'q.jsonl line 11: no "question"'),
        ("q.jsonl", GOOD + '{"question": ["a"], "answers": []}\n', 'q.jsonl line 11: "question" is ["a"]; a text was'),
        ("q.jsonl", GOOD + '{"question": "a", "answers": [{}]}\n', 'q.jsonl line 11: "answers" is [{}]; a list of'),
        (
            "q.jsonl",
            GOOD + '{"question": "a", "answers": ["b"], "evidence": "x.md"}\n',
            'q.jsonl line 11: "evidence" is "x.md"; a list of {"document"',
        ),
        (
            "q.jsonl",
            GOOD + '{"question": "a", "answers": ["b"], "evidence": ["x.md"]}\n',
            'q.jsonl line 11: "evidence" is "x.md"; {"document"',
        ),
        (
            "q.jsonl",
            GOOD.replace("{", '{"id": "q1", ', 1) + '{"id": "q1", "question": "a", "answers": ["b"]}\n',
            "q.jsonl line 11: the id 'q1' was used before, at q.jsonl line 1",
        ),
        ("q.jsonl", jsonl(questions(9)), "q.jsonl: 9 examples; at least 10 are needed"),
        ("q.jsonl", "\n \n", "q.jsonl: empty"),
        ("q.json", "[]", "q.json: empty"),
        ("q.json", '[\n{"question": 1},\n{]', "q.json line 3: malformed JSON"),
        ("q.jsonl", GOOD + '{"question": "a \\ud83d b", "answers": ["b"]}\n', "q.jsonl line 11: not usable JSON"),
        ("q.jsonl", "[" * 200_000, "q.jsonl line 1: not usable JSON"),
        ("q.docx", "PK..", "q.docx: unknown format; JSON, JSONL, CSV"),
        ("q.csv", "text,label\na,b\na,b,c\n", "q.csv line 3: 3 cells, but the first line has 2"),
        ("q.csv", 'text,label\na,b\n"a,b\nc,d\n', "q.csv line 3: malformed CSV"),
        ("q.csv", "text,text\na,b\n", "q.csv line 1: two columns are called 'text'"),
        ("q.csv", "text,label\n" + "a,x\n" * 10 + ",x\n", 'q.csv line 12: no "text"'),
        ("q.parquet", "not parquet", "q.parquet: not readable as Parquet"),
        ("q.json", '{"data": []}', "q.json: no keys"),
    ],
)
def test_what_cannot_be_an_example_is_named_by_file_and_line(write: Write, name: str, text: str, message: str) -> None:
    assert refused(write(name, text)).message.startswith(message)


def test_an_emoji_in_escapes_is_no_broken_character(write: Write) -> None:
    assert read_examples(write("q.jsonl", jsonl([{"question": "\U0001f600?", "answers": ["x"]}, *questions(9)])))


def test_another_encoding_is_named_with_its_line(tmp_path: Path) -> None:
    (tmp_path / "q.csv").write_bytes("text,label\nna ja,x\nschön,y\n".encode("latin-1"))
    assert refused(tmp_path / "q.csv").message == "q.csv line 3: not UTF-8 (byte 0xf6)"


def test_a_missing_file_and_a_folder_without_examples_are_refused(tmp_path: Path) -> None:
    (tmp_path / "notes.md").write_text("hello")
    assert "no such file" in refused(tmp_path / "nothing.jsonl").message
    assert refused(tmp_path).message.endswith("a folder without examples; there are: notes.md")
    assert "a folder without examples" in refused(tmp_path, format="squad").message


def test_a_table_with_another_suffix_is_read_where_the_format_says_so(write: Write) -> None:
    path = write("export.txt", "text,label\n" + "hello,greeting\n" * 10)
    assert "unknown format" in refused(path).message
    assert read_examples(path, format="csv").task == "labels"


def test_an_unknown_format_lists_the_known_ones(write: Write) -> None:
    message = refused(write("q.jsonl", GOOD), format="squat").message
    assert message == (
        "[examples] format = 'squat' is unknown; one of: auto, alpaca, beir, chat, native, ragas, sharegpt, squad, "
        "csv, tsv, parquet"
    )


def test_a_format_of_your_own_is_named_by_its_module(
    write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    write(
        "pairs.py",
        """
from groundtune.examples.formats import Found, Reading
from groundtune.types import Example

class Pairs:
    def recognises(self, material):
        return False
    def read(self, material):
        asked = [Found(row.where, Example("", "qa", row.values["q"], (row.values["a"],))) for row in material.rows]
        return Reading("pairs", asked)

def create():
    return Pairs()
""",
    )
    path = write("q.jsonl", jsonl([{"q": f"What is {n}?", "a": f"{n}"} for n in range(10)]))
    assert read_examples(path, format="pairs:create").examples[3].answers == ("3",)
