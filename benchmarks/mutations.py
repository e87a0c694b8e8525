"""Small faults in a source text: what a test suite should notice. Standard library only."""

from __future__ import annotations

import ast
import random
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

COMPARISONS = {
    ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt, ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq, ast.Is: ast.IsNot, ast.IsNot: ast.Is, ast.In: ast.NotIn, ast.NotIn: ast.In,
}  # fmt: skip
ARITHMETIC = {
    ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Div, ast.Div: ast.Mult,
    ast.FloorDiv: ast.Mult, ast.Mod: ast.Mult, ast.Pow: ast.Mult, ast.MatMult: ast.Add,
    ast.BitAnd: ast.BitOr, ast.BitOr: ast.BitAnd,
}  # fmt: skip
LOGIC = {ast.And: ast.Or, ast.Or: ast.And}
REMOVED = (ast.Expr, ast.AugAssign, ast.Raise, ast.Delete)  # names stay bound without these


@dataclass(frozen=True)
class Mutation:
    """One fault.

    Attributes:
        file: relative to the project.
        line, column: where the replaced text begins, from 1 and 0.
        end_line, end_column: where it ends.
        kind: comparison, constant, logic, arithmetic or statement.
        text: what stands there instead.
    """

    file: str
    line: int
    column: int
    end_line: int
    end_column: int
    kind: str
    text: str

    @property
    def name(self) -> str:
        """Tells it from all others."""
        return f"{self.file}:{self.line}:{self.column} {self.kind} {self.text}"

    def applied(self, source: str) -> str:
        """The source text with the fault in it."""
        lines = source.splitlines(keepends=True)
        head = "".join(lines[: self.line - 1]) + lines[self.line - 1][: self.column]
        tail = lines[self.end_line - 1][self.end_column :] + "".join(lines[self.end_line :])
        return head + self.text + tail


def drawn(project: Path, folders: list[str], *, number: int, seed: int) -> list[Mutation]:
    """So many mutations of the files in `folders`: each time a kind, then one of that kind."""
    files = sorted(path for name in folders for path in (project / name).rglob("*.py"))
    by_kind = defaultdict(list)
    for path in files:
        for mutation in mutations(path.read_text(), path.relative_to(project).as_posix()):
            by_kind[mutation.kind].append(mutation)
    generator, chosen = random.Random(seed), []
    while len(chosen) < number and any(by_kind.values()):
        kind = generator.choice(sorted(kind for kind, found in by_kind.items() if found))
        chosen.append(by_kind[kind].pop(generator.randrange(len(by_kind[kind]))))
    return chosen


def mutations(source: str, file: str) -> Iterator[Mutation]:
    """All faults that a source text can be given; annotations, texts and docstrings have none."""
    for node in _computing(ast.parse(source)):
        for kind, changed in _faults(node):
            text = "pass" if changed is None else ast.unparse(changed)
            if isinstance(changed, ast.expr) and not isinstance(changed, ast.Constant):
                text = f"({text})"
            place = (node.lineno, node.col_offset, node.end_lineno, node.end_col_offset)
            yield Mutation(file, *place, kind, text)


def _computing(node: ast.AST) -> Iterator[ast.AST]:
    """The nodes below one, but for annotations, and f-strings, of which Python tells no place."""
    for field, value in ast.iter_fields(node):
        if field in ("annotation", "returns"):
            continue
        for child in value if isinstance(value, list) else [value]:
            if isinstance(child, ast.AST) and not isinstance(child, ast.JoinedStr):
                yield child
                yield from _computing(child)


def _faults(node: ast.AST) -> Iterator[tuple[str, ast.AST | None]]:
    if isinstance(node, ast.Compare) and type(node.ops[0]) in COMPARISONS:
        ops = [COMPARISONS[type(node.ops[0])](), *node.ops[1:]]
        yield "comparison", ast.Compare(node.left, ops, node.comparators)
    elif isinstance(node, ast.BoolOp):
        yield "logic", ast.BoolOp(LOGIC[type(node.op)](), node.values)
    elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
        yield "logic", node.operand
    elif isinstance(node, ast.BinOp) and type(node.op) in ARITHMETIC:
        if not _is_format(node):
            yield "arithmetic", ast.BinOp(node.left, ARITHMETIC[type(node.op)](), node.right)
    elif isinstance(node, ast.Constant) and isinstance(node.value, bool):
        yield "constant", ast.Constant(not node.value)
    elif isinstance(node, ast.Constant) and isinstance(node.value, int | float):
        yield "constant", ast.Constant(node.value + 1)
        yield "constant", ast.Constant(node.value - 1)
    elif isinstance(node, REMOVED) and not _is_text(node):
        yield "statement", None


def _is_format(node: ast.BinOp) -> bool:
    """Whether a text is put together: `"..." % x` and the like."""
    texts = (ast.JoinedStr, ast.Constant)
    return isinstance(node.left, texts) and isinstance(getattr(node.left, "value", ""), str)


def _is_text(node: ast.AST) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
