"""Trees: laws over drawn trees, the sentences of the errors, and the facts of `jax.tree` that users rely on."""

import collections
import dataclasses
import functools
import operator
import pickle
import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from functorch_lite import tree, tree_util


class Point(collections.namedtuple("Point", "x y")):
    __slots__ = ()


@tree.register_dataclass
@dataclasses.dataclass
class Layer:
    weight: object
    bias: object
    name: str = tree.static(default="layer")


@tree.register_pytree_node_class
class Plain:
    """Registered without keys."""

    def __init__(self, children, tag):
        self.children, self.tag = children, tag

    def tree_flatten(self):
        return self.children, self.tag

    @classmethod
    def tree_unflatten(cls, tag, children):
        return cls(tuple(children), tag)

    def __eq__(self, other):
        return type(other) is Plain and (self.children, self.tag) == (other.children, other.tag)


@tree.register_pytree_with_keys_class
class Keyed(Plain):
    def tree_flatten_with_keys(self):
        return [(tree.GetAttrKey(f"part{i}"), child) for i, child in enumerate(self.children)], self.tag


@tree.register_static
@dataclasses.dataclass(frozen=True)
class Mode:
    name: str


def nodes(children):
    several = st.lists(children, max_size=3)
    keyed = st.dictionaries(st.sampled_from("abcd"), children, max_size=3)
    return (
        several
        | several.map(tuple)
        | keyed
        | keyed.map(collections.OrderedDict)
        | keyed.map(lambda items: collections.defaultdict(list, items))
        | st.builds(Point, children, children)
        | st.builds(Layer, children, children, st.sampled_from(["one", "two"]))
        | st.builds(Plain, several.map(tuple), st.integers(0, 1))
    )


trees = st.recursive(st.integers() | st.none() | st.just(Mode("fast")), nodes, max_leaves=8)


# ---- laws


@given(trees)
def test_unflatten_undoes_flatten(t):
    leaves, treedef = tree.flatten(t)
    assert treedef == tree.structure(t)
    assert leaves == tree.leaves(t)
    assert len(leaves) == treedef.num_leaves
    assert tree.unflatten(treedef, iter(leaves)) == t
    assert tree.flatten(tree.unflatten(treedef, leaves)) == (leaves, treedef)


@given(trees)
def test_map_is_a_functor(t):
    assert tree.map(lambda x: x, t) == t
    assert tree.map(lambda x: 2 * (x + 1), t) == tree.map(lambda x: 2 * x, tree.map(lambda x: x + 1, t))
    assert tree.map(operator.sub, t, t) == tree.map(lambda x: 0, t)


@given(trees)
def test_paths_lead_to_the_leaves(t):
    pairs, treedef = tree.flatten_with_path(t)
    assert treedef == tree.structure(t)
    assert [leaf for _, leaf in pairs] == tree.leaves(t)
    assert pairs == tree.leaves_with_path(t)
    assert [follow(t, path) for path, _ in pairs] == tree.leaves(t)
    texts = [tree.keystr(path) for path, _ in pairs]
    assert tree.leaves(tree.map_with_path(lambda path, x: tree.keystr(path), t)) == texts
    assert len(set(texts)) == len(texts)


def follow(node, path):
    for key in path:
        if isinstance(key, tree.FlattenedIndexKey):
            node = node.children[key.key]
        elif isinstance(key, tree.GetAttrKey):
            node = getattr(node, key.name)
        else:
            node = node[key.idx if isinstance(key, tree.SequenceKey) else key.key]
    return node


@given(trees, trees)
def test_a_tree_below_each_leaf_and_back(outer, inner):
    """transpose is its own inverse, and the prefix of a tree of trees is its outer tree."""
    outer_def, inner_def = tree.structure(outer), tree.structure(inner)
    numbers = iter(range(1000))
    both = tree.map(lambda _: tree.map(lambda _: next(numbers), inner), outer)
    swapped = tree.transpose(outer_def, inner_def, both)
    assert tree.structure(swapped) == inner_def.compose(outer_def)
    assert tree.transpose(inner_def, outer_def, swapped) == both
    if outer_def.num_leaves:
        assert tree.transpose(outer_def, None, both) == swapped
    assert all(tree.structure(t) == inner_def for t in tree.flatten_up_to(outer_def, both))
    assert tree.broadcast_prefix(outer, both) == [x for x in tree.leaves(outer) for _ in range(inner_def.num_leaves)]
    assert tree.leaves(tree.broadcast(outer, both)) == tree.broadcast_prefix(outer, both)
    assert tree.structure(tree.broadcast(outer, both)) == tree.structure(both)


