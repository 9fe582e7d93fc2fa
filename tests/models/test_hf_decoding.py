"""Our own decoding says what transformers' `generate` says, to one prompt or many, alike or not."""

import random
from collections.abc import Callable
from typing import Any

import pytest
import torch
from transformers import (
    AutoModelForCausalLM,
    FalconMambaConfig,
    Gemma2Config,
    GptOssConfig,
    LlamaConfig,
    MistralConfig,
    PreTrainedConfig,
    Qwen3Config,
)

from groundtune.attention import window
from groundtune.models.hf.backend import HFBackend
from groundtune.models.hf.decoding import greedy, read_prefix, works_with
from groundtune.models.hf.packed import Packed
from groundtune.models.hf.padded import Padded
from groundtune.types import Limits, Message, Prompt
from tests.tiny import Tiny

END = 0
SMALL: dict[str, Any] = {
    "vocab_size": 99,
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
}


@pytest.fixture(scope="module", params=["llama", "neox"])
def model(tiny: Tiny, request: pytest.FixtureRequest) -> Any:
    model: Any = AutoModelForCausalLM.from_pretrained(getattr(tiny, request.param))
    return model.eval()


def generated(model: Any, row: list[int], most: int) -> list[int]:
    ids = torch.tensor([row])
    options = {"do_sample": False, "eos_token_id": END, "pad_token_id": END, "max_new_tokens": most}
    said: list[int] = model.generate(ids, attention_mask=torch.ones_like(ids), **options)[0, len(row) :].tolist()
    return said


def prompts(rng: random.Random, shared: int) -> list[list[int]]:
    """Of very different lengths; some begin alike, some are equal, one is the beginning of another."""
    beginning = [rng.randrange(1, 400) for _ in range(shared)]
    rows = [
        beginning[: rng.choice([shared // 2, shared])] + [rng.randrange(1, 400) for _ in range(rng.choice([1, 3, 40]))]
        for _ in range(9)
    ]
    return [*rows, rows[0], rows[1][:-1] or [7], [5], [rng.randrange(1, 400) for _ in range(300)]]


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("shared", [0, 40, 150])
def test_the_tokens_are_those_of_generate(model: Any, seed: int, shared: int) -> None:
    rows = prompts(random.Random(seed), shared)

    replies = greedy(model, rows, 9, lambda tokens: tokens[-1] == END)

    assert [reply.tokens for reply in replies] == [generated(model, row, 9) for row in rows]


def test_the_probability_is_that_of_all_tokens_in_turn(model: Any) -> None:
    row = [3, 1, 4, 1, 5]

    [reply] = greedy(model, [row], 6, lambda _: False)

    with torch.inference_mode():
        logprobs = model(torch.tensor([row + reply.tokens])).logits[0].log_softmax(-1)
    expected = sum(float(logprobs[len(row) - 1 + n, token]) for n, token in enumerate(reply.tokens))
    assert reply.logprob == pytest.approx(expected, abs=1e-3)


def test_a_beginning_that_was_read_before_changes_nothing(model: Any) -> None:
    rng = random.Random(5)
    rows = [[*range(1, 31), *(rng.randrange(1, 400) for _ in range(n))] for n in (1, 9, 9, 30)]
    root = read_prefix(model, list(range(1, 31)))

    for _ in range(2):
        replies = greedy(model, rows, 5, lambda _: False, root)
        assert [reply.tokens for reply in replies] == [one.tokens for one in greedy(model, rows, 5, lambda _: False)]


def made(config: PreTrainedConfig) -> Any:
    torch.manual_seed(3)
    model: Any = AutoModelForCausalLM.from_config(config)  # type: ignore[no-untyped-call]
    return model.eval()


@pytest.mark.parametrize("config", [LlamaConfig(**SMALL), Qwen3Config(**SMALL, head_dim=8), MistralConfig(**SMALL)])
def test_a_trial_shows_that_it_works(config: PreTrainedConfig) -> None:
    assert works_with(made(config))


@pytest.mark.parametrize(
    "config",
    [
        lambda: Gemma2Config(**SMALL, head_dim=8),  # soft caps
        lambda: GptOssConfig(**SMALL, head_dim=8, num_local_experts=2, num_experts_per_tok=1),  # sinks
        lambda: FalconMambaConfig(vocab_size=99, hidden_size=32, num_hidden_layers=1, state_size=4),  # recurrent
        lambda: LlamaConfig(**SMALL, rope_parameters={"rope_type": "dynamic", "factor": 2.0, "rope_theta": 1e4}),
    ],
)
def test_a_trial_shows_that_it_does_not(config: Callable[[], PreTrainedConfig]) -> None:
    assert not works_with(made(config()))


def test_a_window_shorter_than_prompt_and_answer_is_left_to_generate(
    tiny: Tiny, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("windowed")
    tokenizer = HFBackend(str(tiny.llama), "llama").tokenizer
    config = MistralConfig(**(SMALL | {"vocab_size": len(tokenizer)}), sliding_window=40, eos_token_id=END)
    made(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    backend = HFBackend(str(folder), "windowed", threads=1)

    with backend.using(None) as model:
        assert window(model) == 40
        assert backend.packs(model, 40)
        assert not backend.packs(model, 41)
    for text in ("red lamp", "red lamp " * 30):
        asked = Prompt((Message("user", text),))
        assert backend.generator().generate([asked], Limits(8))[0].completion_tokens


def both_ways(backend: HFBackend, asked: list[Prompt], limits: Limits) -> list[list[str]]:
    texts = []
    for way in (Packed(backend), Padded(backend)):
        ids = [backend.tokenizer(backend.render(prompt), add_special_tokens=False)["input_ids"] for prompt in asked]
        with backend.using(None) as model:
            said = way.complete(
                model, ids, [prompt.choices for prompt in asked], limits, way.prefix(model, ids, limits)
            )
        texts.append([one.text for one in said])
    return texts


@pytest.mark.slow
@pytest.mark.weights
def test_the_bundled_model_says_the_same_both_ways() -> None:
    from groundtune.models.weights import find_weights

    backend = HFBackend(find_weights("smollm2-135m", "test"), "smollm2-135m", threads=1)
    shots = (
        "Question: What is the capital of Italy?\nAnswer: Rome\n\nQuestion: How many legs has an ant?\nAnswer: six\n\n"
    )
    questions = ["Who wrote Hamlet?", "What is the capital of France?", "How many days has a week?", "What is water?"]
    asked = [Prompt((Message("user", f"{shots}Question: {one}\nAnswer:"),), plain=True) for one in questions]
    asked += [Prompt((Message("user", one),)) for one in questions]

    packed, padded = both_ways(backend, asked, Limits(8, ("\n",)))

    assert packed == padded
