"""Put other code into functions that live already, and take it out again.

A module is compiled once more with one expression changed; its functions are found by name, line and order, and the
live ones, wherever records and closures hold them, get the changed code. Nothing is imported anew.
"""

from __future__ import annotations

import ast
import copy
import gc
import inspect
import sys
from collections.abc import Callable
from types import CodeType, FunctionType, ModuleType
from typing import Any, NamedTuple

from functorch_lite.testing.mutation.operators import Mutation, mutations


class Site(NamedTuple):
    """A mutation, where it is, and the keys of the functions around it, outermost first."""

    module: str
    function: str
    mutation: Mutation
    keys: tuple

    @property
    def place(self) -> str:
        short = self.module.removeprefix("functorch_lite.").replace(".", "/")
        return f"{short}.py:{self.mutation.line} {self.function}"


class Source:
    """A module with its tree, its code, and its live functions."""

    def __init__(self, module: ModuleType):
        self.module, self.file = module, str(inspect.getsourcefile(module))
        with open(self.file, encoding="utf-8") as file:
            self.text = file.read()
        self.tree = ast.parse(self.text)
        self.codes = _codes(compile(self.tree, self.file, "exec"))
        self.live: dict[tuple, list[FunctionType]] = {}

    def sites(self, passes: bool) -> list[Site]:
        """All mutations of the module's functions."""
        found, keys = [], _node_keys(self.tree)
        for chain, mutation in mutations(self.tree, passes):
            names = tuple([keys[id(node)] for node in chain])
            found.append(Site(self.module.__name__, names[-1][0], mutation, names))
        return found

    def compiled(self, site: Site) -> dict[tuple, CodeType]:
        """The code of the functions around a mutation, with it made. Raises SyntaxError where it cannot be."""
        mutation = site.mutation
        keep = _names(mutation.before) - _names(mutation.after)
        for after in (mutation.after, _holding(mutation.after, keep)):
            copied = copy.deepcopy(self.tree, {id(mutation.before): mutation.before})
            tree = _Replaced(mutation.before, after).visit(copied)
            made = _codes(compile(ast.fix_missing_locations(tree), self.file, "exec"))
            new = {key: made[key] for key in site.keys if key in made}
            if all(code.co_freevars == self.codes[key].co_freevars for key, code in new.items()):
                return new
        raise SyntaxError(f"{site.place}: the change alters what the function closes over")


def _names(node) -> set[str]:
    return {n.id for n in ast.walk(node) if isinstance(n, ast.Name)}


def _holding(after, names):
    """The same expression, which mentions these names too, so that a function closes over what it did."""
    mention = ast.Lambda(
        ast.arguments([], [], None, [], [], None, []),
        ast.Tuple([ast.Name(n, ast.Load()) for n in sorted(names)], ast.Load()))
    both = ast.Subscript(ast.Tuple([after, mention], ast.Load()), ast.Constant(0), ast.Load())
    return ast.fix_missing_locations(ast.copy_location(both, after))


class _Replaced(ast.NodeTransformer):
    def __init__(self, before, after):
        self.before, self.after = before, after

    def visit(self, node) -> Any:
        return self.after if node is self.before else super().generic_visit(node)


def _node_keys(tree) -> dict[int, tuple]:
    """(qualified name, first line, order among the same) of every function node."""
    keys: dict[int, tuple] = {}
    count: dict[tuple, int] = {}

    def walk(node, prefix):
        for child in ast.iter_child_nodes(node):
            inner = prefix
            if isinstance(child, (ast.FunctionDef, ast.Lambda)):
                name = prefix + getattr(child, "name", "<lambda>")
                line = min([child.lineno, *[d.lineno for d in getattr(child, "decorator_list", [])]])
                k = count[name, line] = count.get((name, line), -1) + 1
                keys[id(child)] = (name, line, k)
                inner = f"{name}.<locals>."
            elif isinstance(child, ast.ClassDef):
                inner = f"{prefix}{child.name}."
            walk(child, inner)

    walk(tree, "")
    return keys


def _codes(code: CodeType) -> dict[tuple, CodeType]:
    """The functions of a compiled module, under the keys that their nodes have."""
    found: list[CodeType] = []

    def walk(code):
        for const in code.co_consts:
            if isinstance(const, CodeType):
                if not const.co_name.startswith(("<listcomp>", "<genexpr>", "<dictcomp>", "<setcomp>")):
                    found.append(const)
                walk(const)

    walk(code)
    made: dict[tuple, CodeType] = {}
    count: dict[tuple, int] = {}
    for each in sorted(found, key=_start):
        pair = (name_of(each), each.co_firstlineno)
        k = count[pair] = count.get(pair, -1) + 1
        made[(*pair, k)] = each
    return made


def name_of(code: CodeType) -> str:
    """The qualified name of a function, without the comprehensions around it, which trees do not name."""
    name = code.co_qualname
    for kind in ("<listcomp>", "<genexpr>", "<dictcomp>", "<setcomp>"):
        name = name.replace(f"{kind}.<locals>.", "")
    return name


def _start(code: CodeType) -> tuple:
    """Where the first expression of a function stands: the order of functions on one line."""
    for line, _, column, _ in code.co_positions():
        if line is not None and column is not None and (line, column) != (code.co_firstlineno, 0):
            return line, column
    return code.co_firstlineno, 0


def sources(names: list[str]) -> dict[str, Source]:
    """The modules of these names with their live functions."""
    made = {name: Source(sys.modules[name]) for name in names}
    by_file = {source.file: source for source in made.values()}
    keys = {file: {code: key for key, code in source.codes.items()} for file, source in by_file.items()}
    for each in gc.get_objects():
        if type(each) is FunctionType and each.__code__.co_filename in by_file:
            file = each.__code__.co_filename
            key = keys[file].get(each.__code__)
            if key is not None:
                by_file[file].live.setdefault(key, []).append(each)
    return made


class Swapped:
    """While it is open, the mutation of a site is in force. `forget` drops what was remembered before and after."""

    def __init__(self, source: Source, site: Site, forget: Callable[[], None]):
        self.source, self.site, self.forget = source, site, forget
        self.before: list[tuple[FunctionType, CodeType]] = []

    def __enter__(self):
        for key, code in self.source.compiled(self.site).items():
            for function in self.source.live.get(key, ()):
                self.before.append((function, function.__code__))
                function.__code__ = code
        self.forget()
        return self

    def __exit__(self, *_):
        for function, code in self.before:
            function.__code__ = code
        self.forget()