@given(trees)
def test_reductions(t):
    leaves = tree.leaves(t)
    assert tree.reduce(operator.add, t, 0) == tree.reduce_associative(operator.add, t, identity=0) == sum(leaves)
    assert tree.reduce(lambda text, x: f"{text} {x}", t, "") == "".join(f" {x}" for x in leaves)
    assert tree.reduce_associative(lambda a, b: a + b, tree.map(lambda x: (x,), t), is_leaf=singleton, identity=()) == (
        tuple(leaves)
    )
    assert tree.all(t) == all(leaves)


def singleton(node):
    return type(node) is tuple and len(node) == 1 and type(node[0]) is int


@given(trees, trees)
def test_difference_is_none_exactly_for_prefixes(a, b):
    one, two = tree.structure(a), tree.structure(b)
    try:
        one.flatten_up_to(b)
        fits = True
    except ValueError:
        fits = False
    assert (tree.difference(one, two) is None) == fits
    assert (tree.difference(one, two) is None and tree.difference(two, one) is None) == (one == two)


@given(st.dictionaries(st.text(max_size=2), st.integers(), max_size=5), st.randoms(use_true_random=False))
def test_the_order_of_a_dict_does_not_matter(items, random):
    shuffled = dict(random.sample(list(items.items()), len(items)))
    assert tree.flatten(shuffled) == tree.flatten(items)
    assert hash(tree.structure(shuffled)) == hash(tree.structure(items))
    assert tree.leaves(items) == [items[key] for key in sorted(items)]


# ---- facts of jax.tree


def test_none_is_an_empty_node():
    assert tree.leaves([None, 1, (None,)]) == [1]
    assert tree.map(abs, [None, -1]) == [None, 1]
    assert tree.leaves([None, 1], is_leaf=lambda x: x is None) == [None, 1]


def test_what_is_not_registered_is_a_leaf():
    class Mine(list):
        pass

    values = [Mine([1]), {1, 2}, "ab", np.ones(2), range(3), object(), Mode]
    assert [a is b for a, b in zip(tree.leaves(values), values, strict=True)] == [True] * len(values)


def test_is_leaf_stops_at_nodes():
    t = {"a": (1, 2), "b": [(3, 4)]}
    assert tree.leaves(t, is_leaf=lambda x: isinstance(x, tuple)) == [(1, 2), (3, 4)]
    assert tree.map(sum, t, is_leaf=lambda x: isinstance(x, tuple)) == {"a": 3, "b": [7]}
    depth = tree.leaves_with_path(t, is_leaf=lambda path, x: len(path) == 1, is_leaf_takes_path=True)
    assert [(tree.keystr(path), leaf) for path, leaf in depth] == [("['a']", (1, 2)), ("['b']", [(3, 4)])]
    assert tree.leaves_with_path(t, is_leaf=lambda x: x == (1, 2))[0] == ((tree.DictKey("a"),), (1, 2))


def test_map_takes_subtrees_of_the_rest():
    assert tree.map(lambda x, sub: (x, sub), [1, 2], [[3, 4], {"a": 5}]) == [(1, [3, 4]), (2, {"a": 5})]
    named = tree.map_with_path(lambda path, x, y: f"{tree.keystr(path)}={x}{y}", Layer(1, [2]), Layer(3, [4]))
    assert named == Layer(".weight=13", [".bias[0]=24"])


def test_keystr():
    (path, _), *_ = tree.leaves_with_path({"layers": [Layer(Plain((7,), 0), None)]})
    assert tree.keystr(path) == "['layers'][0].weight[<flat index 0>]"
    assert tree.keystr(path, simple=True, separator="/") == "layers/0/weight/0"
    assert tree.keystr(()) == ""


def test_dataclasses():
    assert tree.leaves(Layer(1, (2, 3), "first")) == [1, 2, 3]
    assert tree.structure(Layer(1, 2, "a")) != tree.structure(Layer(1, 2, "b"))
    assert tree.map(lambda x: -x, Layer(1, 2, "a")) == Layer(-1, -2, "a")

    @functools.partial(tree.register_dataclass, data_fields=["b"], meta_fields=["a"], drop_fields=["cache"])
    @dataclasses.dataclass
    class Listed:
        a: int
        b: int
        cache: object = None

    assert tree.map(lambda x: -x, Listed(1, 2, "thrown away")) == Listed(1, -2)
    field = dataclasses.fields(Layer)[2]
    assert field.metadata["static"]
    assert field.default == "layer"


def test_static_classes_hold_no_leaves():
    assert tree.leaves(Mode("fast")) == []
    assert tree.structure(Mode("fast")) == tree.structure(Mode("fast")) != tree.structure(Mode("slow"))


