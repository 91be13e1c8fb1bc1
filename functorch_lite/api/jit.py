"""jit: a function traced once per types of its arguments, compiled as one program, and called at the price of XLA.

The price of a call is that of jaxlib's own execution; what is added must be a few C calls per *call*, not Python calls
per *leaf*: the type of an array is the aval of its buffer, equal types are one object, the previous call is compared
first, and arguments that are all Arrays need no tree.
"""

from __future__ import annotations

import inspect
import operator
import threading
import weakref
from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from itertools import compress
from typing import Any, NamedTuple

import numpy as np

from functorch_lite import dtypes, tree
from functorch_lite.api.arguments import (
    Outputs,
    argument_text,
    check_callable,
    is_float0,
    leaf_array,
    leaf_names,
    name_of,
    without_float0,
)
from functorch_lite.api.inspect import type_of_leaf
from functorch_lite.api.stages import Lowered, Traced
from functorch_lite.array import Array, ShardedArray, WeakArray, asarray, backend, on_one_device, scalar
from functorch_lite.config import config, jit_disabled, scoped_defaults
from functorch_lite.control.call import call
from functorch_lite.control.shard_map import devices_of
from functorch_lite.errors import DonatedError, UnhashableStaticError
from functorch_lite.ir import Graph, array_type, compact
from functorch_lite.trace import SCALARS, Tracer, _thread, at, axes_in_scope, inline, leaked, trace, tracing
from functorch_lite.transforms.common import pick
from functorch_lite.transforms.simplify import dce

_MAX_TRACES = 512  # per function
_new = object.__new__
_type_of = operator.attrgetter("aval")
_LEAF, _NO_TREE = tree.structure(0), tree.structure(())
_NO_CALL = (None, _NO_TREE, None, None, None, None, None, None)  # the previous call: avals, tree, defaults, Compiled


jitted_functions: weakref.WeakSet = weakref.WeakSet()  # all that are alive, for the sizes of their caches


class Entry(NamedTuple):
    """One trace of a function: what is called for arguments of these types."""

    graph: Graph
    captured: list
    structure: Any  # the tree of the dynamic (args, kwargs)
    out: Outputs
    donated: tuple[bool, ...]  # of the inputs of the graph
    kept: tuple[bool, ...]  # of the inputs of the graph: those the program reads
    compiled: list  # [Compiled], filled by the first call that runs it
    spread: bool  # whether it needs several devices, or captured what lies on them
    several: dict  # shardings of the operands -> the program that several devices run


class Compiled(NamedTuple):
    """An executable and what a call does with its buffers."""

    execute: Callable  # takes the buffers of all arguments
    handlers: list
    blank: list  # the classes of the results
    out_tree: Any  # `_LEAF` itself: one Array
    captured: list  # buffers that the program reads besides
    donated: tuple[bool, ...]  # of the arguments; empty for none
    executable: Any


class Statics:
    """Which arguments are static or donated, by position and by name."""

    def __init__(self, fun, static_argnums, static_argnames, donate_argnums, donate_argnames):
        try:
            signature = inspect.signature(fun)
        except (TypeError, ValueError):
            signature = None
        self.signature = signature
        self.static = _both(signature, "static", static_argnums, static_argnames)
        self.donated = _both(signature, "donate", donate_argnums, donate_argnames)
        self.any = bool(self.static[0] or self.static[1])
        both = [*sorted(self.static[0] & self.donated[0]), *sorted(self.static[1] & self.donated[1])]
        if both:
            raise ValueError(f"jit: argument {both[0]!r} is marked static and donated, at {at()}; choose one")

    def split(self, fun, args, kwargs):
        """(dynamic args, dynamic kwargs, key of the static ones, function that puts all together again)."""
        numbers, names = _resolved(self.static, args)
        fixed = {n: args[n] for n in sorted(numbers) if n < len(args)}
        named = {k: kwargs[k] for k in sorted(names) if k in kwargs}
        for where, value in (*fixed.items(), *named.items()):
            _check_static(fun, where, value)
        key = (tuple([(n, type(v), v) for n, v in fixed.items()]), tuple([(k, type(v), v) for k, v in named.items()]))
        dynamic = tuple([a for n, a in enumerate(args) if n not in fixed])

        def join(args, kwargs):
            it = iter(args)
            full = [fixed[n] if n in fixed else next(it) for n in range(len(fixed) + len(args))]
            return full, {**kwargs, **named}

        return dynamic, {k: v for k, v in kwargs.items() if k not in named}, key, join

    def donation(self, args, kwargs) -> list[bool]:
        """A flag per leaf of the dynamic arguments."""
        numbers, names = _resolved(self.donated, args)
        static, _ = _resolved(self.static, args)
        flags = []
        for n, a in enumerate(args):
            if n not in static:
                flags += [n in numbers] * tree.structure(a).num_leaves
        for k in sorted(kwargs):
            flags += [k in names] * tree.structure(kwargs[k]).num_leaves
        return flags


