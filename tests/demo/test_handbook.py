"""The embedded demo: the handbook is whole, its questions have their evidence, and the change set changes them."""

from __future__ import annotations

import json
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

DEMO = Path(__file__).resolve().parents[2] / "src" / "groundtune" / "demo"
CHANGES = DEMO / "changes" / "2026-09-14"
FRONT_MATTER = "---\nreaders: [staff]\n---\n"


def rows(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def texts(folder: Path) -> dict[str, str]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_text(encoding="utf-8") for path in files}


def normalise(text: str) -> str:
    return " ".join(re.findall(r"\w+", unicodedata.normalize("NFKC", text).casefold()))


def repeated(lines: Iterable[str]) -> list[str]:
    return [line for line, times in Counter(map(normalise, lines)).items() if times > 1]


def says(text: str, words: str) -> bool:
    """Whether a text holds these words, and not only as a part of a longer word or number."""
    return re.search(rf"(?<!\w)(?<!\d\.){re.escape(words)}(?!\w|\.\d)", text, re.IGNORECASE) is not None


HANDBOOK = texts(DEMO / "handbook")
QUESTIONS = rows(DEMO / "questions.jsonl")
ANSWERABLE = [row for row in QUESTIONS if row["answers"]]
UNANSWERABLE = [row for row in QUESTIONS if not row["answers"]]
MESSAGES = rows(DEMO / "messages.jsonl")
SET = json.loads((CHANGES / "changes.json").read_text(encoding="utf-8"))
CHANGED_TEXTS = texts(CHANGES / "handbook")
CHANGED_QUESTIONS = rows(CHANGES / "questions.jsonl")
AFTER = {id: text for id, text in HANDBOOK.items() if id not in SET["withdrawn"]} | CHANGED_TEXTS


def test_the_demo_is_large_enough_for_a_verdict() -> None:
    assert len(HANDBOOK) >= 60
    assert len(QUESTIONS) >= 400
    assert len(MESSAGES) >= 300
    assert len({message["label"] for message in MESSAGES}) >= 12
    assert len(CHANGED_QUESTIONS) >= 60


def test_every_intent_has_enough_messages_to_learn_from() -> None:
    assert min(Counter(message["label"] for message in MESSAGES).values()) >= 20


def test_documents_come_in_several_formats() -> None:
    assert {Path(id).suffix for id in HANDBOOK} == {".md", ".html", ".txt", ".csv"}


def test_questions_have_ids_of_their_own() -> None:
    ids = [row["id"] for row in QUESTIONS + CHANGED_QUESTIONS]
    assert len(set(ids)) == len(ids)


def test_every_answerable_question_has_evidence() -> None:
    assert [row["id"] for row in ANSWERABLE if not row["evidence"]] == []


def test_every_quote_stands_in_its_document() -> None:
    pieces = [(row["id"], piece) for row in ANSWERABLE for piece in row["evidence"]]
    assert [id for id, piece in pieces if piece["quote"] not in HANDBOOK[piece["document"]]] == []


def test_every_quote_holds_the_answer() -> None:
    quotes = [(row["id"], row["answers"][0], row["evidence"][0]["quote"]) for row in ANSWERABLE]
    assert [id for id, answer, quote in quotes if answer.casefold() not in quote.casefold()] == []


def test_answers_are_short() -> None:
    assert [row["id"] for row in ANSWERABLE if len(row["answers"][0].split()) > 7] == []


def test_questions_are_grouped_by_the_document_that_answers_them() -> None:
    assert [row["id"] for row in ANSWERABLE if row["group"] != row["evidence"][0]["document"]] == []


def test_unanswerable_questions_have_no_evidence_and_a_group_of_their_own() -> None:
    assert len(UNANSWERABLE) >= 40
    assert [row["id"] for row in UNANSWERABLE if row["evidence"]] == []
    assert len({row["group"] for row in UNANSWERABLE}) == len(UNANSWERABLE)