def test_partial_is_a_node_of_its_arguments():
    f = tree.Partial(operator.sub, 5)
    assert f(3) == 2
    assert tree.leaves(f) == [5]
    assert tree.map(lambda x: x + 1, f)(3) == 3
    assert tree.structure(f) == tree.structure(tree.Partial(operator.sub, 7))
    assert tree.structure(f) != tree.structure(tree.Partial(operator.add, 5))
    with_keyword = tree.Partial(int, base=2)
    assert [(tree.keystr(path), x) for path, x in tree.leaves_with_path(with_keyword)] == [(".keywords['base']", 2)]
    assert with_keyword("11") == 3


def test_partials_of_partials():
    hidden = functools.partial(operator.sub, 5)
    f = tree.Partial(hidden, 3)
    assert f() == 2
    assert tree.leaves(f) == [3]
    assert tree.structure(f) == tree.structure(tree.map(abs, f)) == tree.structure(tree.Partial(hidden, 4))
    assert tree.structure(f) != tree.structure(tree.Partial(functools.partial(operator.sub, 5), 3))
    assert tree.leaves(tree.Partial(tree.Partial(operator.sub, 5), 3)) == [5, 3]
    assert repr(hidden) in repr(f)


def test_one_level():
    assert [list(part) for part in tree.flatten_one_level({"b": [1], "a": 2})] == [[2, [1]], ["a", "b"]]
    children, _ = tree.flatten_one_level_with_keys(Point(1, [2]))
    assert list(children) == [(tree.GetAttrKey("x"), 1), (tree.GetAttrKey("y"), [2])]
    children, tag = tree.flatten_one_level_with_keys(Keyed((1, 2), "t"))
    assert [tree.keystr([key]) for key, _ in children] == [".part0", ".part1"]
    assert tag == "t"
    with pytest.raises(ValueError, match="got a leaf of type int"):
        tree.flatten_one_level(3)
    assert [tree.is_tree_node(cls) for cls in (dict, Point, Layer, int, np.ndarray)] == [True] * 3 + [False] * 2
    assert tree.all_leaves([1, "a"])
    assert not tree.all_leaves([1, (2,)])
    assert not tree.all_leaves([1, None])
    assert tree.all_leaves([1, (2,)], is_leaf=lambda x: x == (2,))


def test_structures_of_structures():
    one, many = tree.structure(1), tree.structure({"a": [1, 2]})
    assert tree.treedef_tuple([one, many]) == tree.structure((1, {"a": [1, 2]}))
    assert tree.treedef_children(tree.treedef_tuple(iter([one, many]))) == [one, many]
    assert tree.treedef_is_leaf(one)
    assert tree.treedef_is_leaf(tree.structure(None))
    assert not tree.treedef_is_leaf(many)


def test_the_facade_holds_the_same_functions():
    for name in tree_util.__all__:
        own = name.removeprefix("tree_")
        assert getattr(tree_util, name) is getattr(tree, own), name
    assert len(tree_util.__all__) == 33


# ---- errors


@pytest.mark.parametrize(
    ("one", "two", "sentence"),
    [
        ([1, 2], [1], "the trees differ at the root: list of 2 against list of 1"),
        ({"layers": [1, (1, 2)]}, {"layers": [1, [1, 2]]}, "differ at ['layers'][1]: tuple of 2 against list of 2"),
        ({"a": 1, "b": 2}, {"a": 1}, "at the root: dict of 2 (only here: 'b') against dict of 1"),
        ({"a": 1}, {"c": 1}, "at the root: dict of 1 (only here: 'a') against dict of 1 (only here: 'c')"),
        ({"a": 1}, collections.OrderedDict(a=1), "at the root: dict of 1 against OrderedDict of 1"),
        (
            collections.OrderedDict(a=1, b=2),
            collections.OrderedDict(b=2, a=1),
            "OrderedDict of 2 with static data ('a', 'b') against OrderedDict of 2 with static data ('b', 'a')",
        ),
        ([None], [3], "at [0]: None against a leaf; to make None a leaf give is_leaf=lambda x: x is None"),
        ([[3]], [None], "at [0]: list of 1 against None"),
        (Point(1, (2,)), Point(1, 2), "at .y: tuple of 1 against a leaf"),
        (Point(1, 2), (1, 2), "at the root: Point of 2 against tuple of 2"),
        (Layer(1, 2, "a"), Layer(1, 2, "b"), "Layer of 2 with static data ('a',) against Layer of 2 with static data"),
        (Layer(1, [2]), Layer(1, (2,)), "at .bias: list of 1 against tuple of 1"),
        (Keyed([1, [2]], "tag"), Keyed([1, 2], "tag"), "at .part1: list of 1 against a leaf"),
        (Plain([1, [2]], 0), Plain([1, 2], 0), "at [<flat index 1>]: list of 1 against a leaf"),
        (collections.defaultdict(int, a=[1]), collections.defaultdict(int, a=1), "at ['a']: list of 1 against a leaf"),
    ],
    ids=lambda x: type(x).__name__,
)
def test_trees_that_differ(one, two, sentence):
    with pytest.raises(ValueError, match=r"^tree\.map: [^\n]*" + re.escape(sentence)):
        tree.map(lambda x, y: x, one, two)
    with pytest.raises(ValueError, match=r"^tree\.map_with_path: [^\n]*" + re.escape(sentence)):
        tree.map_with_path(lambda path, x, y: x, one, two)
    with pytest.raises(ValueError, match=r"^in_axes: [^\n]*" + re.escape(sentence)):
        tree.broadcast_prefix(one, two, who="in_axes")
    by_structure = tree.difference(tree.structure(one), tree.structure(two))
    assert by_structure is not None
    assert by_structure.endswith(sentence.partition(": ")[2])


