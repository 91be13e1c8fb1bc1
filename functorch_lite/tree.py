"""Trees: nested tuples, lists, dicts, named tuples, None (an empty node) and registered classes; all else is a leaf.

Names and argument orders are those of `jax.tree`. The keys of a dict are visited in sorted order. Two traps of a
`PyTreeDef`: it cannot be pickled, and comparing it with None raises (write `is None`).
"""

import builtins
import collections
import functools
import reprlib
from collections.abc import Callable, Iterable
from typing import Any

from jaxlib import _jax

from functorch_lite.nodes import (
    DictKey,
    FlattenedIndexKey,
    GetAttrKey,
    Partial,
    PyTreeDef,
    SequenceKey,
    child_keys,
    flatten_one_level,
    flatten_one_level_with_keys,
    is_tree_node,
    register_dataclass,
    register_pytree_node,
    register_pytree_node_class,
    register_pytree_with_keys,
    register_pytree_with_keys_class,
    register_static,
    registry,
    static,
)

__all__ = [
    "DictKey",
    "FlattenedIndexKey",
    "GetAttrKey",
    "Partial",
    "PyTreeDef",
    "SequenceKey",
    "all",
    "all_leaves",
    "broadcast",
    "broadcast_prefix",
    "difference",
    "flatten",
    "flatten_one_level",
    "flatten_one_level_with_keys",
    "flatten_up_to",
    "flatten_with_path",
    "is_tree_node",
    "keystr",
    "leaves",
    "leaves_with_path",
    "map",
    "map_with_path",
    "reduce",
    "reduce_associative",
    "register_dataclass",
    "register_pytree_node",
    "register_pytree_node_class",
    "register_pytree_with_keys",
    "register_pytree_with_keys_class",
    "register_static",
    "registry",
    "static",
    "structure",
    "transpose",
    "treedef_children",
    "treedef_is_leaf",
    "treedef_tuple",
    "unflatten",
]

_flatten = registry.flatten
_MISSING: Any = object()


# ---- flatten and build


def flatten(tree, is_leaf: Callable[[Any], bool] | None = None) -> tuple[list, PyTreeDef]:
    """The leaves of `tree` in order, and its structure; `is_leaf` may stop at a node."""
    try:
        return _flatten(tree, is_leaf)
    except ValueError as error:
        raise _unsortable(tree, error) from None


def leaves(tree, is_leaf: Callable[[Any], bool] | None = None) -> list:
    """The leaves of `tree` in order."""
    return flatten(tree, is_leaf)[0]


def structure(tree, is_leaf: Callable[[Any], bool] | None = None) -> PyTreeDef:
    """The structure of `tree`: hashable, equal for trees that differ in their leaves only."""
    return flatten(tree, is_leaf)[1]


def unflatten(treedef: PyTreeDef, leaves: Iterable) -> Any:
    """The tree of this structure with these leaves. Raises ValueError if there are too few or too many."""
    if type(leaves) is not list:
        leaves = list(leaves)
    if len(leaves) != treedef.num_leaves:
        raise ValueError(f"tree.unflatten: got {len(leaves)} leaves for a tree of {treedef.num_leaves}: {treedef}")
    return treedef.unflatten(leaves)


def _unsortable(tree, error: ValueError) -> ValueError:
    """A sentence in place of jaxlib's about a dict it could not sort; other errors are the user's own."""
    if not str(error).startswith("Comparator raised"):
        return error
    path = []
    while True:
        try:
            children, _ = flatten_one_level_with_keys(tree)
        except ValueError:
            keys = reprlib.repr(list(tree))
            return ValueError(f"tree.flatten: the keys of a dict must sort, got {keys} at {_place(path)}")
        for key, child in children:
            try:
                _flatten(child)
            except ValueError:
                path.append(key)
                tree = child
                break
        else:
            return error


# ---- map and reduce


def map(f: Callable, tree, *rest, is_leaf: Callable[[Any], bool] | None = None) -> Any:
    """The tree of `f(leaf, *leaves of rest)`, shaped like `tree`; `tree` may be a prefix of each of `rest`.

    Raises ValueError that names the path where a tree of `rest` differs.
    """
    xs, treedef = flatten(tree, is_leaf)
    if not rest:
        return treedef.unflatten([f(x) for x in xs])
    columns = [flatten_up_to(treedef, other, "tree.map", tree) for other in rest]
    return treedef.unflatten([f(*row) for row in zip(xs, *columns, strict=True)])


