"""Who may import whom, and how large things may grow."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
HEAVY = {
    "PIL", "accelerate", "av", "datasets", "hydra", "numpy", "omegaconf", "openai", "pandas",
    "pyarrow", "ray", "rich", "scipy", "torch", "torchvision", "transformers", "vllm", "yaml",
}  # fmt: skip
LEAVES = ("evalkit.errors", "evalkit.types", "evalkit._version")
RESULTS = (
    "store", "stats", "table", "cells", "compare", "explain", "gate", "published", "items",
    "settings", "results", "baseline", "contributions", "explain_text", "grids", "gates",
)  # fmt: skip


def modules() -> Iterator[tuple[str, Path]]:
    """Yield our modules by their installed names."""
    for folder, name in (("evalkit", "evalkit"), ("tasks", "evalkit_tasks")):
        for path in sorted((ROOT / folder).rglob("*.py")):
            parts = path.relative_to(ROOT / folder).with_suffix("").parts
            dotted = ".".join((name, *parts))
            yield dotted.removesuffix(".__init__"), path


MODULES = dict(modules())


def imports(path: Path, *, top_only: bool) -> set[str]:
    """Return what a module imports: at its top only, or inside functions too."""
    tree = ast.parse(path.read_text("utf-8"))
    found: set[str] = set()
    for node in tree.body if top_only else ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {f"{node.module}.{a.name}" for a in node.names} | {node.module}
    return found


def ours(path: Path, *, top_only: bool = False) -> set[str]:
    """Return which of our modules a module imports."""
    return {name for name in imports(path, top_only=top_only) if name in MODULES}


def under(name: str, *packages: str) -> bool:
    """Whether a module is one of the packages or inside one."""
    return any(name == package or name.startswith(package + ".") for package in packages)


def allowed(name: str) -> tuple[str, ...] | None:
    """Return the only packages that a module may import from, or ``None`` where that is open."""
    if name in LEAVES:
        return LEAVES
    if under(name, "evalkit.metrics"):
        return (*LEAVES, "evalkit.metrics")
    if name == "evalkit.task":
        return (*LEAVES, "evalkit.metrics")
    if under(name, "evalkit_tasks"):
        return ("evalkit.task", *LEAVES, "evalkit.metrics")
    if under(name, "evalkit.stats"):
        return (*LEAVES, "evalkit.stats")
    return None


@pytest.mark.parametrize("name", MODULES)
def test_layers(name: str) -> None:
    found = ours(MODULES[name])
    if (only := allowed(name)) is not None:
        assert not {other for other in found if not under(other, *only)}
    if under(name, "evalkit.backends"):
        assert not {o for o in found if under(o, "evalkit.metrics", "evalkit.task")}
    if under(name, *(f"evalkit.{room}" for room in RESULTS)):
        assert not {o for o in found if under(o, "evalkit.backends", "evalkit.engines")}
    if name not in ("evalkit.cli", "evalkit.__main__"):
        assert "evalkit.cli" not in found
    assert not {o for o in found if under(o, "evalkit_tasks")}, "a card names a task's class"


# Whoever trains needs torch at once, and nothing else imports it.
LIGHT = [name for name in MODULES if not under(name, "evalkit.canary.training")]


def test_nothing_needs_what_trains_the_canary() -> None:
    room = "evalkit.canary.training"
    for name in LIGHT:
        assert not {other for other in ours(MODULES[name]) if under(other, room)}, name


@pytest.mark.parametrize("name", LIGHT)
def test_heavy_libraries_are_imported_where_they_are_used(name: str) -> None:
    assert not {lib.partition(".")[0] for lib in imports(MODULES[name], top_only=True)} & HEAVY


def test_no_import_cycle() -> None:
    edges = {name: ours(path, top_only=True) - {name} for name, path in MODULES.items()}
    done: set[str] = set()

    def visit(name: str, above: tuple[str, ...]) -> None:
        assert name not in above, " -> ".join((*above, name))
        if name not in done:
            for other in sorted(edges[name]):
                # A package's __init__ names what its modules offer; they do not depend on it.
                if not under(name, other):
                    visit(other, (*above, name))
            done.add(name)

    for name in MODULES:
        visit(name, ())


@pytest.mark.parametrize("name", MODULES)
def test_sizes(name: str) -> None:
    path = MODULES[name]
    lines = len(path.read_text("utf-8").splitlines())
    assert lines <= (90 if under(name, "evalkit_tasks") else 300), f"{path} has {lines} lines"
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            size = (node.end_lineno or node.lineno) - node.lineno + 1
            assert size <= 40, f"{path}: {node.name} has {size} lines"


@pytest.mark.parametrize("path", sorted((ROOT / "conf").rglob("*.yaml")), ids=lambda p: p.stem)
def test_card_sizes(path: Path) -> None:
    assert len(path.read_text("utf-8").splitlines()) <= 80


def test_the_rules_can_fail() -> None:
    assert under("evalkit.stats.intervals", "evalkit.stats")
    assert not under("evalkit.statistics", "evalkit.stats")
    assert "evalkit.cli" in ours(MODULES["evalkit.__main__"])
    assert len(MODULES) > 30
