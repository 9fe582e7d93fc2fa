"""Tiny models of real architectures with random weights, as Hugging Face folders: real ones, in milliseconds."""

from __future__ import annotations

import json
import random
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

CHAT = (
    "{% for m in messages %}<|{{ m['role'] }}|>{{ m['content'] }}<|end|>{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% endif %}"
)
# As Gemma's: a conversation begins with the user.
NO_SYSTEM = "{% if messages[0]['role'] == 'system' %}{{ raise_exception('no system here') }}{% endif %}" + CHAT
WORDS = """the a of in to is are and or not what which where when who how long does it cost cabinet lamp seed pump water
price days return order delivery garden Q: A: Text: Label: Input: Output: I don't know Answer with few words passages
red green blue yellow black white north south east west one two three four five six seven eight nine ten"""
CONTEXT = 1024  # tokens
# PEFT 0.21 asks transformers 5 for something by its old name. For the `pytestmark` of tests that tune.
OLD_NAME = pytest.mark.filterwarnings("ignore:.is_gradient_checkpointing. is deprecated")


@dataclass(frozen=True, slots=True)
class Tiny:
    """Where the models lie.

    llama: with a chat template, of the default model's architecture; neox: another, without one; qwen: a third; gemma:
    one whose rows cannot be packed, since its attention and its logits have soft caps; wide: llama with rows of 64
    weights and more and heads of 32, which other libraries need; gemmalike: llama whose template refuses a system
    message; bert: an embedder.
    """

    llama: Path
    neox: Path
    qwen: Path
    gemma: Path
    wide: Path
    gemmalike: Path
    bert: Path


def build(folder: Path) -> Tiny:
    """Makes all models in a folder."""
    import torch
    from tokenizers.processors import TemplateProcessing
    from transformers import (
        BertConfig,
        BertModel,
        Gemma2Config,
        Gemma2ForCausalLM,
        GPTNeoXConfig,
        GPTNeoXForCausalLM,
        LlamaConfig,
        LlamaForCausalLM,
        Qwen3Config,
        Qwen3ForCausalLM,
    )

    torch.manual_seed(7)
    tiny = Tiny(*(folder / name for name in ("llama", "neox", "qwen", "gemma", "wide", "gemmalike", "bert")))
    small = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2}
    tokenizer = _tokenizer()
    ids = {"eos_token_id": tokenizer.eos_token_id, "bos_token_id": None, "pad_token_id": None}
    general: dict[str, Any] = {"vocab_size": len(tokenizer), "max_position_embeddings": CONTEXT, **small}
    llama = spread(LlamaForCausalLM(LlamaConfig(**general, **ids, num_key_value_heads=1)))
    neox = spread(GPTNeoXForCausalLM(GPTNeoXConfig(**general, **ids)))
    padded = _tokenizer(pad="<|pad|>")
    bert = BertModel(BertConfig(**general, pad_token_id=padded.pad_token_id))
    # New models come after the old ones, whose random weights would be others else.
    few: dict[str, Any] = {"num_key_value_heads": 1, "head_dim": 16}
    caps: dict[str, Any] = {"attn_logit_softcapping": 2.0, "final_logit_softcapping": 20.0}  # low: they tell
    larger = {**general, "hidden_size": 64, "intermediate_size": 128}
    wide = spread(LlamaForCausalLM(LlamaConfig(**larger, **ids, num_key_value_heads=1)))
    qwen = spread(Qwen3ForCausalLM(Qwen3Config(**general, **ids, **few)))
    gemma = spread(Gemma2ForCausalLM(Gemma2Config(**general, **ids, **few, **caps)))
    for model, place, template in (
        (llama, tiny.llama, CHAT),
        (wide, tiny.wide, CHAT),
        (llama, tiny.gemmalike, NO_SYSTEM),
    ):
        model.save_pretrained(place)
        tokenizer.chat_template = template
        tokenizer.save_pretrained(place)
    for model, place in ((neox, tiny.neox), (qwen, tiny.qwen), (gemma, tiny.gemma), (bert, tiny.bert)):
        model.save_pretrained(place)
    for place in (tiny.neox, tiny.qwen, tiny.gemma):
        padded.save_pretrained(place)
    end = ("<|end|>", padded.eos_token_id)  # as BERT's, so that even an empty text is a token
    padded.backend_tokenizer.post_processor = TemplateProcessing(single="$A <|end|>", special_tokens=[end])
    padded.save_pretrained(tiny.bert)
    return tiny


