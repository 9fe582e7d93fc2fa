"""The model without weights."""

from pathlib import Path

import pytest

from groundtune.config import ModelTable
from groundtune.errors import UserError
from groundtune.models import load_backend
from groundtune.types import Limits, Message, Prompt


def test_it_says_the_last_line_again_within_the_limits() -> None:
    generator = load_backend(ModelTable(name="echo")).generator()
    prompt = Prompt((Message("system", "be brief"), Message("user", "one passage\n\nQ: what is red?")))

    [said] = generator.generate([prompt], Limits(3))

    assert (said.text, said.prompt_tokens, said.completion_tokens) == ("Q: what is", 8, 3)
    assert "".join(generator.stream(prompt, Limits(3))) == "Q: what is"


def test_of_choices_it_says_the_first() -> None:
    prompt = Prompt((Message("user", "which?"),), choices=("north", "south"))

    assert load_backend(ModelTable(name="echo")).generator().generate([prompt], Limits())[0].text == "north"


def test_it_cannot_be_tuned(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="cannot be tuned"):
        load_backend(ModelTable(name="echo")).generator(tmp_path)