@pytest.mark.parametrize(
    ("make", "path"),
    [
        (lambda x: {"a": 0, "b": x}, "['b']"),
        (lambda x: collections.defaultdict(int, b=x), "['b']"),
        (lambda x: [0, (0, x)], "[1][1]"),
        (lambda x: Point(0, x), ".y"),
        (lambda x: Layer(0, x), ".bias"),
        (lambda x: x, "the root"),
    ],
)
def test_structures_alone_name_paths_too(make, path):
    found = tree.difference(tree.structure(make([1])), tree.structure(make((1,))))
    assert found == f"at {path}: list of 1 against tuple of 1"


def test_transpose_names_the_path():
    outer, inner = tree.structure({"a": 0, "b": 0}), tree.structure((0, 0))
    sentence = r"^tree\.transpose: the trees differ at \['b'\]: tuple of 2 against tuple of 1$"
    with pytest.raises(TypeError, match=sentence):
        tree.transpose(outer, inner, {"a": (1, 2), "b": (3,)})
    with pytest.raises(TypeError, match=sentence):
        tree.transpose(outer, None, {"a": (1, 2), "b": (3,)})
    with pytest.raises(TypeError, match="at the root: dict of 2 against list of 1"):
        tree.transpose(outer, None, [1])
    with pytest.raises(TypeError, match="give inner_treedef"):
        tree.transpose(tree.structure([]), None, [])


@pytest.mark.parametrize("count", [0, 1, 3])
def test_unflatten_counts_leaves(count):
    with pytest.raises(ValueError, match=rf"tree\.unflatten: got {count} leaves for a tree of 2: PyTreeDef"):
        tree.unflatten(tree.structure([1, 2]), range(count))


def test_keys_that_do_not_sort():
    sentence = r"^tree\.flatten: the keys of a dict must sort, got \[1, 'a'\] at \['z'\]\[1\]$"
    for flatten in (tree.leaves, tree.leaves_with_path):
        with pytest.raises(ValueError, match=sentence):
            flatten({"z": [1, {1: 2, "a": 3}]})


def test_errors_of_the_user_pass_through():
    def no(*_):
        raise ValueError("mine")

    for call in (tree.leaves, tree.leaves_with_path):
        with pytest.raises(ValueError, match=r"^mine$"):
            call([1], is_leaf=no)
    with pytest.raises(ValueError, match=r"^mine$"):
        tree.map(no, [1], [2])


def test_empty_reductions():
    for reduce in (tree.reduce, tree.reduce_associative):
        with pytest.raises(TypeError):
            reduce(max, [])
    assert tree.all([])


def test_a_class_is_registered_once():
    with pytest.raises(ValueError, match="tree: Layer is a tree node already"):
        tree.register_static(Layer)
    with pytest.raises(ValueError, match="tree: Point is a tree node already"):
        tree.register_pytree_node(Point, tuple, lambda _, children: Point(*children))
    with pytest.raises(TypeError, match="only a class can be registered"):
        tree.register_pytree_node(3, tuple, tuple)


def test_dataclass_fields_are_checked():
    @dataclasses.dataclass
    class Data:
        a: int
        b: int

    for fields, error, sentence in [
        ((["a"], None), TypeError, "give both data_fields and meta_fields, or neither"),
        ((["a"], []), ValueError, r"Data: name every field .* wrong are \['b'\]"),
        ((["a", "b", "c"], []), ValueError, r"wrong are \['c'\]"),
        ((["a", "b"], ["b"]), ValueError, r"\['b'\] are both data and meta"),
    ]:
        with pytest.raises(error, match=sentence):
            tree.register_dataclass(Data, *fields)
    with pytest.raises(TypeError, match="is no dataclass"):
        tree.register_dataclass(type("Bare", (), {}))
    assert tree.leaves(tree.register_dataclass(Data)(1, 2)) == [1, 2]


def test_structures_are_pickled():
    for value in ({"a": [1, (2, None)]}, Point(1, 2), ()):
        structure = tree.structure(value)
        assert pickle.loads(pickle.dumps(structure)) == structure
