"""Several wordings of each fact: what is said in one way alone is hardly found again in the weights.

Allen-Zhu and Li 2023 (Physics of language models, 3.1): 9.7 % of facts can be asked for after one wording, 96.6 % after
several; Ovadia et al. 2023 see the same with larger models.
"""

from __future__ import annotations

from groundtune.tune.rows import Material, Row
from groundtune.types import Example, Message, Prompt


def fact_rows(material: Material) -> list[Row]:
    """The facts in the examples in other words: questions that somebody wrote anew, the sentence of the evidence, the
    question as a statement, and the way back from the answer to the question.

    An example without an answer holds no fact.
    """
    rows = []
    for example in material.examples:
        if not example.answers:
            continue
        rows += [
            Row(
                material.template.prompt(question, None, material.choices),
                material.template.completion(example.answers[0]),
                "fact",
                f"fact:{example.id}:{number}",
                example.id,
            )
            for number, question in enumerate(material.paraphrases.get(example.id, ()))
        ]
        rows += _statements(example)
    return rows


def _statements(example: Example) -> list[Row]:
    """Plain text that says the fact, each with the words that the loss is on at its end."""
    answer, question = example.answers[0], example.question
    pairs = [(f"Asked: {question}\nThe right answer is", f" {answer}"), (f"{answer} is the answer to:", f" {question}")]
    for piece in example.evidence:
        before, found, _ = piece.quote.partition(answer)
        if found and before.strip():
            pairs.append((before.rstrip(), f" {piece.quote[len(before.rstrip()) :].lstrip()}"))
    return [
        Row(Prompt((Message("user", prompt),), plain=True), completion, "fact", f"fact:{example.id}:s{n}", example.id)
        for n, (prompt, completion) in enumerate(pairs)
    ]
