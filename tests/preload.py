"""Everything heavy, imported once for all processes of tests/processes.py."""

import peft  # noqa: F401
import torch
import transformers  # noqa: F401
from transformers import AutoModelForCausalLM, AutoTokenizer, BertModel, LlamaForCausalLM  # noqa: F401

torch.set_num_threads(1)
