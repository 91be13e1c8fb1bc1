"""Trees: nested tuples, lists, dicts, named tuples, None (an empty node) and registered classes; all else is a leaf.

Names and argument orders are those of `jax.tree`. The work is done by jaxlib's C++ registry; this one is ours alone,
so what is registered here and what is registered in JAX do not meet. The keys of a dict are visited in sorted order.
Two traps of its `PyTreeDef`: it cannot be pickled, and comparing it with None raises (write `is None`).
"""

import builtins
import collections
import dataclasses
import functools
import reprlib
from collections.abc import Callable, Iterable
from typing import Any

from jaxlib import _jax

PyTreeDef = _jax.pytree.PyTreeDef
DictKey = _jax.pytree.DictKey
SequenceKey = _jax.pytree.SequenceKey
GetAttrKey = _jax.pytree.GetAttrKey
FlattenedIndexKey = _jax.pytree.FlattenedIndexKey

registry = _jax.pytree.PyTreeRegistry()
"""The registry itself, for the compiled dispatch path, which flattens in C++."""

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
            children, _ = registry.flatten_one_level_with_keys(tree)
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
        inners = flatten_up_to(outer_treedef, pytree_to_transpose, "tree.transpose")
        if inner_treedef is None:
            if not inners:
                raise TypeError("tree.transpose: the outer tree has no leaves; give inner_treedef")
            inner_treedef = structure(inners[0])
        rows = [flatten_up_to(inner_treedef, inner, "tree.transpose") for inner in inners]
    except ValueError as error:
        raise TypeError(*error.args) from None
    columns = zip(*rows, strict=True) if rows else [()] * inner_treedef.num_leaves
    return inner_treedef.unflatten([outer_treedef.unflatten(column) for column in columns])


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
        detail = full.node_data() is not None and full.node_data()[0] is data[0]
        return f"at {_place(path)}: {_describe(prefix, detail)} against {_describe(full, detail)}{hint}"
    children = _children(prefix, example)
    for (key, child), a, b in zip(children, prefix.children(), full.children(), strict=True):
        found = _difference(a, b, child, (*path, key))
        if found:
            return found
    return None


def _children(treedef: PyTreeDef, example) -> list[tuple[Any, Any]]:
    """The key and, if there is an example, the child for each child of a node."""
    if example is not _MISSING:
        return list(registry.flatten_one_level_with_keys(example)[0])
    cls, data = treedef.node_data()
    count = len(treedef.children())
    if cls in (tuple, list):
        keys = [SequenceKey(i) for i in range(count)]
    elif issubclass(cls, dict):
        keys = [DictKey(key) for key in (data[1] if cls is collections.defaultdict else data)]
    elif cls in _FIELDS or hasattr(cls, "_fields"):
        keys = [GetAttrKey(name) for name in _FIELDS.get(cls) or cls._fields]
    else:
        keys = [FlattenedIndexKey(i) for i in range(count)]
    return [(key, _MISSING) for key in keys]


def _place(path: Iterable) -> str:
    return keystr(path) or "the root"


def _describe(treedef: PyTreeDef, detail: bool) -> str:
    """detail: the types agree, so say what else there is to say."""
    data = treedef.node_data()
    if data is None:
        return "a leaf"
    cls, static = data
    count = len(treedef.children())
    if cls is type(None):
        return "None"
    if issubclass(cls, dict) and detail:
        return f"{cls.__name__} with keys {reprlib.repr(list(static[1] if cls is collections.defaultdict else static))}"
    if detail and static is not None and cls is not static:
        return f"{cls.__name__} of {count} with static data {reprlib.repr(static)}"
    return f"{cls.__name__} of {count}"


# ---- paths


def flatten_with_path(
    tree, is_leaf: Callable[..., bool] | None = None, is_leaf_takes_path: bool = False
) -> tuple[list[tuple[tuple, Any]], PyTreeDef]:
    """([(path, leaf), ...], structure); a path is a tuple of keys. With `is_leaf_takes_path`: `is_leaf(path, node)`."""
    stop = is_leaf
    if is_leaf is not None and not is_leaf_takes_path:

        def stop(_, node):
            return is_leaf(node)

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


