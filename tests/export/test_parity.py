"""Each export answers a set of prompts as the model that it was made of."""

import re
from pathlib import Path
from typing import Any

import pytest

from groundtune.errors import WorkFailed
from groundtune.export.adapter import write_adapter
from groundtune.export.gguf import write_gguf
from groundtune.export.llama import complete
from groundtune.export.merged import write_merged
from groundtune.export.modelfile import context_for, modelfile
from groundtune.export.parity import ASKED, chosen, hold, insist
from groundtune.models.hf.backend import HFBackend
from groundtune.models.weights import find_weights
from groundtune.prompts import Template, trained
from groundtune.types import Answer, Example, Hit, Limits, Passage, Prompt, Record
from tests import tiny as small
from tests.tiny import CONTEXT, OLD_NAME, Tiny

pytestmark = OLD_NAME

THINGS = [f"{colour} {thing}" for colour in ("red", "blue", "green") for thing in ("lamp", "pump")]
QUESTIONS = [f"{asked} the {thing}?" for thing in THINGS for asked in ("What does it cost:", "How long is")]
PASSAGES = [Passage(n, "a.md", f"The lamp costs {n} coins.", 0, 9, title="The lamp", heading="Prices") for n in (3, 5)]


def prompts(template: Template) -> list[Prompt]:
    """Some with passages, some without."""
    return [template.prompt(one, PASSAGES if n % 2 else None) for n, one in enumerate(QUESTIONS)]


def answers(generator: Any, template: Template, limits: Limits) -> list[str]:
    return [one.text for one in generator.generate(prompts(template), limits)]


def olmo(tiny: Tiny, folder: Path) -> Path:
    """A tiny model of another architecture that llama.cpp runs: it normalises after its layers, and its queries."""
    import torch
    from transformers import AutoTokenizer, Olmo2Config, Olmo2ForCausalLM

    torch.manual_seed(9)
    tokenizer = AutoTokenizer.from_pretrained(tiny.llama)
    small_ones = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2}
    ids = {"eos_token_id": tokenizer.eos_token_id, "bos_token_id": None, "pad_token_id": None}
    config: Any = {"vocab_size": len(tokenizer), "max_position_embeddings": CONTEXT, **small_ones, **ids}
    small.spread(Olmo2ForCausalLM(Olmo2Config(**config))).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


@pytest.mark.parametrize("architecture", ["llama", "neox"])
def test_an_adapter_and_a_merged_folder_answer_as_the_model_that_was_measured(
    tiny: Tiny, tmp_path: Path, architecture: str
) -> None:
    model = getattr(tiny, architecture)
    trained_one = small.adapter(model, tmp_path / "trained", seed=3)
    backend = HFBackend(str(model), architecture, threads=1)
    template, limits = trained("qa"), Limits(12, ("\n",))
    measured = answers(backend.generator(trained_one), template, limits)

    write_adapter(trained_one, tmp_path / "adapter", None)
    write_merged(backend, trained_one, tmp_path / "merged")

    assert measured != answers(backend.generator(), template, limits)
    assert len(set(measured)) > len(measured) // 2
    assert answers(backend.generator(tmp_path / "adapter"), template, limits) == measured
    merged = HFBackend(str(tmp_path / "merged"), "merged", threads=1)
    assert answers(merged.generator(), template, limits) == measured


@pytest.mark.parametrize("architecture", ["llama", "olmo"])
def test_a_gguf_answers_as_the_model_that_was_measured(tiny: Tiny, tmp_path: Path, architecture: str) -> None:
    model = tiny.llama if architecture == "llama" else olmo(tiny, tmp_path / "olmo")
    trained_one = small.adapter(model, tmp_path / "trained", seed=3)
    backend = HFBackend(str(model), architecture, threads=1)
    template, limits = trained("qa"), Limits(6, ("\n",))
    measured = answers(backend.generator(trained_one), template, limits)
    bare = answers(backend.generator(), template, limits)

    write_merged(backend, trained_one, tmp_path / "merged")
    write_gguf(tmp_path / "merged", tmp_path / "model.gguf", "f32", "tiny")
    texts = [backend.render(one) for one in prompts(template)]
    said = complete(tmp_path / "model.gguf", texts, limits, 512, 1)

    same = sum(a.strip() == b.strip() for a, b in zip(said, measured, strict=True))
    assert same >= len(said) - 1  # llama.cpp adds in another order: a draw may fall otherwise
    assert sum(a.strip() == b.strip() for a, b in zip(bare, measured, strict=True)) < len(said) // 2


@pytest.mark.slow
@pytest.mark.weights
def test_exports_of_the_bundled_model_answer_as_it_does(tmp_path: Path) -> None:
    weights = find_weights("smollm2-135m", "model")
    trained_one = small.adapter(Path(weights), tmp_path / "trained", seed=3, std=0.002)
    backend = HFBackend(weights, "smollm2-135m", threads=2)
    template, limits = trained("qa"), Limits(16, ("\n",))
    measured = answers(backend.generator(trained_one), template, limits)

    write_adapter(trained_one, tmp_path / "adapter", None)
    write_merged(backend, trained_one, tmp_path / "merged")
    write_gguf(tmp_path / "merged", tmp_path / "model.gguf", "f16", "small")

    assert any(answer.strip() for answer in measured)
    assert answers(backend.generator(tmp_path / "adapter"), template, limits) == measured
    merged = HFBackend(str(tmp_path / "merged"), "merged", threads=2)
    assert answers(merged.generator(), template, limits) == measured
    texts = [backend.render(one) for one in prompts(template)]
    said = complete(tmp_path / "model.gguf", texts, limits, 1024, 2)
    assert [one.strip() for one in said] == [one.strip() for one in measured]


