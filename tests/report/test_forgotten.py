"""What the reports say about what tuning forgot: enough, too much, and what replay did."""

from __future__ import annotations

from markdown_it import MarkdownIt

from groundtune.measure.forgetting import General, forgetting
from groundtune.report import ReportContext, html, markdown
from groundtune.report.forgotten import forgotten_sentences
from groundtune.report.terminal import terminal
from groundtune.types import Json

BEFORE = General(losses=(30.0, 44.0, 61.0), tokens=(10, 15, 20), right=(True,) * 30 + (False,) * 10)


def told(nats: float, *, most: float = 1.5, replay: float = 0.0, since: float | None = None, use: str = "both") -> Json:
    """What the verdict holds of an adapter by which each token's loss rose so much."""
    after = General(tuple(loss + nats * 15 for loss in BEFORE.losses), BEFORE.tokens, (True,) * 27 + (False,) * 13)
    own = {
        "use": use,
        "adapter": "a1",
        "replay_share": replay,
        "replayed_from": since,
        "held_out": 0.8125,
        "most": most,
    }
    return own | forgetting(BEFORE, after, 0.95).to_json()


def test_what_is_within_the_limit_is_said_without_advice() -> None:
    (sentence,) = forgotten_sentences({"forgetting": [told(0.1)]})

    assert sentence == (
        "The tuned model finds general text 1.11 times as perplexing as the base, and answers 27 of 40 general "
        "questions rightly, 30 before."
    )


def test_too_much_comes_with_what_to_do() -> None:
    (plain,) = forgotten_sentences({"forgetting": [told(0.7)]})
    (replayed,) = forgotten_sentences({"forgetting": [told(0.7, replay=0.2)]})

    assert plain.endswith("That is more than [tune] forget_most = 1.5: [tune] replay_share = 0.1 keeps more.")
    assert replayed.endswith("fewer [tune] epochs or a lower rate forget less.")


def test_replay_is_told_with_where_it_began() -> None:
    (enough,) = forgotten_sentences({"forgetting": [told(0.1, since=0.25)]})
    (still,) = forgotten_sentences({"forgetting": [told(0.6, since=0.25)]})

    began = "; after 25 % of the steps it was becoming too much, so general text was replayed from there."
    assert enough.endswith(began)
    assert began in still
    assert still.endswith("fewer [tune] epochs or a lower rate forget less.")


def test_every_report_has_a_row_for_each_adapter(verdict: Json) -> None:
    both = [told(0.1, use="context", since=0.5), told(0.2, use="closed")]
    with_them = verdict | {"forgetting": both}

    text = markdown(with_them, ReportContext())
    page = html(with_them, {}, ReportContext())

    for report in (MarkdownIt("commonmark").enable("table").render(text), page):
        assert "What tuning forgot" in report
        for which in ("with passages, with replay", "without passages"):
            assert f"The model tuned for questions {which}" in report
        assert "3 paragraphs of 45 tokens and 40 questions" in report
    assert "What tuning forgot:" in terminal(with_them)


def test_nothing_is_said_where_nothing_was_tuned(verdict: Json) -> None:
    for bare in (verdict, verdict | {"forgetting": []}):
        for report in (markdown(bare, ReportContext()), html(bare, {}, ReportContext()), "\n".join(terminal(bare))):
            assert "forgot" not in report
