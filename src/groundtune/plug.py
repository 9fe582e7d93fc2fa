"""kind -> factory. A kind is the name of a file in one of our folders, or `package.module:name` of anybody's.

A component's factory is the function `create` of its file. Its positional arguments are what the caller gives it; its
typed keyword-only arguments are its options in the config, and are checked against their types here.
"""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from collections.abc import Callable
from typing import Any, get_type_hints

import pydantic

from groundtune.errors import UserError


def kinds(folder: str) -> list[str]:
    """The kinds that a folder of groundtune holds: its modules that have a factory, e.g. kinds("retrieve")."""
    package = importlib.import_module(f"groundtune.{folder}")
    return sorted(module.name for module in pkgutil.iter_modules(package.__path__) if not module.name.startswith("_"))


def make(folder: str, kind: str, options: dict[str, Any], *arguments: Any, where: str) -> Any:
    """Builds a component.

    folder: "sources", "retrieve"; kind: as in the config; options: its table in the config; arguments: what the factory
    gets besides; where: the table's name for error messages, e.g. "[retrieve]". Raises UserError for an unknown kind,
    an unknown option or a value of the wrong type, and lists the valid ones.
    """
    factory = _find(folder, kind, where)
    schema = options_of(factory)
    for name in options:
        if name not in schema.model_fields:
            listed = ", ".join(schema.model_fields) or "none"
            raise UserError(f"{where} {name} is unknown for kind = {kind!r}; one of: {listed}")
    try:
        checked = schema.model_validate(options)
    except pydantic.ValidationError as error:
        first = error.errors()[0]
        if first["type"] == "missing":
            raise UserError(f"{where} {first['loc'][0]} is missing; kind = {kind!r} needs it") from error
        raise UserError(f"{where} {first['loc'][0]} = {first['input']!r}: {first['msg']}") from error
    return factory(*arguments, **{name: getattr(checked, name) for name in schema.model_fields})


def options_of(factory: Callable[..., Any]) -> type[pydantic.BaseModel]:
    """A factory's options, its typed keyword-only arguments, as a model that checks them."""
    types = get_type_hints(factory, include_extras=True)
    fields = {
        name: (types.get(name, Any), ... if parameter.default is parameter.empty else parameter.default)
        for name, parameter in inspect.signature(factory).parameters.items()
        if parameter.kind is parameter.KEYWORD_ONLY
    }
    return pydantic.create_model("Options", **fields)  # type: ignore[call-overload, no-any-return]


def _find(folder: str, kind: str, where: str) -> Callable[..., Any]:
    if ":" in kind:
        module_name, _, name = kind.partition(":")
    elif kind in kinds(folder):
        module_name, name = f"groundtune.{folder}.{kind}", "create"
    else:
        raise UserError(f"{where} kind = {kind!r} is unknown; one of: {', '.join(kinds(folder))}")
    hint = 'a kind of your own is "package.module:name"'
    if not all(part.isidentifier() for part in module_name.split(".")):
        raise UserError(f"{where} kind = {kind!r}: {module_name!r} is no module's name", hint)
    try:
        factory: Callable[..., Any] = getattr(importlib.import_module(module_name), name)
    except (ImportError, AttributeError) as error:
        raise UserError(f"{where} kind = {kind!r}: {error}", hint) from error
    if not callable(factory):
        raise UserError(f"{where} kind = {kind!r}: {name} is not a function", hint)
    return factory