# ---- one level


def all_leaves(iterable: Iterable, is_leaf: Callable[[Any], bool] | None = None) -> bool:
    """Whether every item is a leaf."""
    items = list(iterable)
    found = leaves(items, is_leaf)
    return len(found) == len(items) and builtins.all(a is b for a, b in zip(items, found, strict=True))


def flatten_one_level(tree) -> tuple[Iterable, Any]:
    """The children of a node and its static data. Raises ValueError for a leaf."""
    return _node(tree, registry.flatten_one_level(tree))


def flatten_one_level_with_keys(tree) -> tuple[Iterable[tuple[Any, Any]], Any]:
    """((key, child), ...) of a node and its static data. Raises ValueError for a leaf."""
    return _node(tree, registry.flatten_one_level_with_keys(tree))


def _node(tree, found):
    if found is None:
        raise ValueError(
            f"tree.flatten_one_level: a {type(tree).__name__} is a leaf; register its class to change that"
        )
    return found


def is_tree_node(typ: type) -> bool:
    """Whether instances of this class are nodes."""
    return registry.is_node(typ)


def treedef_tuple(treedefs: Iterable[PyTreeDef]) -> PyTreeDef:
    """The structure of a tuple of trees of these structures."""
    return _jax.pytree.treedef_tuple(registry, list(treedefs))


def treedef_children(treedef: PyTreeDef) -> list[PyTreeDef]:
    """The structures of the children of the outermost node."""
    return treedef.children()


def treedef_is_leaf(treedef: PyTreeDef) -> bool:
    """Whether this is the structure of something without children: a leaf or None."""
    return treedef.num_nodes == 1


# ---- registering classes

_FIELDS: dict[type, tuple[str, ...]] = {}  # of registered dataclasses, whose structures do not tell them


def _register(nodetype: type, register: Callable, *rules) -> None:
    if not isinstance(nodetype, type):
        raise TypeError(f"tree: only a class can be registered, got {nodetype!r}")
    if registry.is_node(nodetype):
        raise ValueError(f"tree: {nodetype.__name__} is a tree node already; a class is registered once")
    register(nodetype, *rules)


def register_pytree_node(
    nodetype: type, flatten_func: Callable, unflatten_func: Callable, flatten_with_keys_func: Callable | None = None
) -> None:
    """Make instances of `nodetype` nodes.

    flatten_func(node) -> (children, static data); unflatten_func(static data, children) -> node, which must take any
    objects for children; flatten_with_keys_func(node) -> (((key, child), ...), static data). Static data is compared
    and hashed. Raises ValueError if the class is a node already.
    """
    _register(nodetype, registry.register_node, flatten_func, unflatten_func, flatten_with_keys_func)


def register_pytree_with_keys(
    nodetype: type, flatten_with_keys: Callable, unflatten_func: Callable, flatten_func: Callable | None = None
) -> None:
    """`register_pytree_node` with keys first; `flatten_func` is only a faster way where nobody asks for the keys."""

    def without_keys(node):
        children, static = flatten_with_keys(node)
        return [child for _, child in children], static

    register_pytree_node(nodetype, flatten_func or without_keys, unflatten_func, flatten_with_keys)


def register_pytree_node_class(cls: type) -> type:
    """Class decorator: `cls.tree_flatten()` and the classmethod `cls.tree_unflatten(static data, children)`."""
    register_pytree_node(cls, cls.tree_flatten, cls.tree_unflatten)
    return cls


def register_pytree_with_keys_class(cls: type) -> type:
    """Class decorator: as `register_pytree_node_class`, with `cls.tree_flatten_with_keys()` (`tree_flatten` optional)."""
    register_pytree_with_keys(cls, cls.tree_flatten_with_keys, cls.tree_unflatten, getattr(cls, "tree_flatten", None))
    return cls


