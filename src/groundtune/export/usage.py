"""How an export is asked, told in its card: the prompt to the letter, and how to run it."""

from __future__ import annotations

import json

from groundtune.export import Format
from groundtune.export.modelfile import plain_text
from groundtune.export.origin import Origin
from groundtune.models.weights import BUNDLED


def usage(origin: Origin, form: Format) -> str:
    """The section's Markdown."""
    how = _ollama(origin) if form == "gguf" else _python(origin, form)
    return f"{_prompt(origin)}\n\n{how}"


def _prompt(origin: Origin) -> str:
    shown = [f"<passage {number}>" for number in range(1, origin.k + 1)]
    text = plain_text(origin.template, "<question>", *shown)
    stops = " or ".join(f"`{json.dumps(stop)}`" for stop in origin.limits.stop)
    told = (
        f"It is asked with plain text, no chat template, and goes on from there:\n\n```\n{text}\n```\n\n"
        f"The answer ends before {stops}, or after {origin.limits.max_tokens} tokens. It was measured greedily: no "
        "temperature, no penalty on words that come again."
    )
    if origin.k:
        told += (
            f" It was tuned and measured with up to {origin.k} passages of your documents before the question, the "
            "best one last, a blank line between them. A passage is the line `[title > heading]`, then its text; what "
            "it begins with itself is left out of that line. Without passages it is not the model that was measured."
        )
    return told


def _ollama(origin: Origin) -> str:
    name = origin.approach
    passages = {"system": "<passage 2>\n\n<passage 1>"} if origin.k else {}
    asked = json.dumps({"model": name, **passages, "prompt": "<question>", "stream": False})
    into = "The passages are the system's message, the question is the user's; the" if origin.k else "The"
    return (
        f"```\nollama create {name} -f Modelfile\ncurl http://localhost:11434/api/generate -d '{asked}'\n```\n\n"
        f"{into} `Modelfile` makes the prompt above of it. One question a conversation was measured; earlier turns "
        "were not. For llama.cpp itself, give the whole prompt as text."
    )


def _python(origin: Origin, form: Format) -> str:
    prompt = plain_text(origin.template, "How long may I send it back?", *["<passage>"] * bool(origin.k))
    stops = list(origin.limits.stop)
    return f"""```python
{_load(origin, form)}

model.generation_config = GenerationConfig(do_sample=False, eos_token_id={list(origin.ends)})
prompt = {json.dumps(prompt)}
ids = tokenizer(prompt, return_tensors="pt")
said = model.generate(
    **ids,
    max_new_tokens={origin.limits.max_tokens},
    stop_strings={json.dumps(stops)},
    tokenizer=tokenizer,
)
answer = tokenizer.decode(said[0, ids["input_ids"].shape[1] :], skip_special_tokens=True)
print(answer.split({json.dumps(stops[0])})[0].strip())
```"""


def _load(origin: Origin, form: Format) -> str:
    if form == "merged":
        return """from transformers import AutoModelForCausalLM, AutoTokenizer, GenerationConfig

tokenizer = AutoTokenizer.from_pretrained(".")  # this folder
model = AutoModelForCausalLM.from_pretrained(".")"""
    base = json.dumps(origin.hub_name or "the folder of the base model")
    found = ""
    if origin.model in BUNDLED:
        found = "from groundtune.models.weights import find_weights\n"
        base = f'find_weights("{origin.model}", "model")'
    if origin.bits:  # merged, the weights would be rounded to others than were measured
        return f"""{found}import torch
from peft import PeftModel
from transformers import AutoModelForCausalLM, AutoTokenizer, BitsAndBytesConfig, GenerationConfig

base = {base}
tokenizer = AutoTokenizer.from_pretrained(base)
packed = BitsAndBytesConfig(
    load_in_4bit=True,
    bnb_4bit_quant_type="nf4",
    bnb_4bit_use_double_quant=True,
    bnb_4bit_compute_dtype=torch.{origin.dtype},
)
model = AutoModelForCausalLM.from_pretrained(base, dtype=torch.{origin.dtype}, quantization_config=packed)
model = PeftModel.from_pretrained(model, ".")  # this folder"""
    return f"""{found}from peft import PeftModel
from transformers import AutoModelForCausalLM, AutoTokenizer, GenerationConfig

base = {base}
tokenizer = AutoTokenizer.from_pretrained(base)
model = AutoModelForCausalLM.from_pretrained(base, dtype="{origin.dtype}")
model = PeftModel.from_pretrained(model, ".").merge_and_unload()  # this folder"""