def reduce(function: Callable, tree, initializer=_MISSING, is_leaf: Callable[[Any], bool] | None = None) -> Any:
    """`functools.reduce` over the leaves, from the left."""
    if initializer is _MISSING:
        return functools.reduce(function, leaves(tree, is_leaf))
    return functools.reduce(function, leaves(tree, is_leaf), initializer)


def reduce_associative(
    operation: Callable, tree, *, identity=_MISSING, is_leaf: Callable[[Any], bool] | None = None
) -> Any:
    """The leaves combined in pairs, then the pairs in pairs, ...: a shallower program than `reduce`.

    `identity` is the answer for a tree without leaves; without it such a tree raises TypeError.
    """
    xs = leaves(tree, is_leaf)
    if not xs and identity is _MISSING:
        raise TypeError("tree.reduce_associative: the tree has no leaves; give identity=")
    return _halves(operation, xs) if xs else identity


def _halves(operation: Callable, xs: list) -> Any:
    if len(xs) == 1:
        return xs[0]
    middle = len(xs) // 2
    return operation(_halves(operation, xs[:middle]), _halves(operation, xs[middle:]))


def all(tree, *, is_leaf: Callable[[Any], bool] | None = None) -> bool:
    """Whether every leaf is true."""
    return builtins.all(leaves(tree, is_leaf))


def transpose(outer_treedef: PyTreeDef, inner_treedef: PyTreeDef | None, pytree_to_transpose) -> Any:
    """A tree of structure outer(inner) as one of structure inner(outer).

    inner_treedef: None reads it off the first inner tree. Raises TypeError that names the path where the tree differs.
    """
    try:
        inner = inner_treedef
        if inner is None:
            inners = flatten_up_to(outer_treedef, pytree_to_transpose, "tree.transpose")
            if not inners:
                raise TypeError("tree.transpose: the outer tree has no leaves; give inner_treedef")
            inner = structure(inners[0])
        flat = flatten_up_to(outer_treedef.compose(inner), pytree_to_transpose, "tree.transpose")
    except ValueError as error:
        raise TypeError(*error.args) from None
    size = inner.num_leaves
    return inner.unflatten([outer_treedef.unflatten(flat[i::size]) for i in range(size)])


def broadcast_prefix(
    prefix_tree, full_tree, is_leaf: Callable[[Any], bool] | None = None, who: str = "tree.broadcast"
) -> list:
    """For each leaf of `full_tree`, the leaf of `prefix_tree` above it, as a list.

    is_leaf applies to `prefix_tree`. Raises ValueError, which starts with `who`, where the trees differ.
    """
    xs, treedef = flatten(prefix_tree, is_leaf)
    below = flatten_up_to(treedef, full_tree, who, prefix_tree)
    return [x for x, tree in zip(xs, below, strict=True) for _ in range(structure(tree).num_leaves)]


def broadcast(prefix_tree, full_tree, is_leaf: Callable[[Any], bool] | None = None) -> Any:
    """A tree shaped like `full_tree` with the leaves of `prefix_tree` in it, each as often as it is needed."""
    return structure(full_tree).unflatten(broadcast_prefix(prefix_tree, full_tree, is_leaf))


# ---- where two trees differ


def flatten_up_to(treedef: PyTreeDef, tree, who: str = "tree.flatten_up_to", example=_MISSING) -> list:
    """The subtrees of `tree` that stand where `treedef` has leaves.

    example: a tree of structure `treedef`, if there is one; it gives the keys of registered classes their names.
    Raises ValueError "<who>: the trees differ at <path>: tuple of 2 against list of 2".
    """
    try:
        return treedef.flatten_up_to(tree)
    except ValueError as error:
        found = difference(treedef, structure(tree), example)
        raise ValueError(f"{who}: the trees differ {found}") if found else error from None


def difference(prefix: PyTreeDef, full: PyTreeDef, example=_MISSING) -> str | None:
    """Where and how `full` differs from `prefix`, as "at ['a'][1]: tuple of 2 against a leaf"; None if it does not.

    A leaf of `prefix` matches everything; for equality ask in both directions.
    """
    return _difference(prefix, full, example, ())


