"""What the reports say about what tuning forgot: enough, too much, and too much at first."""

from __future__ import annotations

from markdown_it import MarkdownIt

from groundtune.measure.forgetting import General, forgetting
from groundtune.report import ReportContext, html, markdown
from groundtune.report.forgotten import forgotten_sentences
from groundtune.report.terminal import terminal
from groundtune.types import Json

BEFORE = General(losses=(30.0, 44.0, 61.0), tokens=(10, 15, 20), right=(True,) * 30 + (False,) * 10)


def told(
    nats: float,
    *,
    most: float = 1.5,
    replay: float = 0.0,
    first: Json | None = None,
    in_vain: Json | None = None,
    use: str = "both",
) -> Json:
    """What the verdict holds of an adapter by which each token's loss rose so much."""
    after = General(tuple(loss + nats * 15 for loss in BEFORE.losses), BEFORE.tokens, (True,) * 27 + (False,) * 13)
    own = {"use": use, "adapter": "a1", "replay_share": replay, "held_out": 0.8125, "most": most}
    other = {"without_replay": first, "replay_in_vain": in_vain}
    return own | forgetting(BEFORE, after, 0.95).to_json() | other


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


def test_replay_is_told_with_what_was_before_it() -> None:
    (enough,) = forgotten_sentences({"forgetting": [told(0.1, replay=0.1, first=told(0.7))]})
    (still,) = forgotten_sentences({"forgetting": [told(0.6, replay=0.1, first=told(0.7))]})

    again = (
        "; it was 2.01 times at first, more than [tune] forget_most = 1.5, so it was trained again with general text "
        "as 10 % of the rows."
    )
    assert enough.endswith(again)
    assert again in still
    assert "still more than" in still


def test_replay_that_kept_no_more_is_told_and_not_advised(verdict: Json) -> None:
    one = told(0.7, in_vain=told(0.75))
    (sentence,) = forgotten_sentences({"forgetting": [one]})

    assert sentence.endswith(
        "; trained again with general text among the rows it was 2.12 times, so this stays. That is more than "
        "[tune] forget_most = 1.5: fewer [tune] epochs or a lower rate forget less."
    )
    assert "The tuned model, with replay, not kept" in markdown(verdict | {"forgetting": [one]}, ReportContext())


def test_every_report_has_a_row_for_each_adapter_and_one_for_what_it_was_before_replay(verdict: Json) -> None:
    both = [told(0.1, use="context", replay=0.1, first=told(0.7)), told(0.2, use="closed")]
    with_them = verdict | {"forgetting": both}

    text = markdown(with_them, ReportContext())
    page = html(with_them, {}, ReportContext())

    for report in (MarkdownIt("commonmark").enable("table").render(text), page):
        assert "What tuning forgot" in report
        for which in ("with passages, at first", "with passages, with replay", "without passages"):
            assert f"The model tuned for questions {which}" in report
        assert "3 paragraphs of 45 tokens and 40 questions" in report
    assert "What tuning forgot:" in terminal(with_them)


def test_nothing_is_said_where_nothing_was_tuned(verdict: Json) -> None:
    for bare in (verdict, verdict | {"forgetting": []}):
        for report in (markdown(bare, ReportContext()), html(bare, {}, ReportContext()), "\n".join(terminal(bare))):
            assert "forgot" not in report