def _both(signature, what, numbers, names) -> tuple[frozenset, frozenset]:
    """Positions and names of marked arguments: each completes the other as far as the signature tells."""
    numbers = _ints(what, numbers)
    if names is not None and not isinstance(names, Iterable):
        raise TypeError(f"jit: {what}_argnames must be a string or strings, got {names!r} at {at()}")
    names = (names,) if isinstance(names, str) else tuple(names or ())
    if any(not isinstance(n, str) for n in names):
        raise TypeError(f"jit: {what}_argnames must be a string or strings, got {names!r} at {at()}")
    if signature is None:
        return frozenset(numbers), frozenset(names)
    parameters = list(signature.parameters.values())
    positional = [p.name for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    star = any(p.kind is p.VAR_POSITIONAL for p in parameters)
    star2 = any(p.kind is p.VAR_KEYWORD for p in parameters)
    for n in numbers:
        if not star and not -len(positional) <= n < len(positional):
            raise ValueError(f"jit: {what}_argnums has {n}, but the function takes {len(positional)} positional "
                             f"arguments, at {at()}")  # fmt: skip
    for name in names:
        if not star2 and name not in signature.parameters:
            raise ValueError(f"jit: {what}_argnames has {name!r}, but the function has no such argument, at {at()}")
    normal = {n % len(positional) if n < 0 and not star else n for n in numbers}
    more_names = {positional[n] for n in normal if 0 <= n < len(positional)}
    more_numbers = {positional.index(name) for name in names if name in positional}
    return frozenset(normal | more_numbers), frozenset(names) | more_names


def _ints(what, numbers) -> tuple[int, ...]:
    if numbers is None:
        return ()
    try:
        return (operator.index(numbers),) if not isinstance(numbers, Iterable) else tuple(map(operator.index, numbers))
    except TypeError:
        raise TypeError(f"jit: {what}_argnums must be an int or a tuple of ints, got {numbers!r} at {at()}") from None


def _check_static(fun, where, value) -> None:
    if isinstance(value, Tracer):
        raise TypeError(
            f"jit of `{name_of(fun)}`: the static {argument_text(fun, (where,))} is a traced value {value.type}, "
            f"at {at()}; static arguments must be known, so do not mark it static here")
    try:
        hash(value)
    except TypeError:
        raise UnhashableStaticError(
            f"jit of `{name_of(fun)}`: the static {argument_text(fun, (where,))} is a {type(value).__name__}, which "
            f"cannot be hashed, at {at()}; pass a tuple or another hashable value, or do not mark it static") from None


class Jitted:
    """The function that `jit` returns."""

    def __init__(self, fun: Callable, statics: Statics, keep_unused: bool, inline: bool, device: Any):
        self.fun, self.statics, self.keep_unused, self.inlined, self.device = fun, statics, keep_unused, inline, device
        self.entries: OrderedDict[Any, Entry] = OrderedDict()
        self.last: tuple = _NO_CALL
        self.fast: OrderedDict[Any, Compiled] = OrderedDict()  # (tree, static, defaults, avals...) -> Compiled
        self.near: dict[Any, tuple] = {}  # the same of what several devices run, by shardings too
        self.special = statics.any or bool(statics.donated[0] or statics.donated[1])
        self.lock = threading.Lock()
        self.__wrapped__ = fun
        jitted_functions.add(self)
        for attribute in ("__name__", "__qualname__", "__doc__", "__module__", "__annotations__"):
            if hasattr(fun, attribute):
                setattr(self, attribute, getattr(fun, attribute))

    def __repr__(self) -> str:
        return f"<jit of `{name_of(self.fun)}`>"

    def __get__(self, instance, owner=None):
        return self if instance is None else _Bound(self, instance)

    def __call__(self, *args, **kwargs):
        if tracing or kwargs or self.special or scoped_defaults.get() is not None or jit_disabled.get():
            return self._rare(args, kwargs)
        buffers, avals, structure = [], [], _NO_TREE
        for a in args:
            if type(a) is not Array:
                break
            buffer = a._buffer
            buffers.append(buffer)
            avals.append(buffer.aval)
        if len(avals) < len(args):  # a tree, or a leaf that is no Array
            leaves, structure = tree.flatten((args, kwargs))
            if leaves and all([type(x) is ShardedArray for x in leaves]):
                return self._near(args, leaves, structure)
            buffers = _buffers_of(leaves)
            if buffers is None:
                return self._general(args, kwargs)
            avals = list(map(_type_of, buffers))
        last_avals, last_structure, defaults, execute, handlers, blank, out_tree, compiled = self.last
        if (
            avals != last_avals
            or defaults is not config.process
            or not (structure is last_structure or structure == last_structure)
        ):
            key = (structure, (), config.process, *avals)
            compiled = self.fast.get(key)
            if compiled is None:
                return self._general(args, kwargs, key)
            execute, handlers, blank, out_tree = compiled[:4]
            self.last = avals, structure, config.process, execute, handlers, blank, out_tree, compiled
        try:
            results = execute(buffers).consume_with_handlers(handlers)
        except Exception as error:
            raise self._explained(error, [*compiled.captured, *buffers]) from None
        if out_tree is _LEAF:
            array = _new(Array)
            (array._buffer,) = results
            return array
        return _built(results, blank, out_tree)

    # -- everything that is not the same call again --

    def _rare(self, args, kwargs):
        """A call with keywords, static or donated arguments, or settings; or one while something is traced."""
        if _thread.frames or scoped_defaults.get() is not None or jit_disabled.get():
            return self._general(args, kwargs)
        dynamic, named, static, _, _ = self._split(args, kwargs)
        leaves, structure = tree.flatten((dynamic, named))
        buffers = _buffers_of(leaves)
        if buffers is None:
            return self._general(args, kwargs)
        key = (structure, static, config.process, *map(_type_of, buffers))
        compiled = self.fast.get(key)
        return self._general(args, kwargs, key) if compiled is None else self._run(compiled, leaves, buffers)

    def _general(self, args, kwargs, key=None):
        if config.jit_disabled:
            return self.fun(*args, **kwargs)
        entry, inputs = self._entry(args, kwargs)
        if _thread.frames:
            everything = [*entry.captured, *inputs]
            if self.inlined:
                return entry.out.build(inline(entry.graph, everything))
            values = call(self._program(entry), pick(everything, entry.kept), name_of(self.fun))
            return entry.out.build(values)
        if entry.spread or any(type(x) is ShardedArray for x in inputs):
            if not entry.graph.effects:
                return self._run_on_several(entry, inputs)
            inputs, key = [on_one_device(x) for x in inputs], None
        compiled = self._compiled(entry)
        if key is not None:
            self.fast[key] = compiled
            while len(self.fast) > _MAX_TRACES:
                self.fast.popitem(last=False)
        return self._run(compiled, inputs, [x._buffer for x in inputs])

    def _run(self, compiled: Compiled, leaves: Sequence, buffers: list):
        given = list(compress(buffers, compiled.donated))
        if given:
            kept = {id(b) for b, d in zip(buffers, compiled.donated, strict=True) if not d}
            if len({id(b) for b in given} - kept) != len(given):
                raise ValueError(f"jit of `{name_of(self.fun)}`: an array is donated and passed a second time, at "
                                 f"{at()}; copy it, or do not donate it")  # fmt: skip
            for x in compress(leaves, compiled.donated):
                if isinstance(x, Array):
                    x._donate()
        try:
            results = compiled.execute(buffers).consume_with_handlers(compiled.handlers)
        except Exception as error:
            raise self._explained(error, [*compiled.captured, *buffers]) from None
        for buffer in given:
            buffer.delete()
        return _built(results, compiled.blank, compiled.out_tree)

    def _near(self, args, leaves: list, structure):
        """A call whose arguments all lie on several devices."""
        key = (structure, config.process, *[x.type for x in leaves], *[x.sharding for x in leaves])
        found = self.near.get(key)
        if found is None:
            entry, _ = self._entry(args, {})
            results = self._general(args, {})
            if not (entry.captured or entry.graph.effects) and all(entry.kept) and len(self.near) < _MAX_TRACES:
                self.near[key] = self._several(entry, tuple([x.sharding for x in leaves])), entry.out
            return results
        program, out = found
        buffers = [x._shards for x in leaves]
        try:
            return out.build(program(buffers))
        except Exception as error:
            raise self._explained(error, buffers) from None

    def _run_on_several(self, entry: Entry, inputs: Sequence):
        """A call whose program needs several devices, or whose arguments lie on them."""
        operands = list(compress([*entry.captured, *inputs], entry.kept))
        made = self._several(entry, tuple([x.sharding if type(x) is ShardedArray else None for x in operands]))
        given = list(compress(operands, made.donated))
        if len({id(x) for x in given}) != len(given):
            raise ValueError(f"jit of `{name_of(self.fun)}`: an array is donated and passed a second time, at {at()}; "
                             "copy it, or do not donate it")  # fmt: skip
        buffers = [made.place(x, k) for k, x in enumerate(operands)]
        try:
            results = made(buffers)
        except Exception as error:
            raise self._explained(error, buffers) from None
        for x, buffer in zip(given, compress(buffers, made.donated), strict=True):
            x._donate()
            buffer.delete()
        return entry.out.build(results)

    def _several(self, entry: Entry, layouts: tuple | None = None) -> Any:
        """The program for operands that lie on devices like this; None: none of them does yet."""
        layouts = (None,) * sum(entry.kept) if layouts is None else layouts
        made = entry.several.get(layouts)
        if made is None:
            made = backend.several(self._program(entry), name_of(self.fun), self._donated(entry), layouts)
            entry.several[layouts] = made
        return made

    def _explained(self, error: Exception, buffers: Sequence) -> Exception:
        if any(b.is_deleted() for b in buffers):
            return DonatedError(f"jit of `{name_of(self.fun)}`: an argument's memory was donated to an earlier call, "
                                f"at {at()}; use the result of that call instead")  # fmt: skip
        return error

    def _program(self, entry: Entry) -> Graph:
        """What is compiled: without the inputs that it does not read."""
        return drop_inputs(entry.graph, entry.kept)

    def _donated(self, entry: Entry) -> tuple[bool, ...]:
        """Which inputs of the program are donated; empty for none."""
        donated = pick(entry.donated, entry.kept)
        return donated if any(donated) else ()

    def _compiled(self, entry: Entry) -> Compiled:
        if not entry.compiled:
            made = backend.executable(self._program(entry), name_of(self.fun), self._donated(entry), self.device)
            n, types = len(entry.captured), entry.graph.out_types
            captured = [on_one_device(x)._buffer for x in pick(entry.captured, entry.kept[:n])]
            out_tree = _LEAF if entry.out.structure == _LEAF and not types[0].weak else entry.out.structure
            entry.compiled.append(Compiled(
                _arranged(made.execute, captured, entry.kept[n:]), made.handlers,
                [WeakArray if t.weak else Array for t in types], out_tree, captured,
                entry.donated[n:] if any(entry.donated) else (), made))  # fmt: skip
        return entry.compiled[0]

    def _split(self, args, kwargs) -> tuple:
        """(dynamic args, dynamic kwargs, key of the static ones, how to join them, flags of donated leaves)."""
        statics = self.statics
        if not self.special:
            return args, kwargs, (), None, _none_donated
        dynamic, named, key, join = statics.split(self.fun, args, kwargs)
        return dynamic, named, key, join, lambda leaves: statics.donation(args, named)

    def _inputs(self, args, kwargs) -> tuple[Any, list]:
        """(tree, leaves as arrays) of the dynamic arguments."""
        dynamic, named, _, _, _ = self._split(args, kwargs)
        leaves, structure = tree.flatten((dynamic, named))
        return structure, [x if type(x) is Array else self._leaf(x, i, args, kwargs) for i, x in enumerate(leaves)]

    def _entry(self, args, kwargs) -> tuple[Entry, list]:
        """The trace for these arguments, and the inputs it is called with."""
        dynamic, named, static, join, donation = self._split(args, kwargs)
        leaves, structure = tree.flatten((dynamic, named))
        if any([is_float0(x) for x in leaves]):
            return self._entry(*without_float0((args, kwargs)))
        inputs = [x if type(x) is Array else self._leaf(x, i, dynamic, named) for i, x in enumerate(leaves)]
        types = tuple([x.type for x in inputs])
        frame = _thread.frames[-1] if _thread.frames else None
        key = (structure, types, static, config.default_float, *axes_in_scope())
        found = self.entries.get(key)
        if found is None and frame is not None:
            found = frame.memo.get((self, key))
        if found is None:
            found = self._trace(structure, types, donation(leaves), join, dynamic)
            if frame is not None and any(isinstance(x, Tracer) for x in found.captured):
                frame.memo[self, key] = found  # the frame keeps the function, whose id would else be given away
            else:
                self._keep(key, found)
        return found, inputs

    def _leaf(self, x, i, args, kwargs):
        if isinstance(x, Tracer):
            if not _thread.frames:
                raise leaked(x)
            return x
        if not isinstance(x, (float, int, np.ndarray, Array)):
            paths = [(n, *path) for n, a in enumerate(args) for path, _ in tree.flatten_with_path(a)[0]]
            paths += [(k, *path) for k in sorted(kwargs) for path, _ in tree.flatten_with_path(kwargs[k])[0]]
            return leaf_array(x, "jit", self.fun, paths[i])
        return asarray(x)

    def _keep(self, key, entry) -> None:
        with self.lock:
            self.entries[key] = entry
            while len(self.entries) > _MAX_TRACES:
                self.entries.popitem(last=False)

    def _trace(self, structure, types, donated, join, dynamic) -> Entry:
        fun, out = self.fun, []

        def flat(*tracers):
            args, kwargs = structure.unflatten(tracers)
            if join is not None:
                args, kwargs = join(args, kwargs)
            out.append(Outputs("jit", fun, fun(*args, **kwargs)))
            return out[-1].traced

        counts = [tree.structure(a).num_leaves for a in dynamic]
        names = leaf_names(fun, range(len(counts)), counts) if join is None else []
        names = (names + [None] * len(types))[: len(types)] if names else []
        graph, captured = trace(flat, types, transform="jit", name=name_of(fun), names=names)
        flags = (*[False] * len(captured), *donated)
        spread = devices_of(dce(graph)) is not None or any(type(x) is ShardedArray for x in captured)
        spread = spread and not graph.effects  # these happen in order, so on one device
        return Entry(graph, captured, structure, out[-1], flags, self._kept(graph), [], spread, {})

    def _kept(self, graph: Graph) -> tuple[bool, ...]:
        if self.keep_unused:
            return (True,) * len(graph.ins)
        live = dce(graph)
        used = {a for eqn in live.eqns for a in eqn.ins} | set(live.outs)
        return tuple([i in used for i in live.ins])

    # -- stages --

    def trace(self, *args, **kwargs) -> Traced:
        """Trace for these arguments (arrays or ShapeDtypeStructs), without compiling."""
        dynamic, named, _, join, donated = self._split(args, kwargs)
        leaves, structure = tree.flatten((dynamic, named))
        types = tuple([type_of_leaf(x, self.fun) for x in leaves])
        return Traced(self, self._trace(structure, types, donated(leaves), join, dynamic))

    def lower(self, *args, **kwargs) -> Lowered:
        """Trace and lower to StableHLO for these arguments (arrays or ShapeDtypeStructs)."""
        return self.trace(*args, **kwargs).lower()

    def eval_shape(self, *args, **kwargs):
        """The shapes and dtypes of the result, without computing it."""
        return self.trace(*args, **kwargs).out_info

    def clear_cache(self) -> None:
        """Forget all traces of this function."""
        with self.lock:
            self.entries.clear()
            self.fast.clear()
            self.near.clear()
            self.last = _NO_CALL

    def cache_size(self) -> int:
        """How many traces of this function are held."""
        return len(self.entries)

    _cache_size = cache_size


class _Bound:
    """A jitted method of an object: the object is the first argument."""

    def __init__(self, jitted: Jitted, instance: Any):
        self.jitted, self.instance = jitted, instance

    def __call__(self, *args, **kwargs):
        return self.jitted(self.instance, *args, **kwargs)

    def __getattr__(self, name):
        found = getattr(self.jitted, name)
        if name in ("trace", "lower", "eval_shape"):
            return lambda *args, **kwargs: found(self.instance, *args, **kwargs)
        return found


def _built(results: Sequence, blank: list, out_tree: Any):
    """The tree of results of these classes."""
    arrays = list(map(_new, blank))
    for a, a._buffer in zip(arrays, results):  # noqa: B007  the slot is the loop's target
        pass
    return out_tree.unflatten(arrays)


def _arranged(execute: Callable, captured: list, kept: Sequence[bool]) -> Callable:
    """`execute` from the buffers of all arguments: the captured ones come before, and some are not read."""
    if not all(kept):
        return lambda buffers: execute([*captured, *compress(buffers, kept)])
    return (lambda buffers: execute(captured + buffers)) if captured else execute


def _buffers_of(leaves: Sequence) -> list | None:
    """The buffers of leaves; None where one is not plainly an array or a number."""
    try:
        return [a._buffer if type(a) is Array else _buffer_of(a) for a in leaves]
    except (AttributeError, TypeError, OverflowError):
        return None


def _buffer_of(x: Any):
    """The buffer of an argument that is no Array. Raises where it is not plainly an array or a number."""
    if type(x) is np.ndarray:
        return backend.put(x, array_type(x.shape, dtypes.canonical(x.dtype)), None, False)
    if type(x) in SCALARS:
        dtype = dtypes.scalar_dtype(type(x))
        return backend.put(np.asarray(scalar(x, dtype)), array_type((), dtype, True))
    return asarray(x)._buffer


def _resolved(marked, args) -> tuple[set[int], frozenset]:
    """The marked positions, counted from the front."""
    numbers, names = marked
    return {n % len(args) if args and n < 0 else n for n in numbers}, names


def _none_donated(leaves) -> list[bool]:
    return [False] * len(leaves)


def drop_inputs(graph: Graph, kept: Sequence[bool]) -> Graph:
    """The live part of a graph, with the kept inputs only."""
    if all(kept):
        return graph
    live = dce(graph)
    sources = [graph.sources[k] for k in live.sources]
    names = pick(graph.names, kept) if graph.names else ()
    return compact(live.types, pick(live.ins, kept), live.eqns, live.outs, sources, names)


def jit(
    fun: Callable | None = None,
    *,
    static_argnums: int | Sequence[int] | None = None,
    static_argnames: str | Iterable[str] | None = None,
    donate_argnums: int | Sequence[int] | None = None,
    donate_argnames: str | Iterable[str] | None = None,
    keep_unused: bool = False,
    device: Any = None,
    inline: bool = False,
) -> Any:
    """Compile `fun` with XLA: traced and compiled once per tree, shapes and dtypes of its arguments.

    fun: a pure function of trees of arrays. Static arguments are hashable Python values, part of the key of the trace;
    donated arrays give their memory to the results and cannot be used afterwards. Unused arguments are dropped unless
    `keep_unused`. `inline`: inside another transform the operations are recorded one by one, not as one call.
    What `fun` captures is read when it is traced, and is an input of the program, never a constant in it.
    Raises TypeError where an argument or a result is no array, UnhashableStaticError, and DonatedError on later use.
    """
    if fun is None:
        options = {k: v for k, v in locals().items() if k != "fun"}
        return lambda f: jit(f, **options)
    check_callable("jit", fun)
    statics = Statics(fun, static_argnums, static_argnames, donate_argnums, donate_argnames)
    return Jitted(fun, statics, keep_unused, inline, device)