def _tokenizer(pad: str | None = None) -> Any:
    """A byte-level BPE, trained on a few hundred words."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    words = WORDS.split()
    rng = random.Random(1)
    bpe = Tokenizer(models.BPE())
    bpe.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    bpe.decoder = decoders.ByteLevel()
    special = ["<|end|>", "<|pad|>", "<|system|>", "<|user|>", "<|assistant|>"]
    trainer = trainers.BpeTrainer(
        vocab_size=480,
        special_tokens=special,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    bpe.train_from_iterator([" ".join(rng.choices(words, k=12)) + "\n" for _ in range(60)], trainer)
    fast: Any = PreTrainedTokenizerFast
    return fast(tokenizer_object=bpe, eos_token="<|end|>", pad_token=pad)


def spread(model: Any) -> Any:
    """The model with larger weights than a fresh one has: its answers depend on all of the prompt, none are level."""
    import torch

    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if parameter.dim() == 2:
                parameter.mul_(25 if "lm_head" in name else 8 if "embed" in name else 5)
    return model


def advised(model: Path, folder: Path) -> Path:
    """A copy of a model whose makers advise sampling, with a penalty on words that come again, and another end."""
    shutil.copytree(model, folder)
    advice = {"do_sample": True, "temperature": 2.0, "top_k": 40, "repetition_penalty": 5.0, "eos_token_id": 1}
    advice |= {"no_repeat_ngram_size": 1, "min_new_tokens": 3}
    (folder / "generation_config.json").write_text(json.dumps(advice))
    return folder


def adapter(model: Path, folder: Path, seed: int, std: float = 0.3) -> Path:
    """An adapter of a model with random weights, spread by `std`: it says something of its own."""
    import torch
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM

    torch.manual_seed(seed)
    base = AutoModelForCausalLM.from_pretrained(model, dtype=torch.float32)
    tuned = get_peft_model(base, LoraConfig(r=4, lora_alpha=16, target_modules="all-linear", task_type="CAUSAL_LM"))
    with torch.no_grad():
        for name, parameter in tuned.named_parameters():
            if "lora_B" in name:
                parameter.normal_(std=std)
    tuned.save_pretrained(str(folder))
    return folder


def project(folder: Path, tiny: Tiny, model: Path | str | None = None, more: str = "") -> Path:
    """The groundtune.toml of a small project on tiny models: a dozen documents, 36 questions, a run of seconds."""
    docs = folder / "docs"
    docs.mkdir(parents=True)
    colours, places = ("red", "green", "blue", "yellow", "black", "white"), ("north", "south", "east", "west")
    rows = []
    for number in range(12):
        name = f"{colours[number % 6]} {'lamp' if number < 6 else 'pump'}"
        price, days, place = number + 11, number % 7 + 2, places[number % 4]
        text = (
            f"The {name} costs {price} coins.\n\nIt is delivered in {days} days.\n\nIt stands in the {place} garden.\n"
        )
        (docs / f"{name.replace(' ', '-')}.md").write_text(f"# The {name}\n\n{text}")
        for question, answer, quote in (
            (f"What does the {name} cost?", f"{price} coins", f"costs {price} coins"),
            (f"How long is the delivery of the {name}?", f"{days} days", f"delivered in {days} days"),
            (f"In which garden is the {name} standing?", place, f"stands in the {place} garden"),
        ):
            evidence = [{"document": f"{name.replace(' ', '-')}.md", "quote": quote}]
            rows.append({"question": question, "answers": [answer], "evidence": evidence})
    (folder / "questions.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    config = folder / "groundtune.toml"
    config.write_text(settings(tiny, model) + more)
    return config


def settings(tiny: Tiny, model: Path | str | None = None, sources: bool = True) -> str:
    """The groundtune.toml of `project`."""
    source = '[[sources]]\nkind = "folder"\npath = "docs"\n' if sources else ""
    return f"""{source}
[model]
name = "{model or tiny.llama}"
threads = 1
[embedder]
name = "{tiny.bert}"
[examples]
path = "questions.jsonl"
[prompt]
candidates_on = 4
max_tokens = 6
[measure]
latency_on = 3
[tune]
minutes = 0.5
epochs = 1
rank = 2
"""
