"""An embedder's weights as an ONNX graph from token ids to unit vectors, so that no query has to wait for torch.

The export is our own even where a model's authors give one: so it is the same for all, pooling included. It is checked
against torch before it is kept.
"""

from __future__ import annotations

import hashlib
import json
import warnings
from pathlib import Path
from typing import Any

from groundtune.errors import UserError
from groundtune.models.cache import made_once
from groundtune.models.weights import cache_folder
from groundtune.workspace import remove

VERSION = 1  # of what is kept; another number makes every export anew
GRAPH, TOKENIZER = "model.onnx", "tokenizer.json"
# What of a folder decides its vectors.
FILES = (
    *("*.safetensors", "*config.json", "*/config.json", "modules.json"),
    *("tokenizer*", "vocab.*", "merges.txt", "*.model"),
)
POOLING = "1_Pooling/config.json"
MOST_TOKENS = 2048  # far more than a passage has; the memory of attention grows with its square
TOLERANCE = 1e-4


def local_folder(weights: str, name: str) -> Path:
    """The folder with the files of `find_weights`, fetched from the hub where they are not here.

    name: as in the config, for messages. Raises UserError where the hub does not give them.
    """
    if Path(weights).is_dir():
        return Path(weights)
    from huggingface_hub import snapshot_download

    try:
        return Path(snapshot_download(weights, allow_patterns=list(FILES)))
    except (OSError, ValueError) as error:
        raise UserError(
            f"{_where(name)}: cannot be fetched ({error})", "or give a Hugging Face model folder"
        ) from error


def fingerprint(folder: Path) -> str:
    """12 hex digits of a sha256 over everything in a folder that its vectors depend on."""
    whole = hashlib.sha256()
    for path in sorted({path for pattern in FILES for path in folder.glob(pattern) if path.is_file()}):
        with path.open("rb") as file:
            whole.update(f"{path.relative_to(folder)} {hashlib.file_digest(file, 'sha256').hexdigest()}\n".encode())
    return whole.hexdigest()[:12]


def exported(folder: Path, name: str, mark: str) -> Path:
    """The folder of the cache with an embedder's graph and its tokenizer, made at the first call.

    mark: the folder's fingerprint. Raises UserError where the weights are damaged, have a part that is unknown here, or
    cannot be exported.
    """
    return made_once(cache_folder(), f"embedders/{mark}-{VERSION}", lambda target: _export(folder, name, target))


def _export(folder: Path, name: str, target: Path) -> None:
    tokenizer, encoder, longest = encoder_of(folder, name)
    backend = tokenizer.backend_tokenizer
    backend.enable_truncation(longest)
    backend.enable_padding(pad_id=tokenizer.pad_token_id or 0)
    target.mkdir()
    backend.save(str(target / TOKENIZER))
    try:
        _write_graph(encoder, longest, target)
    except OSError:
        raise  # a full disk says so itself
    except Exception as error:  # (whatever a model's own code raises)
        raise UserError(
            f"{_where(name)}: cannot be exported to ONNX ({type(error).__name__}: {error})",
            "choose another encoder, for example all-minilm-l6-v2",
        ) from error


def encoder_of(folder: Path, name: str) -> tuple[Any, Any, int]:
    """A folder's encoder in torch: its tokenizer; a module from token ids and their mask to unit vectors, whose `model`
    is the transformer; and how many tokens it reads.

    Raises UserError where the weights are damaged or have a part that is unknown here.
    """
    pooling = _pooling(folder, name)
    tokenizer, model = _load(folder, name)
    longest = min(_longest(folder, tokenizer, name), getattr(model.config, "max_position_embeddings", MOST_TOKENS))
    return tokenizer, _encoder(model, pooling), longest


def _load(folder: Path, name: str) -> tuple[Any, Any]:
    import torch
    from safetensors import SafetensorError
    from transformers import AutoModel, AutoTokenizer
    from transformers.utils import logging

    logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    try:
        tokenizer = AutoTokenizer.from_pretrained(folder)
        model, seen = AutoModel.from_pretrained(
            folder,
            dtype=torch.float32,
            use_safetensors=True,
            attn_implementation="eager",  # a smaller graph than that of fused attention, and 10 % faster
            output_loading_info=True,
        )
    except (OSError, ValueError, RuntimeError, SafetensorError) as error:
        raise UserError(f"{_where(name)}: cannot be loaded ({error})") from error
    if missing := sorted(key for key in seen["missing_keys"] if "pooler" not in key):
        raise UserError(f"{_where(name)}: cannot be loaded (no weights for {missing[0]})")
    if not hasattr(tokenizer, "backend_tokenizer"):
        raise UserError(f"{_where(name)}: its tokenizer has no fast form (tokenizer.json)")
    return tokenizer, model.eval()