def _difference(prefix: PyTreeDef, full: PyTreeDef, example, path: tuple) -> str | None:
    data = prefix.node_data()
    if data is None:
        return None
    if full.node_data() != data or len(full.children()) != len(prefix.children()):
        hint = "; to make None a leaf give is_leaf=lambda x: x is None" if data[0] is type(None) else ""
        return f"at {_place(path)}: {_describe(prefix, full)} against {_describe(full, prefix)}{hint}"
    if example is _MISSING:
        children = [(key, _MISSING) for key in child_keys(prefix)]
    else:
        children = flatten_one_level_with_keys(example)[0]
    for (key, child), a, b in zip(children, prefix.children(), full.children(), strict=True):
        found = _difference(a, b, child, (*path, key))
        if found:
            return found
    return None


def _place(path: Iterable) -> str:
    return keystr(path) or "the root"


def _describe(treedef: PyTreeDef, other: PyTreeDef) -> str:
    """The outermost node in words; if its class is that of `other` too, with what else tells them apart."""
    data = treedef.node_data()
    if data is None:
        return "a leaf"
    cls, static = data
    if cls is type(None):
        return "None"
    text = f"{cls.__name__} of {len(treedef.children())}"
    other_cls, other_static = other.node_data() or (None, ())
    if cls is not other_cls or static == other_static:
        return text
    if cls in (dict, collections.OrderedDict) and set(static) != set(other_static):
        alone = [key for key in static if key not in set(other_static)]
        return f"{text} (only here: {reprlib.repr(alone)[1:-1]})" if alone else text
    return f"{text} with static data {reprlib.repr(static)}"


# ---- paths


def flatten_with_path(
    tree, is_leaf: Callable[..., bool] | None = None, is_leaf_takes_path: bool = False
) -> tuple[list[tuple[tuple, Any]], PyTreeDef]:
    """([(path, leaf), ...], structure); a path is a tuple of keys. With `is_leaf_takes_path`: `is_leaf(path, node)`."""
    stop = is_leaf if is_leaf is None or is_leaf_takes_path else lambda _, node: is_leaf(node)
    try:
        return registry.flatten_with_path(tree, stop)
    except ValueError as error:
        raise _unsortable(tree, error) from None


def leaves_with_path(
    tree, is_leaf: Callable[..., bool] | None = None, is_leaf_takes_path: bool = False
) -> list[tuple[tuple, Any]]:
    """[(path, leaf), ...] in order."""
    return flatten_with_path(tree, is_leaf, is_leaf_takes_path)[0]


def map_with_path(
    f: Callable, tree, *rest, is_leaf: Callable[..., bool] | None = None, is_leaf_takes_path: bool = False
) -> Any:
    """`map` with `f(path, leaf, *leaves of rest)`."""
    pairs, treedef = flatten_with_path(tree, is_leaf, is_leaf_takes_path)
    columns = [flatten_up_to(treedef, other, "tree.map_with_path", tree) for other in rest]
    return treedef.unflatten([f(*pair, *row) for pair, *row in zip(pairs, *columns, strict=True)])


def keystr(keys: Iterable, *, simple: bool = False, separator: str = "") -> str:
    """A path as text: "['layers'][1].bias"; with `simple` and separator="/": "layers/1/bias"."""
    return separator.join(_simple(key) if simple else str(key) for key in keys)


def _simple(key) -> str:
    match key:
        case SequenceKey(idx=name) | DictKey(key=name) | GetAttrKey(name=name) | FlattenedIndexKey(key=name):
            return str(name)
    return str(key)


# ---- leaves and structures


def all_leaves(iterable: Iterable, is_leaf: Callable[[Any], bool] | None = None) -> bool:
    """Whether every item is a leaf."""
    items = list(iterable)
    found = leaves(items, is_leaf)
    return len(found) == len(items) and builtins.all(a is b for a, b in zip(items, found, strict=True))


def treedef_tuple(treedefs: Iterable[PyTreeDef]) -> PyTreeDef:
    """The structure of a tuple of trees of these structures."""
    return _jax.pytree.treedef_tuple(registry, list(treedefs))


def treedef_children(treedef: PyTreeDef) -> list[PyTreeDef]:
    """The structures of the children of the outermost node."""
    return treedef.children()


def treedef_is_leaf(treedef: PyTreeDef) -> bool:
    """Whether this is the structure of something without children: a leaf or None."""
    return treedef.num_nodes == 1
