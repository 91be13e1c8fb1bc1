"""The classes that are nodes of a tree: the registry, the keys of paths, and how users add classes of their own.

The registry is jaxlib's, in C++; this instance of it is ours alone, so what is registered here and what is registered
in JAX do not meet. Users reach all of this through `functorch_lite.tree`.
"""

import collections
import dataclasses
import functools
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, TypeAlias

from jaxlib import _jax

if TYPE_CHECKING:
    PyTreeDef: TypeAlias = Any  # jaxlib declares no types for its compiled module
else:
    PyTreeDef = _jax.pytree.PyTreeDef
DictKey = _jax.pytree.DictKey
SequenceKey = _jax.pytree.SequenceKey
GetAttrKey = _jax.pytree.GetAttrKey
FlattenedIndexKey = _jax.pytree.FlattenedIndexKey

registry = _jax.pytree.PyTreeRegistry()
"""The registry itself, for the compiled dispatch path, which flattens in C++."""
registry.__module__, registry.__name__ = __name__, "registry"  # structures are pickled with a reference to it


# ---- one level


def flatten_one_level(tree) -> tuple[Iterable, Any]:
    """The children of a node and its static data. Raises ValueError for a leaf."""
    return _node(tree, registry.flatten_one_level(tree))


def flatten_one_level_with_keys(tree) -> tuple[Iterable[tuple[Any, Any]], Any]:
    """((key, child), ...) of a node and its static data. Raises ValueError for a leaf."""
    children, static = _node(tree, registry.flatten_one_level_with_keys(tree))
    if isinstance(static, type) and issubclass(static, tuple):  # jaxlib gives all fields of a named tuple one name
        children = [(GetAttrKey(name), child) for name, (_, child) in zip(static._fields, children)]
    return children, static


def _node(tree, found):
    if found is None:
        raise ValueError(f"tree.flatten_one_level: got a leaf of type {type(tree).__name__}; give a node")
    return found


def is_tree_node(typ: type) -> bool:
    """Whether instances of this class are nodes."""
    return registry.is_node(typ)


def child_keys(treedef: PyTreeDef) -> list:
    """The keys of the children of the outermost node, as far as a structure tells them."""
    cls, static = treedef.node_data()
    count = len(treedef.children())
    if cls in (tuple, list):
        return [SequenceKey(i) for i in range(count)]
    if issubclass(cls, dict):
        return [DictKey(key) for key in (static[1] if cls is collections.defaultdict else static)]
    names = _FIELDS.get(cls) or getattr(cls, "_fields", None)
    return [GetAttrKey(name) for name in names] if names else [FlattenedIndexKey(i) for i in range(count)]


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
    """Class decorator: as `register_pytree_node_class`, but with `cls.tree_flatten_with_keys()`."""
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
    if data_fields is None or meta_fields is None:
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