def _pooling(folder: Path, name: str) -> str:
    """How token vectors become one: "mean" or "cls", by the settings that sentence-transformers writes."""
    modules = _read(folder / "modules.json", name) or []
    for kind in (module["type"].rpartition(".")[2] for module in modules):
        if kind not in ("Transformer", "Pooling", "Normalize"):
            raise UserError(f"{_where(name)}: has a module that is unknown here: {kind}")
    settings = _read(folder / POOLING, name) or {}
    old = {"pooling_mode_mean_tokens": "mean", "pooling_mode_cls_token": "cls"}
    modes = [settings["pooling_mode"]] if "pooling_mode" in settings else []
    modes += [old.get(key, key) for key, value in settings.items() if key.startswith("pooling_mode_") and value is True]
    if modes not in ([], ["mean"], ["cls"]):
        raise UserError(f"{_where(name)}: {POOLING} has {modes}; known here: mean, cls")
    return modes[0] if modes else "mean"


def _longest(folder: Path, tokenizer: Any, name: str) -> int:
    """How many tokens of a text are read, by the same settings."""
    settings = _read(folder / "sentence_bert_config.json", name) or {}
    if settings.get("do_lower_case"):
        raise UserError(f"{_where(name)}: do_lower_case in sentence_bert_config.json is unknown here")
    return min(int(settings.get("max_seq_length") or tokenizer.model_max_length), MOST_TOKENS)


def _read(path: Path, name: str) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else None
    except ValueError as error:
        raise UserError(f"{_where(name)}: cannot be loaded ({path}: {error})") from error


def _encoder(model: Any, pooling: str) -> Any:
    """The model with its pooling, scaled to length 1: (texts, tokens) in, (texts, dimensions) out."""
    import torch

    class Encoder(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.model = model

        def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
            states = self.model(input_ids=input_ids, attention_mask=attention_mask).last_hidden_state
            mask = attention_mask.unsqueeze(-1).to(states.dtype)
            pooled = states[:, 0] if pooling == "cls" else (states * mask).sum(1) / mask.sum(1)
            return torch.nn.functional.normalize(pooled, dim=1)

    return Encoder().eval()  # of the wrapper too, or dropout stays on


def _write_graph(encoder: Any, longest: int, target: Path) -> None:
    """Writes the graph, optimised, and raises ValueError where it does not say what torch says."""
    import onnxruntime  # type: ignore[import-untyped]
    import torch

    raw = target / "raw"
    raw.mkdir()
    axes = {0: "texts", 1: "tokens"}
    with warnings.catch_warnings(), torch.inference_mode():
        # Of the two exporters the older: 1 s where the newer takes 5 s and two more packages; it knows more encoders.
        warnings.simplefilter("ignore")
        torch.onnx.export(
            encoder,
            _sample(2, min(8, longest)),
            str(raw / GRAPH),
            dynamo=False,
            opset_version=17,
            input_names=["input_ids", "attention_mask"],
            output_names=["vectors"],
            dynamic_axes={"input_ids": axes, "attention_mask": axes, "vectors": {0: "texts"}},
        )
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_EXTENDED
    options.optimized_model_filepath = str(target / GRAPH)
    # Weights in a file of their own are mapped into memory: loading takes a quarter of the time.
    options.add_session_config_entry("session.optimized_model_external_initializers_file_name", "weights")
    onnxruntime.InferenceSession(raw / GRAPH, options, providers=["CPUExecutionProvider"])
    remove(raw)
    session = open_graph(target)
    for texts, tokens in ((1, 1), (3, 5), (1, longest)):
        inputs = _sample(texts, min(tokens, longest))
        with torch.inference_mode():
            right = encoder(*inputs).numpy()
        [seen] = session.run(None, {"input_ids": inputs[0].numpy(), "attention_mask": inputs[1].numpy()})
        if not abs(seen - right).max() < TOLERANCE:
            raise ValueError(f"the graph's vectors for {texts} texts of {tokens} tokens are not torch's")


def _sample(texts: int, tokens: int) -> tuple[Any, Any]:
    """Token ids with their mask; every text but the first is shorter, and padded."""
    import torch

    ids = torch.arange(texts * tokens).reshape(texts, tokens) % 90 + 5
    mask = torch.ones_like(ids)
    mask[1:, tokens // 2 + 1 :] = 0
    return ids, mask


def open_graph(folder: Path) -> Any:
    """The session of an exported graph. It computes in the thread that calls it."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL  # it is optimised
    return onnxruntime.InferenceSession(folder / GRAPH, options, providers=["CPUExecutionProvider"])


def _where(name: str) -> str:
    return f"[embedder] name = {name!r}"