def test_a_file_that_is_no_gguf_is_said_so(tmp_path: Path) -> None:
    (tmp_path / "model.gguf").write_bytes(b"nothing of it")

    with pytest.raises(WorkFailed, match=r"llama\.cpp cannot run the GGUF"):
        complete(tmp_path / "model.gguf", ["Q: a\nA:"], Limits(2), 64, 1)


# ---------------------------------------------------------------- Ollama's Modelfile


def read_modelfile(text: str) -> list[tuple[str, str]]:
    """Its commands, as Ollama reads them: three quotes hold a text as it is, over lines, without escapes."""
    found = re.findall(r'^(FROM|TEMPLATE|PARAMETER \w+) (?:"""(.*?)"""|(.*?))$', text, flags=re.MULTILINE | re.DOTALL)
    assert (
        "".join(f'{name} """{quoted}"""\n' if not bare else f"{name} {bare}\n" for name, quoted, bare in found) == text
    )
    return [(name, quoted or bare) for name, quoted, bare in found]


def filled_in(template: str, question: str, system: str) -> str:
    """What Ollama makes of a template for a first question: up to where the answer goes."""
    text = re.sub(r"\{\{ if \.System \}\}(.*?)\{\{ end \}\}", r"\1" if system else "", template, flags=re.DOTALL)
    return text.partition("{{ .Response }}")[0].replace("{{ .Prompt }}", question).replace("{{ .System }}", system)


@pytest.mark.parametrize("task", ["qa", "labels", "text"])
def test_the_modelfile_makes_the_very_prompt_that_was_measured(tiny: Tiny, task: Any) -> None:
    template = trained(task)
    limits = template.limits(9)
    commands = read_modelfile(modelfile(template, limits, 2048, "model.gguf", passages=True))
    backend = HFBackend(str(tiny.llama), "llama", threads=1)

    [written] = [value for name, value in commands if name == "TEMPLATE"]
    whole = backend.render(template.prompt("What does it cost?", PASSAGES))
    shown = whole.removesuffix(backend.render(template.prompt("What does it cost?"))).removesuffix("\n\n")
    assert filled_in(written, "What does it cost?", shown) == whole
    assert "The lamp costs 3 coins." in shown
    without = backend.render(template.prompt("What does it cost?", None))
    assert filled_in(written, "What does it cost?", "") == without
    assert [value for name, value in commands if name == "PARAMETER stop"] == list(limits.stop)
    assert ("FROM", "./model.gguf") in commands
    assert ("PARAMETER num_predict", "9") in commands


def test_a_model_that_was_measured_without_passages_takes_none() -> None:
    template = trained("qa")
    assert ".System" not in modelfile(template, template.limits(9), 2048, "model.gguf", passages=False)


@pytest.mark.parametrize(
    ("tokens", "room", "context"), [(1, None, 2048), (2048, 8192, 2048), (2049, 8192, 4096), (5000, 6000, 6000)]
)
def test_the_context_holds_the_longest_prompt(tokens: int, room: int | None, context: int) -> None:
    assert context_for(tokens, room) == context


# ---------------------------------------------------------------- which questions


def records(n: int, task: Any = "qa", hits: tuple[Hit, ...] = ()) -> list[Record]:
    examples = [Example(f"q{i}", task, f"question {i}", ("x",)) for i in range(n)]
    return [Record("tuned", one, Answer("x", hits=hits), {}) for one in examples]


@pytest.mark.parametrize("n", [1, 7, 8, 9, 100])
def test_an_export_is_held_to_questions_from_all_over_the_test(n: int) -> None:
    asked = chosen(records(n), searches=False)

    assert len(asked) == min(n, ASKED)
    assert len({one.example.id for one in asked}) == len(asked)
    assert n < 100 or int(asked[-1].example.id[1:]) > 80


def test_a_question_that_no_model_was_asked_is_left_out() -> None:
    found = records(3, hits=(Hit(PASSAGES[0], 1.0),))

    assert chosen([*records(5), *found], searches=True) == found
    assert len(chosen([*records(5), *found], searches=False)) == ASKED
    assert len(chosen(records(5, "labels"), searches=True)) == 5


def test_an_export_that_can_be_held_to_nothing_is_refused() -> None:
    with pytest.raises(WorkFailed, match="no question of the test"):
        insist(hold([], []), "")


def test_white_space_around_an_answer_does_not_count() -> None:
    assert hold(records(2), [" x\n", "y"]).to_json() == {
        "held": "1 of 2 questions of the test are answered as measured",
        "asked": 2,
        "same": 1,
        "differences": [{"question": "question 1", "measured": "x", "exported": "y"}],
    }
