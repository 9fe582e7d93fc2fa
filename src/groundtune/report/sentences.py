"""What a report says in sentences: the verdict in one, what was asked, what the numbers are, which run it was."""

from __future__ import annotations

from groundtune.report.context import ReportContext
from groundtune.report.standing import Standing
from groundtune.report.trainings import trainings_note
from groundtune.report.wording import count, metric_name, plural, score

_ASKED = {
    "knowledge": (
        "tuning was allowed to read the documents that the test questions are about, just as retrieval does, but never "
        "a test question. The numbers speak about new questions on the same documents."
    ),
    "skill": (
        "the documents that the test questions are about were kept from tuning, and only retrieval could read them. "
        "The numbers speak about new questions on documents that tuning has never seen."
    ),
}
_WITHOUT_DOCUMENTS = (
    "there are no documents. Tuning learnt from the train examples, and retrieval looked up those that are like the "
    "question. The numbers speak about new questions of the same kind."
)

_NUMBERS = {2: "Two", 3: "Three", 4: "Four", 5: "Five", 6: "Six"}


def headline(standing: Standing) -> tuple[str, str]:
    """The verdict as two parts of one sentence, to be joined by a colon: what to do, and the number behind it."""
    if standing.recommended is not None:
        return f"Ship {standing.recommended}", _evidence(standing, standing.recommended)
    if standing.verdict["undecided"]:
        return "Undecided", _open(standing)
    return "Nothing to ship", "no approach keeps within the limits that were set."


def _evidence(standing: Standing, pick: str) -> str:
    scored = f"{metric_name(standing.metric)} {score(standing.mean(pick))}"
    rival = standing.rival
    if rival is None:
        return f"{scored}, and it is the only approach that was measured."
    if standing.mean(rival) > standing.mean(pick):
        return f"{scored}; {rival} has the best mean, {score(standing.mean(rival))}, but is passed over."
    lead = standing.lead(pick, rival)
    if lead is None:
        return f"{scored}; the next best, {rival}, has {score(standing.mean(rival))}."
    if lead.sure:
        return f"{scored}, {score(lead.difference)} better than {rival}, the next best."
    return f"{scored}; {rival} is close behind with {score(standing.mean(rival))}, too close to be told apart."


def _open(standing: Standing) -> str:
    leader, second = standing.verdict["leader"], max(standing.verdict["unsettled"], key=standing.mean)
    scored = f"{leader} leads with {metric_name(standing.metric)} {score(standing.mean(leader))}"
    scored += f" against {score(standing.mean(second))} of {second}"
    if needed := standing.verdict["examples_needed"]:
        return f"{scored}; about {count(needed)} more examples would settle it."
    if standing.verdict.get("unsettled_by_tuning"):
        return f"{scored}; more trainings would settle it, not more examples."
    return f"{scored}; it is too close to call."


def setting(standing: Standing, context: ReportContext) -> str:
    """Who was measured on what, in a sentence."""
    on_model = f" built on {context.model}" if context.model else ""
    number = len(standing.names)
    who = f"{_NUMBERS.get(number, number)} approaches{on_model}" if number > 1 else f"One approach{on_model}"
    where = f" about {plural(context.documents, 'document')}" if context.documents else ""
    same = "the same " if number > 1 else ""
    return f"{who} answered {same}{plural(standing.n, 'held-out question')}{where}."


def asked(standing: Standing, context: ReportContext) -> str:
    """What the question asked, knowledge or skill, means here; it goes on after a colon."""
    return _WITHOUT_DOCUMENTS if context.documents is None else _ASKED[standing.verdict["question"]]


def table_note(standing: Standing, context: ReportContext) -> str:
    """What the numbers of the approaches are: metric, interval, what the cost is made of, how many trainings."""
    note = f"Quality is {metric_name(standing.metric)} with its {standing.interval} interval."
    if context.price_per_hour is not None and context.queries_per_month is not None:
        month = plural(context.queries_per_month, "question")
        price = f"{context.price_per_hour:g} for an hour of the machine"
        note += f" Cost of 1000 questions: at {price}, one training spread over {month} a month."
    trainings = trainings_note(standing.verdict)
    return f"{note} {trainings}" if trainings else note


def data_facts(context: ReportContext) -> list[str]:
    """What the measurement was made from, a line each; only what is known."""
    facts = []
    if context.documents is not None:
        passages = f" in {plural(context.passages, 'passage')}" if context.passages is not None else ""
        facts.append(f"{plural(context.documents, 'document')}{passages}")
    if context.train is not None:
        facts.append(f"{plural(context.train, 'example')} to learn from")
    if context.test is not None:
        facts.append(f"{plural(context.test, 'example')} held out for this measurement")
    if context.left_out:
        facts.append(f"{plural(len(context.left_out), 'document')} left out because unreadable")
    return facts


def signature(standing: Standing, context: ReportContext) -> str:
    """Which run this is, of what, when."""
    parts = [f"run {standing.run}", f"groundtune {context.version}" if context.version else "", context.finished[:10]]
    return ", ".join(part for part in parts if part)
