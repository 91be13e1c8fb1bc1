"""Mistakes that a programmer makes, as changes of a syntax tree: each gives a rule that is wrong, not one that fails.

A change of one expression per mutant. Text of messages, the types that `infer` checks, and what only decides about
speed are left alone.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import NamedTuple

_ADD, _MUL = {"add"}, {"mul"}
_ORDERED = {"sub", "div", "pow_", "gt", "lt", "ge", "le", "atan2", "rem"}
_OTHER = {"sin": "cos", "cos": "sin", "sinh": "cosh", "cosh": "sinh", "gt": "lt", "lt": "gt", "real": "imag",
          "imag": "real", "any": "all", "all": "any", "and_": "or_", "or_": "and_", "max": "min", "min": "max",
          "scatter_add": "scatter", "cumsum": "cumprod"}
_FORMULAS = {"add", "sub", "mul", "div", "pow_", "select", "polygamma", "integer_pow", "full", "shifted", "pad"}
_BATCH = {"batched", "bs", "b", "mapped", "flags"}
_SKIPPED = ("_infer", "infer", "_check", "check", "__", "faults", "fail", "_simplify", "simplify")


class Mutation(NamedTuple):
    """kind: the mistake. line, column: of the expression. text: before and after, as Python."""

    kind: str
    line: int
    column: int
    text: str
    before: ast.AST
    after: ast.AST


def mutations(tree: ast.Module, passes: bool) -> Iterator[tuple[tuple, Mutation]]:
    """(the functions around it, outermost first; the mutation) of every change in a module; `passes`: in one that
    rewrites graphs, where masks and positions are what can be wrong."""
    for function, chain in _functions(tree, ()):
        for node, parent in _own_nodes(function):
            for kind, after in _changes(node, parent, function, passes):
                after = ast.fix_missing_locations(ast.copy_location(after, node))
                text = f"{ast.unparse(node)} -> {ast.unparse(after)}"
                yield chain, Mutation(kind, node.lineno, node.col_offset, text, node, after)


def _functions(node, chain):
    """Every function of a module with the chain of functions down to it; not those whose name is skipped."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, (ast.FunctionDef, ast.Lambda)):
            name = getattr(child, "name", "")
            if name.startswith(_SKIPPED):
                continue
            yield child, (*chain, child)
            yield from _functions(child, (*chain, child))
        elif isinstance(child, ast.keyword) and child.arg in ("infer", "simplify", "result"):
            continue
        else:
            yield from _functions(child, chain)


def _own_nodes(function):
    """The expressions of a function's body but for nested functions, messages and checks."""
    body = function.body if isinstance(function.body, list) else [function.body]
    todo = [(n, function) for n in body]
    while todo:
        node, parent = todo.pop(0)
        if isinstance(node, (ast.FunctionDef, ast.Lambda, ast.Raise, ast.Assert, ast.JoinedStr)):
            continue
        if isinstance(node, ast.If) and all(isinstance(s, ast.Raise) for s in node.body):
            todo.extend([(s, node) for s in node.orelse])
            continue
        if isinstance(node, ast.expr):
            yield node, parent
        todo.extend([(child, node) for child in ast.iter_child_nodes(node)])


def _named(node) -> str:
    """The name of a called function, without its module."""
    if not isinstance(node, ast.Call):
        return ""
    return node.func.id if isinstance(node.func, ast.Name) else getattr(node.func, "attr", "")


def _changes(node, parent, function, passes):
    name = _named(node)
    args = node.args if isinstance(node, ast.Call) else []
    if (name == "neg" and len(args) == 1) or name == "_negative":
        yield "sign", args[0]
    if name in _ADD and len(args) == 2:
        yield "sign", ast.Call(_renamed(node.func, "sub"), args, [])
        yield "term", args[0]
        yield "term", args[1]
    if name in _MUL and len(args) == 2:
        yield "factor", args[0]
        yield "factor", args[1]
    if name == "div" and len(args) == 2:
        yield "factor", args[0]
    if name in _ORDERED and len(args) == 2:
        yield "operands", ast.Call(node.func, args[::-1], [])
    if name == "select" and len(args) == 3:
        yield "operands", ast.Call(node.func, [args[0], args[2], args[1]], [])
        yield "term", args[1]
        yield "term", args[2]
    if name in _OTHER and not passes:
        yield "function", ast.Call(_renamed(node.func, _OTHER[name]), args, node.keywords)
    if name in ("any", "all") and passes:
        yield "mask", ast.Call(_renamed(node.func, _OTHER[name]), args, node.keywords)
    if name == "convert" and len(args) >= 2:
        yield "dtype", args[0]
    if name in ("conj", "rsqrt", "sqrt", "square", "exp", "log", "digamma", "broadcast", "rev", "linear") and args:
        yield "function", args[1] if name == "linear" and len(args) > 1 else args[0]
    yield from _small(node, parent, function, passes)


def _small(node, parent, function, passes):
    if isinstance(node, ast.Constant) and type(node.value) is int and _arithmetic(parent):
        yield "constant", ast.Constant(node.value + 1)
    if isinstance(node, ast.Constant) and isinstance(node.value, float) and _arithmetic(parent):
        yield "constant", ast.Constant(node.value * 1.5)
    if isinstance(node, ast.BinOp) and isinstance(node.op, (ast.Add, ast.Sub)) and not _tuple(node):
        other = ast.Sub() if isinstance(node.op, ast.Add) else ast.Add()
        yield "axis", ast.BinOp(node.left, other, node.right)
        yield "axis", node.left
    if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load) and isinstance(function, ast.Lambda):
        names = [a.arg for a in function.args.args]
        if names[:1] == ["t"] and node.id in names[1:3] and len(names) >= 3 and node.id != "t":
            yield "residual", ast.Name(names[1] if node.id == names[2] else names[2], ast.Load())
    if isinstance(node, ast.Name) and node.id == "b" and isinstance(parent, ast.IfExp) and node is parent.test:
        yield "batching", ast.UnaryOp(ast.Not(), node)
    if isinstance(node, ast.Subscript) and isinstance(node.value, ast.Name) and node.value.id in _BATCH:
        yield "batching", ast.UnaryOp(ast.Not(), node)
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
        yield "mask", node.operand
    if isinstance(node, ast.Compare) and len(node.ops) == 1 and passes:
        for op, other in ((ast.In, ast.NotIn), (ast.NotIn, ast.In), (ast.Is, ast.IsNot), (ast.IsNot, ast.Is)):
            if isinstance(node.ops[0], op):
                yield "mask", ast.Compare(node.left, [other()], node.comparators)
    flag = isinstance(node, ast.Constant) and type(node.value) is bool and isinstance(parent, (ast.Tuple, ast.List))
    if flag and passes:
        yield "mask", ast.Constant(not node.value)


def _arithmetic(parent) -> bool:
    """Whether a number stands in a formula, and not as a position of a tuple or a keyword."""
    if isinstance(parent, ast.BinOp):
        return not isinstance(parent.op, ast.Pow)
    return _named(parent) in _FORMULAS


def _tuple(node) -> bool:
    return any(isinstance(side, (ast.Tuple, ast.List, ast.ListComp)) for side in (node.left, node.right))


def _renamed(func, name: str):
    if isinstance(func, ast.Name):
        return ast.Name(name, ast.Load())
    return ast.Attribute(func.value, name, ast.Load())
