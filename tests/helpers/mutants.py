"""Small faults put into functions, one at a time."""

from __future__ import annotations

import ast
import copy
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import CodeType

from cnnviz.results.text import shortened

_COMPARED: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
}
_COMPUTED: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Div,
    ast.Div: ast.Mult,
    ast.FloorDiv: ast.Mult,
    ast.Mod: ast.Mult,
    ast.Pow: ast.Mult,
    ast.BitAnd: ast.BitOr,
    ast.BitOr: ast.BitAnd,
}
_TOLD = (ast.JoinedStr, ast.Raise)
"""What only words a sentence: tests of sentences would be tests of their wording."""

_LONGEST = 90
"""Letters of the code of a fault."""

Place = tuple[str, int]
"""The qualified name of a function, and its first line."""


@dataclass(frozen=True)
class Mutant:
    """One function with one fault in it.

    Attributes
    ----------
    file : Path
        Where the function stands.
    place : Place
        Which it is.
    line : int
        The line of the fault.
    what : str
        The fault in words.
    code : CodeType
        The function with it.
    """

    file: Path
    place: Place
    line: int
    what: str
    code: CodeType


def mutants(file: Path) -> Iterator[Mutant]:
    """Yield every mutant of the functions and methods of a file, in the order of its lines."""
    tree = ast.parse(file.read_text("utf-8"))
    for function in _functions(tree):
        for number in range(_count(function)):
            changed = copy.deepcopy(tree)
            (twin,) = [each for each in _functions(changed) if each.lineno == function.lineno]
            line, what = _apply(twin, number)
            code = compile(ast.fix_missing_locations(changed), str(file), "exec", dont_inherit=True)
            found = _code_of(code, twin)
            yield Mutant(file, (found.co_qualname, found.co_firstlineno), line, what, found)


def _functions(tree: ast.Module) -> Iterator[ast.FunctionDef]:
    """Yield functions and methods; one within another is a part of that."""
    blocks: list[list[ast.stmt]] = [tree.body]
    while blocks:
        for node in blocks.pop(0):
            if isinstance(node, ast.FunctionDef):
                yield node
            elif isinstance(node, ast.ClassDef):
                blocks.append(node.body)


def _code_of(code: CodeType, function: ast.FunctionDef) -> CodeType:
    first = min([function.lineno, *(each.lineno for each in function.decorator_list)])
    inner = [each for each in code.co_consts if isinstance(each, CodeType)]
    for each in inner:
        if each.co_name == function.name and each.co_firstlineno == first:
            return each
    return next(filter(None, (_or_none(each, function) for each in inner)))


def _or_none(code: CodeType, function: ast.FunctionDef) -> CodeType | None:
    try:
        return _code_of(code, function)
    except StopIteration:
        return None


def _count(function: ast.FunctionDef) -> int:
    return sum(1 for _ in _faults(function))


def _apply(function: ast.FunctionDef, number: int) -> tuple[int, str]:
    for place, (node, around, what) in enumerate(_faults(function)):
        if place == number:
            before = _written(node, around)
            _commit(node, what)
            after = _written(node, around)
            told = f"`{before}` becomes `{after}`"
            return node.lineno, f"{before} is left out" if isinstance(node, ast.Expr) else told
    raise AssertionError(f"{function.name} has no fault {number}.")


def _written(node: ast.AST, around: ast.AST) -> str:
    """Return a node as code, on one line; a number with what stands around it."""
    if isinstance(node, ast.If | ast.While):
        node = node.test
    elif isinstance(node, ast.Constant) and isinstance(around, ast.expr | ast.Return | ast.Assign):
        node = around
    return shortened(" ".join(ast.unparse(node).split()), _LONGEST)


def _faults(function: ast.FunctionDef) -> Iterator[tuple[ast.expr | ast.stmt, ast.AST, str]]:
    """Yield what can be changed in a function's body, what it stands in, and how, in words."""
    waiting: list[tuple[ast.AST, ast.AST]] = [(each, function) for each in function.body[::-1]]
    while waiting:
        node, around = waiting.pop()
        if isinstance(node, _TOLD):
            continue
        if isinstance(node, ast.expr | ast.stmt):
            yield from ((node, around, what) for what in _changes(node))
        inner = [
            child
            for name, child in _children(node)
            if name not in ("annotation", "returns", "decorator_list")
        ]
        waiting.extend((each, node) for each in reversed(inner))


def _children(node: ast.AST) -> Iterator[tuple[str, ast.AST]]:
    for name, value in ast.iter_fields(node):
        for child in value if isinstance(value, list) else [value]:
            if isinstance(child, ast.AST):
                yield name, child


def _changes(node: ast.AST) -> Iterator[str]:
    """Yield the words of each change to one node."""
    match node:
        case ast.Compare(ops=[op]) if type(op) in _COMPARED:
            yield f"{type(op).__name__} becomes {_COMPARED[type(op)].__name__}"
        case ast.BinOp(op=op) | ast.AugAssign(op=op) if type(op) in _COMPUTED:
            yield f"{type(op).__name__} becomes {_COMPUTED[type(op)].__name__}"
        case ast.BoolOp(op=op):
            yield "or becomes and" if isinstance(op, ast.Or) else "and becomes or"
        case ast.UnaryOp(op=ast.Not()):
            yield "not is lost"
        case ast.UnaryOp(op=ast.USub()):
            yield "minus is lost"
        case ast.If() | ast.IfExp() | ast.While():
            yield "the condition is turned round"
        case ast.Constant(value=bool()):
            yield "true and false are exchanged"
        case ast.Constant(value=int() | float()):
            yield "the number is one more"
        case ast.Expr(value=ast.Call()):
            yield "the call is left out"
        case ast.Return(value=ast.expr() as value) if not _is_none(value):
            yield "nothing is returned"
        case _:
            pass


def _is_none(value: ast.expr) -> bool:
    return isinstance(value, ast.Constant) and value.value is None


def _commit(node: ast.AST, what: str) -> None:
    match node:
        case ast.Compare():
            node.ops = [_COMPARED[type(node.ops[0])]()]
        case ast.BinOp() | ast.AugAssign():
            node.op = _COMPUTED[type(node.op)]()
        case ast.BoolOp():
            node.op = ast.Or() if isinstance(node.op, ast.And) else ast.And()
        case ast.UnaryOp():
            # Twice the same sign is none.
            node.operand = ast.UnaryOp(type(node.op)(), node.operand)
        case ast.If() | ast.IfExp() | ast.While():
            node.test = ast.UnaryOp(ast.Not(), node.test)
        case ast.Constant(value=bool() as value):
            node.value = not value
        case ast.Constant(value=int() | float() as number):
            node.value = number + 1
        case ast.Expr():
            node.value = ast.Constant(None)
        case ast.Return():
            node.value = ast.Constant(None)
        case _:
            raise AssertionError(f"Nothing is known of {what!r}.")
