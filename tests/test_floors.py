"""The house stands: a module imports only from floors below its own, and nothing heavy loads before it is needed."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import groundtune

ROOT = Path(groundtune.__file__).parent
FILES = sorted(file for file in ROOT.rglob("*.py") if file.parent != ROOT or not file.stem.startswith("__"))

# docs/architecture.md shows these floors. A folder is one module here: files inside one may import each other.
FLOORS = [
    {"types", "errors"},
    {"config", "plug", "workspace", "execute", "prompts", "progress", "times", "tokens", "kernels", "four_bits"}
    | {"attention", "heap"},
    {"sources", "parse", "index", "retrieve", "models", "examples", "tune", "metrics", "stats", "demo"}
    | {"general", "calibration"},
    {"approach", "cases"},
    {"measure", "decide", "report", "export", "project", "start", "doctor", "synthesis"},
    {"stages"},
    {"searching", "watching"},
    {"serve", "asking"},
    {"cli"},
]
FLOOR = {module: number for number, modules in enumerate(FLOORS) for module in modules}

HEAVY = {"torch", "transformers", "peft", "matplotlib", "pyarrow", "ray", "trl"}
MAY_BE_HEAVY = ("tune/", "models/hf")  # files that are themselves imported only where they are needed
LIGHT = [file for file in FILES if not str(file.relative_to(ROOT)).startswith(MAY_BE_HEAVY)]
SLOW_TO_START = HEAVY | {"numpy", "scipy"}


def module_of(file: Path) -> str:
    """The module that a file belongs to: its folder below groundtune, or itself."""
    first = file.relative_to(ROOT).parts[0]
    return first.removesuffix(".py")


def imports(tree: ast.AST, file: Path) -> Iterator[str]:
    """The full name of everything that is imported anywhere in a tree, in functions and for type checking too."""
    package = ["groundtune", *file.relative_to(ROOT).parts[:-1]]
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package[: len(package) - node.level + 1] if node.level else []
            base = ".".join([*above, *([node.module] if node.module else [])])
            yield from (f"{base}.{alias.name}" for alias in node.names)


def at_top(tree: ast.Module) -> ast.Module:
    """What runs when a module is imported: without the bodies of functions and what is only for type checking."""

    class Pruned(ast.NodeTransformer):
        def visit_FunctionDef(self, node: ast.FunctionDef) -> None:
            return None

        def visit_AsyncFunctionDef(self, node: ast.AsyncFunctionDef) -> None:
            return None

        def visit_If(self, node: ast.If) -> ast.AST | list[ast.stmt]:
            return node.orelse if "TYPE_CHECKING" in ast.unparse(node.test) else self.generic_visit(node)

    pruned = Pruned().visit(tree)
    assert isinstance(pruned, ast.Module)
    return pruned


def our_modules(file: Path) -> set[str]:
    """The modules of ours that a file imports."""
    names = imports(ast.parse(file.read_text(encoding="utf-8")), file)
    return {name.split(".")[1] for name in names if name.split(".")[0] == "groundtune" and "." in name}


def test_every_module_has_a_floor() -> None:
    assert {module_of(file) for file in FILES} <= FLOOR.keys()


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(ROOT)))
def test_a_module_imports_only_from_floors_below_its_own(file: Path) -> None:
    module = module_of(file)
    too_high = {other for other in our_modules(file) - {module} if FLOOR.get(other, 0) >= FLOOR[module]}
    assert not too_high, f"{module} is on floor {FLOOR[module]}; {too_high} is not below it"


@pytest.mark.parametrize("file", LIGHT, ids=lambda file: str(file.relative_to(ROOT)))
def test_a_heavy_library_is_imported_where_it_is_needed(file: Path) -> None:
    found = {name.split(".")[0] for name in imports(at_top(ast.parse(file.read_text(encoding="utf-8"))), file)}
    assert not found & HEAVY


def test_the_command_starts_without_anything_heavy() -> None:
    if not (ROOT / "cli.py").exists():
        pytest.skip("there is no command line yet")
    program = "import sys, groundtune.cli; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout.split()
    assert not SLOW_TO_START & set(loaded)


# ---------------------------------------------------------------- the test itself is tested


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("import groundtune.serve", "groundtune.serve"),
        ("from groundtune import serve", "groundtune.serve"),
        ("from groundtune.serve.app import x", "groundtune.serve.app.x"),
        ("from .. import serve", "groundtune.serve"),
        ("from ..serve import x", "groundtune.serve.x"),
        ("from .store import x", "groundtune.index.store.x"),
        ("def f():\n    import groundtune.serve as s", "groundtune.serve"),
        ("if TYPE_CHECKING:\n    from groundtune.serve import x", "groundtune.serve.x"),
    ],
)
def test_an_import_is_seen_however_it_is_written(source: str, expected: str) -> None:
    assert list(imports(ast.parse(source), ROOT / "index" / "any.py")) == [expected]


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("import torch", ["torch"]),
        ("class A:\n    import torch", ["torch"]),
        ("try:\n    import torch\nexcept ImportError:\n    pass", ["torch"]),
        ("if sys.platform:\n    import torch", ["torch"]),
        ("def f():\n    import torch", []),
        ("class A:\n    async def f(self):\n        import torch", []),
        ("if TYPE_CHECKING:\n    import torch", []),
    ],
)
def test_an_import_is_at_the_top_if_it_runs_with_the_module(source: str, expected: list[str]) -> None:
    assert list(imports(at_top(ast.parse(source)), ROOT / "any.py")) == expected
