"""The model card of an export: what it is, how to ask it, what it learnt from, how well it did, what stays behind."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Sequence

from groundtune.export import Format
from groundtune.export.origin import Origin
from groundtune.export.parity import Held
from groundtune.export.usage import usage
from groundtune.progress import printable
from groundtune.tune.lineage import LINEAGE, MADE, documents_of

SETTINGS = ("recipe", "rank", "rate", "epochs", "minutes", "batch", "gold_share", "alone_share", "closed_share",
            "documents_share", "seed")  # fmt: skip
LONGEST = 200  # characters that are quoted of a question or an answer
_LIBRARY = {"adapter": "peft", "merged": "transformers", "gguf": "gguf"}
_WHAT = {"adapter": "A LoRA adapter", "merged": "A model with its adapter merged into it", "gguf": "A GGUF model"}


def card(origin: Origin, form: Format, held: Held) -> str:
    """The card as Markdown, with the front matter that the Hugging Face hub reads."""
    sections = (
        _head(origin, form),
        f"## How to ask it\n\n{usage(origin, form)}",
        f"## Scores\n\n{_scores(origin)}",
        f"## Held to the measured answers\n\n{_held(origin, form, held)}",
        f"## What it learnt from\n\n{_data(origin)}",
        f"## Recipe\n\n{_recipe(origin)}",
        f"## What tuning forgot\n\n{_forgot(origin)}",
        f"## Lineage\n\n{_lineage(origin)}",
        f"## What stays behind\n\n{_behind(origin, form)}",
    )
    return "\n\n".join(sections) + "\n"


def _head(origin: Origin, form: Format) -> str:
    told = {"library_name": _LIBRARY[form], "pipeline_tag": "text-generation", "tags": ["groundtune"]}
    if origin.hub_name:
        told["base_model"] = origin.hub_name
    matter = "\n".join(f"{key}: {json.dumps(value)}" for key, value in told.items())
    return (
        f"---\n{matter}\n---\n\n# {quoted(origin.project)}: {origin.approach}\n\n"
        f"{_WHAT[form]}, tuned and measured by Groundtune {origin.version}. The base model is {origin.base}; its "
        "licence holds on, and so do the rights in the documents and examples that it learnt from."
    )


def _scores(origin: Origin) -> str:
    verdict, own = origin.verdict, origin.verdict["approaches"][origin.approach]
    quality = own["quality"]
    rows = [
        (_bold(name, name == origin.approach), f"{one['mean']:.3f}", f"{one['low']:.3f} to {one['high']:.3f}")
        for name, one in ((name, row["quality"]) for name, row in verdict["approaches"].items())
    ]
    others = ", ".join(f"{name} {value:.3f}" for name, value in own["metrics"].items())
    asked = {
        "skill": "tuning has read none of the documents that they are about",
        "knowledge": "tuning may have read the documents that they are about",
    }[verdict["question"]]
    several = ""
    if own["trainings"] > 1:
        several = (
            f" Tuned approaches were trained {own['trainings']} times, each from another seed, and their scores are "
            f"means over that; this is the first training, which scored {own['training_means'][0]:.3f}."
        )
    return (
        f"On {quality['n']:,} questions that were held out; {asked}. Every approach was asked the same ones."
        f"{several}\n\n"
        + table(("approach", quality["metric"], f"{verdict['confidence']:.0%} interval"), rows)
        + f"\n\nAll means of {origin.approach}: {others}. The run is `{verdict['run']}`."
    )


def _held(origin: Origin, form: Format, held: Held) -> str:
    text = f"Loaded anew from this folder: {held.sentence}."
    if form == "gguf":
        text += " llama.cpp computes otherwise than what was measured, so a word may differ now and then."
        if origin.choices:
            text += " Measured was the most probable of the labels; here the answer was written freely."
    if held.differences:
        rows = [(quoted(one.question), quoted(one.measured), quoted(one.exported)) for one in held.differences]
        text += "\n\n" + table(("question", "measured", "this export"), rows)
    return text


def _data(origin: Origin) -> str:
    mix = ", ".join(f"{n:,} {kind}" for kind, n in Counter(line["kind"] for line in origin.lineage).items())
    examples = {line["example"] for line in origin.lineage} - {""}
    made = {example for example in examples if example.startswith(MADE)}
    written = f", {len(made):,} questions made from documents" if made else ""
    return (
        f"{len(origin.lineage):,} training rows ({mix}), {origin.training['plan']['tokens']:,} tokens, from "
        f"{len(examples - made):,} of {origin.train:,} train examples{written} and "
        f"{len(documents_of(origin.lineage)):,} documents. No test example is among them."
    )


def _recipe(origin: Origin) -> str:
    training = origin.training
    rows = [(f"`{key}`", quoted(str(training["settings"][key]))) for key in SETTINGS]
    rows.append(("`replay_share`", f"{training['settings']['replay_share'] or 0:g}"))
    rows.append(("`precision`", quoted(training["plan"]["precision"])))
    held_out = f", on held-out rows {min(training['held_out']):.3f}" if training["held_out"] else ""
    if training["replaying"] is not None:
        held_out += f"; general text was replayed from step {training['replaying']:,} on"
    return (
        f"LoRA on all linear layers: {training['steps']:,} steps in {training['seconds'] / 60:.1f} minutes, highest "
        f"learning rate {training['rate']:g}, loss {training['loss']:.3f}{held_out}.\n\n" + table(("[tune]", ""), rows)
    )


def _forgot(origin: Origin) -> str:
    one = origin.forgetting
    if one is None:
        return "Not measured."
    return (
        f"General text is {one['ratio']:.2f} ({one['ratio_low']:.2f} to {one['ratio_high']:.2f}) times as perplexing "
        f"as to the base model. Of {one['questions']} general questions it answers {one['right_after']} rightly, "
        f"{one['right_before']} before tuning: a difference of {one['difference']:+.2f} ({one['low']:+.2f} to "
        f"{one['high']:+.2f})."
    )


def _lineage(origin: Origin) -> str:
    return (
        f"Document → training row → adapter: [`{LINEAGE}`]({LINEAGE}) has a line for each of the "
        f"{len(origin.lineage):,} rows that were learnt from: its kind, the example's id, the documents that it shows "
        "with their versions, and the documents that the answer rests on. No text of them is in it. The adapter is "
        f"`{origin.training['adapter']}`."
    )


def _behind(origin: Origin, form: Format) -> str:
    points = ["- How sure an answer is: the calibration, and withholding answers by it, belong to Groundtune."]
    if origin.abstain_below is not None:
        points[0] += f" The scores above were measured with answers under {origin.abstain_below:g} withheld."
    if origin.choices and form != "gguf":
        points.append(
            "- Choosing among the labels: measured was the most probable of them, here one is written freely."
        )
    if origin.choices and form == "gguf":
        points.append("- Choosing among the labels by their probability.")
    if origin.choices:
        points.append(f"- The labels are {', '.join(map(quoted, origin.choices))}; whatever else it writes is none.")
    if origin.k:
        points.append(
            "- The retriever, its index, who may read what, and citations. Where the retriever finds nothing for a "
            "short question, Groundtune says so without asking the model."
        )
    points.append(
        "- Groundtune breaks up control tokens of the model (ends of turns and the like) that stand in a question or a "
        "passage. Do so before you ask it about texts that you do not trust."
    )
    return "\n".join(points)


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |" for line in lines)


def quoted(text: str) -> str:
    """A text of the user's data as code on one line, so that nothing of it is Markdown or HTML."""
    line = " ".join(printable(text).replace("`", "'").split())
    return f"`{line[:LONGEST]}{' …' if len(line) > LONGEST else ''}`" if line else "(nothing)"


def _bold(text: str, bold: bool) -> str:
    return f"**{text}**" if bold else text