def test_no_two_questions_are_alike() -> None:
    assert repeated(row["question"] for row in QUESTIONS + CHANGED_QUESTIONS) == []


def test_no_two_messages_are_alike() -> None:
    assert repeated(message["text"] for message in MESSAGES) == []


def test_no_question_stands_in_a_document() -> None:
    everything = [normalise(text) for text in HANDBOOK.values()]
    asked = {row["id"]: normalise(row["question"]) for row in QUESTIONS}
    assert [id for id, words in asked.items() if len(words) > 24 and any(words in text for text in everything)] == []


def test_staff_documents_name_their_readers_and_no_other_document_does() -> None:
    staff = {id for id in HANDBOOK if Path(id).name.startswith("staff-")}
    assert len(staff) >= 4
    assert {id for id, text in AFTER.items() if text.startswith(FRONT_MATTER)} == staff


def test_no_question_is_about_a_staff_document() -> None:
    assert [row["id"] for row in ANSWERABLE if HANDBOOK[row["group"]].startswith(FRONT_MATTER)] == []


def test_every_public_document_is_asked_about() -> None:
    public = {id for id, text in HANDBOOK.items() if not text.startswith(FRONT_MATTER)}
    assert public - {row["group"] for row in ANSWERABLE} == set()


def test_the_change_set_names_what_it_holds() -> None:
    assert SET["date"] == CHANGES.name
    assert set(SET["edited"]) | set(SET["added"]) == set(CHANGED_TEXTS)
    assert set(SET["edited"]) | set(SET["withdrawn"]) <= set(HANDBOOK)
    assert not set(SET["added"]) & set(HANDBOOK)
    assert [id for id in SET["edited"] if CHANGED_TEXTS[id] == HANDBOOK[id]] == []


def test_changed_questions_have_their_quote_and_answer_after_the_change() -> None:
    now = [row for row in CHANGED_QUESTIONS if row["answers_new"]]
    assert [row["id"] for row in now if row["quote"] not in AFTER[row["document"]]] == []
    assert [row["id"] for row in now if row["answers_new"][0].casefold() not in row["quote"].casefold()] == []


def test_changed_questions_have_another_answer_than_before() -> None:
    assert [row["id"] for row in CHANGED_QUESTIONS if set(row["answers_old"]) & set(row["answers_new"])] == []


def test_old_answers_stood_in_the_handbook() -> None:
    known = [row for row in CHANGED_QUESTIONS if row["answers_old"]]
    before = {row["id"]: HANDBOOK.get(row["document"], "\n".join(HANDBOOK.values())) for row in known}
    assert [row["id"] for row in known if not says(before[row["id"]], row["answers_old"][0])] == []


def test_the_quoted_line_no_longer_gives_the_old_answer() -> None:
    both = [row for row in CHANGED_QUESTIONS if row["answers_old"] and row["answers_new"]]
    assert [row["id"] for row in both if says(row["quote"], row["answers_old"][0])] == []


def test_an_edited_document_holds_no_old_answer_of_several_words() -> None:
    edited = [row for row in CHANGED_QUESTIONS if row["answers_old"] and row["document"] in CHANGED_TEXTS]
    telling = [row for row in edited if len(row["answers_old"][0]) > 6]
    assert [row["id"] for row in telling if says(CHANGED_TEXTS[row["document"]], row["answers_old"][0])] == []


def test_questions_of_withdrawn_documents_have_no_answer_any_more() -> None:
    gone = [row for row in CHANGED_QUESTIONS if not row["answers_new"]]
    assert gone
    assert {row["document"] for row in gone} <= set(SET["withdrawn"])
    assert [row["id"] for row in gone if row["quote"]] == []


@pytest.mark.parametrize("id", SET["withdrawn"])
def test_no_document_links_to_a_withdrawn_one(id: str) -> None:
    name = Path(id).name
    assert [other for other, text in AFTER.items() if name in text] == []
