"""Numbers and names as a reader wants to see them. `MISSING` stands for what was not measured."""

from __future__ import annotations

import math

MISSING = "–"

# What a metric is called in a sentence, and what it means.
METRICS = {
    "f1": ("F1", "words that the answer and a right answer share"),
    "exact": ("exact match", "the answer is a right answer, word for word"),
    "contains": ("contains", "a right answer stands in the answer"),
    "accuracy": ("accuracy", "the label is the right one"),
    "macro_f1": ("macro-F1", "F1 of each label, every label counting the same"),
    "chrf": ("chrF", "stretches of characters shared with a right text"),
    "chrf_corpus": ("chrF of all", "chrF of all texts taken as one"),
    "rouge_l": ("ROUGE-L", "words shared with a right text, in order"),
    "recall@1": ("recall@1", "the evidence was in the first passage found"),
    "recall@3": ("recall@3", "the evidence was among the first 3 passages found"),
    "recall@5": ("recall@5", "the evidence was among the first 5 passages found"),
    "recall@k": ("recall@k", "the evidence was among the passages in the prompt"),
    "ndcg@10": ("nDCG@10", "how high the evidence stood among the first 10 passages found"),
    "mrr": ("MRR", "one over the rank of the first piece of evidence"),
    "cited": ("cited", "the answer's words stand in a passage that it cites"),
    "evidence_cited": ("evidence cited", "a passage that holds the evidence is cited"),
    "abstention_rate": ("abstained", "questions that got no answer"),
    "answerable_answered": ("answerable, answered", "questions with an answer that got one"),
    "unanswerable_abstained": ("unanswerable, abstained", "questions without an answer that got none"),
    "withheld_rate": ("withheld", "replies that were not sure enough to be said"),
    "always_abstain": ("always abstaining", "quality if every question were abstained from"),
    "never_withhold": ("never withholding", "quality if no reply were withheld"),
    "aurc": ("AURC", "mistakes among the surest replies, averaged over how many are given; less is better"),
    "ece": ("ECE", "how far confidences are from the share of right replies; less is better"),
}


def metric_name(metric: str) -> str:
    """A metric's name in a sentence; its key where it is not one of ours."""
    if metric in METRICS:
        return METRICS[metric][0]
    whole = metric.removesuffix("_when_answered")
    return metric if whole == metric else f"{metric_name(whole)}, when answered"


def metric_meaning(metric: str) -> str:
    """What a metric measures, or nothing where it is not one of ours."""
    if metric.endswith("_when_answered"):
        return "over the questions with an answer that were answered"
    return METRICS.get(metric, ("", ""))[1]


def known(value: float | None) -> bool:
    """Whether a value was measured: there, and a finite number."""
    return value is not None and math.isfinite(value)


def score(value: float | None) -> str:
    """0.617 is "0.62"."""
    return f"{value:.2f}".replace("-", "−") if value is not None and known(value) else MISSING


def signed(value: float | None) -> str:
    """0.141 is "+0.14", -0.02 is "−0.02", with a true minus sign; 0 has none."""
    if value is None or not known(value):
        return MISSING
    text = f"{value:+.2f}"
    return "0.00" if text in ("+0.00", "-0.00") else text.replace("-", "−")


def p_value(value: float | None) -> str:
    """A p value to three digits, never "0"."""
    if value is None or not known(value):
        return MISSING
    return "< 0.001" if value < 0.001 else f"{value:.3f}"


def share(value: float | None) -> str:
    """0.934 is "93 %". It is an estimate, so neither end is ever reached."""
    if value is None or not known(value):
        return MISSING
    if value < 0.01:
        return "< 1 %"
    return "> 99 %" if value > 0.99 else f"{value * 100:.0f} %"


def percent(value: float) -> str:
    """0.95 is "95 %", 0.999 is "99.9 %"."""
    return f"{value * 100:g} %"


def count(value: float | None) -> str:
    """12345 is "12 345", with thin spaces that do not break."""
    return f"{value:,.0f}".replace(",", "\u202f") if value is not None and known(value) else MISSING


def money(value: float | None) -> str:
    """Three digits that count, whatever the currency: 0.0312."""
    if value is None or not known(value):
        return MISSING
    return f"{value:.3g}" if 0.0001 <= abs(value) < 1000 or value == 0 else f"{value:,.6f}".rstrip("0").rstrip(".")


def milliseconds(value: float | None) -> str:
    """85 is "85 ms", 1240 is "1.24 s"."""
    if value is None or not known(value):
        return MISSING
    if value < 10:
        return f"{value:.2g} ms"
    return f"{value:.0f} ms" if value < 999.5 else f"{value / 1000:.3g} s"


def duration(seconds: float | None) -> str:
    """500 is "8 min 20 s": the two greatest units that it fills."""
    if seconds is None or not known(seconds):
        return MISSING
    if 0 < seconds < 9.95:
        return milliseconds(seconds * 1000) if seconds < 0.9995 else f"{seconds:.1f} s"
    left, parts = round(seconds), []
    for size, unit in ((86_400, "d"), (3600, "h"), (60, "min"), (1, "s")):
        amount, left = divmod(left, size)
        if amount:
            parts.append(f"{amount} {unit}")
        elif parts:
            break
    return " ".join(parts[:2]) or "0 s"


def memory(megabytes: float | None) -> str:
    """740 is "740 MB", 1810 is "1.8 GB"."""
    if megabytes is None or not known(megabytes):
        return MISSING
    return f"{megabytes:.0f} MB" if megabytes < 1000 else f"{megabytes / 1000:.1f} GB"


def date(iso: str) -> str:
    """An ISO 8601 time to the minute, without the T."""
    return iso[:16].replace("T", " ")


def plural(number: int | None, noun: str) -> str:
    """ "1 document", "60 documents"."""
    return f"{count(number)} {noun}" + ("" if number == 1 else "s")