def register_dataclass(
    nodetype: type,
    data_fields: Iterable[str] | None = None,
    meta_fields: Iterable[str] | None = None,
    drop_fields: Iterable[str] = (),
) -> type:
    """Make a dataclass a node: its data fields are children, its meta fields static data. Also a class decorator.

    Without lists, fields made with `tree.static(...)` are meta and all others data. Raises TypeError if just one list
    is given or `nodetype` is no dataclass and has none, ValueError if the lists leave out or invent a field.
    """
    fields = dataclasses.fields(nodetype) if dataclasses.is_dataclass(nodetype) else None
    if (data_fields is None) != (meta_fields is None):
        raise TypeError("register_dataclass: give both data_fields and meta_fields, or neither")
    if data_fields is None:
        if fields is None:
            raise TypeError(f"register_dataclass: {nodetype!r} is no dataclass; give data_fields and meta_fields")
        meta_fields = [field.name for field in fields if field.metadata.get("static", False)]
        data_fields = [field.name for field in fields if not field.metadata.get("static", False)]
        data_fields = [name for name in data_fields if name not in set(drop_fields)]
    data, meta = tuple(data_fields), tuple(meta_fields)
    if set(data) & set(meta):
        raise ValueError(f"register_dataclass: {sorted(set(data) & set(meta))} are both data and meta fields")
    if fields is not None:
        expected = {field.name for field in fields if field.init} - set(drop_fields)
        if wrong := sorted(expected ^ {*data, *meta}):
            raise ValueError(
                f"register_dataclass: {nodetype.__name__}: name every field of __init__ once as data, meta or drop "
                f"field and no other; wrong are {wrong}"
            )
    _register(nodetype, registry.register_dataclass_node, list(data), list(meta))
    _FIELDS[nodetype] = data
    return nodetype


def static(**kwargs) -> Any:
    """`dataclasses.field(...)` for a field that is static data under `register_dataclass`."""
    metadata = {**(kwargs.pop("metadata", None) or {}), "static": True}
    return dataclasses.field(metadata=metadata, **kwargs)


def register_static(cls: type) -> type:
    """Class decorator: instances are nodes without leaves, compared by `==` and hashed."""
    register_pytree_node(cls, lambda node: ((), node), lambda node, _: node)
    return cls


# ---- classes that are nodes from the start

register_pytree_with_keys(
    collections.OrderedDict,
    lambda node: ([(DictKey(key), value) for key, value in node.items()], tuple(node)),
    lambda keys, values: collections.OrderedDict(zip(keys, values, strict=True)),
    lambda node: (tuple(node.values()), tuple(node)),
)


def _flatten_defaultdict(node):
    keys = tuple(sorted(node))
    return [(DictKey(key), node[key]) for key in keys], (node.default_factory, keys)


register_pytree_with_keys(
    collections.defaultdict,
    _flatten_defaultdict,
    lambda static, values: collections.defaultdict(static[0], zip(static[1], values, strict=True)),
)


class _Opaque:
    """A `functools.partial` as a mere function: `functools.partial` would merge its arguments into the tree's."""

    __slots__ = ("func",)

    def __init__(self, func):
        self.func = func

    def __call__(self, *args, **kwargs):
        return self.func(*args, **kwargs)

    def __hash__(self):
        return hash(self.func)

    def __eq__(self, other):
        return isinstance(other, _Opaque) and self.func == other.func

    def __repr__(self):
        return repr(self.func)


class Partial(functools.partial):
    """`functools.partial` as a node: the bound arguments are children, the function is static data.

    Of a `Partial` of a `Partial` all arguments are children; those of a plain `functools.partial` stay hidden.
    """

    def __new__(cls, func, /, *args, **kwargs):
        if isinstance(func, functools.partial) and not isinstance(func, Partial):
            func = _Opaque(func)
        return super().__new__(cls, func, *args, **kwargs)


register_pytree_with_keys(
    Partial,
    lambda node: (((GetAttrKey("args"), node.args), (GetAttrKey("keywords"), node.keywords)), node.func),
    lambda func, children: Partial(func, *children[0], **children[1]),
    lambda node: ((node.args, node.keywords), node.func),
)
