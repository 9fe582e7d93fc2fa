"""What ships in the box and what a user brings come through one door, and a wrong option says what is valid."""

from pathlib import Path
from typing import Any

import pytest

from groundtune import plug
from groundtune.errors import UserError

OWN = """
from typing import Annotated
from pydantic import Field

class Made:
    def __init__(self, base, **options):
        self.base, self.options = base, options

def create(base, *, name: str, size: Annotated[int, Field(ge=1)] = 3, tags: tuple[str, ...] = ()):
    return Made(base, name=name, size=size, tags=tags)

def untyped(base, *, anything=None):
    return Made(base, anything=anything)

not_a_factory = 3
"""


@pytest.fixture(autouse=True)
def own_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A module `own_parts`, as a user would write it."""
    (tmp_path / "own_parts.py").write_text(OWN)
    (tmp_path / "own_broken.py").write_text("import no_such_package")
    monkeypatch.syspath_prepend(tmp_path)


def made(kind: str = "own_parts:create", **options: Any) -> Any:
    return plug.make("sources", kind, options, "base", where="[[sources]] number 1")


def test_the_kinds_of_a_folder_are_its_files() -> None:
    assert plug.kinds("sources") == sorted(
        file.stem for file in Path(plug.__file__).parent.glob("sources/*.py") if not file.stem.startswith("_")
    )


def test_a_kind_of_ones_own_gets_its_arguments_and_checked_options() -> None:
    one = made(name="x", tags=["a", "b"])
    assert (one.base, one.options) == ("base", {"name": "x", "size": 3, "tags": ("a", "b")})
    assert made("own_parts:untyped", anything=object).options == {"anything": object}


@pytest.mark.parametrize(
    ("kind", "options", "message"),
    [
        ("own_parts:create", {}, "name is missing; kind = 'own_parts:create' needs it"),
        (
            "own_parts:create",
            {"name": "x", "sice": 3},
            "sice is unknown for kind = 'own_parts:create'; one of: name, size",
        ),
        ("own_parts:create", {"name": "x", "size": "many"}, "size = 'many': "),
        ("own_parts:create", {"name": "x", "size": 0}, "size = 0: "),
        ("own_parts:create", {"name": 3}, "name = 3: "),
        ("own_parts:missing", {}, "kind = 'own_parts:missing': "),
        ("own_parts:not_a_factory", {}, "kind = 'own_parts:not_a_factory': "),
        ("no_such_module:create", {}, "kind = 'no_such_module:create': No module named 'no_such_module'"),
        ("own_broken:create", {}, "kind = 'own_broken:create': No module named 'no_such_package'"),
        (":create", {}, "kind = ':create': "),
        ("foldr", {}, "kind = 'foldr' is unknown; one of: folder"),
        ("_private", {}, "kind = '_private' is unknown"),
    ],
)
def test_a_wrong_kind_or_option_names_the_table_the_key_and_the_value(
    kind: str, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(UserError) as error:
        made(kind, **options)
    assert error.value.message.startswith("[[sources]] number 1 " + message)
