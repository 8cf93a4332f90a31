"""Where a result comes from: the code that it depends on, and the commit."""

from __future__ import annotations

import ast
import hashlib
import subprocess
from collections.abc import Iterable
from functools import cache
from pathlib import Path

PACKAGE = Path(__file__).parent
KEEPERS = ("errors", "storage", "checkpoint", "data.files")
"""Modules that keep, read or refuse things and so change no figure: images have hashes of their
own."""


def code_hash(modules: Iterable[str]) -> str:
    """A hash of modules of this package and of all that they import from it, 16 hex digits.

    It is taken of the syntax tree without docstrings: neither a comment nor a line break changes
    it. A package's `__init__` counts only where something is imported from it by name, and
    `KEEPERS` do not count.

    Args:
        modules: dotted names, such as `unlearnable.training`.
    """
    digest = hashlib.sha256()
    for name in sorted(_closure(modules)):
        digest.update(f"{name}\n{_tree(_file(name))}\n".encode())
    return digest.hexdigest()[:16]


@cache
def commit() -> str | None:
    """The commit of the working tree that this package lies in, with a + if it was changed."""
    if not (PACKAGE.parent.parent / ".git").exists():
        return None
    try:
        head = _git("rev-parse", "--short", "HEAD")
        return head + ("+" if _git("status", "--porcelain", "--", str(PACKAGE)) else "")
    except (OSError, subprocess.CalledProcessError):
        return None


def _git(*arguments: str) -> str:
    command = ["git", "-C", str(PACKAGE), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def _closure(modules: Iterable[str]) -> set[str]:
    found: set[str] = set()
    without = {f"{PACKAGE.name}.{name}" for name in KEEPERS}
    waiting = list(modules)
    while waiting:
        name = waiting.pop()
        if name not in found | without:
            found.add(name)
            waiting += _imports(_file(name))
    return found


def _file(module: str) -> Path:
    path = PACKAGE.joinpath(*module.split(".")[1:])
    return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")


@cache
def _imports(file: Path) -> frozenset[str]:
    """The modules of this package that a file imports from."""
    nodes = ast.walk(ast.parse(file.read_text()))
    names = (node.module for node in nodes if isinstance(node, ast.ImportFrom))
    return frozenset(name for name in names if name and name.startswith(f"{PACKAGE.name}."))


@cache
def _tree(file: Path) -> str:
    tree = ast.parse(file.read_text())
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef) and ast.get_docstring(
            node, clean=False
        ):
            node.body = node.body[1:]
    return ast.unparse(_WithoutFStrings().visit(tree))


class _WithoutFStrings(ast.NodeTransformer):
    """Takes f-strings apart: each version of Python writes them with other quotes."""

    def visit_JoinedStr(self, node: ast.JoinedStr) -> ast.expr:
        self.generic_visit(node)
        return ast.Tuple(node.values, ast.Load())

    def visit_FormattedValue(self, node: ast.FormattedValue) -> ast.expr:
        self.generic_visit(node)
        parts = [node.value, ast.Constant(node.conversion), node.format_spec]
        return ast.Tuple([part for part in parts if part is not None], ast.Load())
