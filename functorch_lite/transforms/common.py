"""What all passes share: the cache, masks, and the trace that a pass is."""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable, Iterable, Sequence

from functorch_lite.bulk import Paused
from functorch_lite.ir import Eqn, Graph, Lit
from functorch_lite.trace import repeat, this_frame, trace

MAX_EQUATIONS = 50_000  # that one pass may hold in its cache, an entry counting for 20: some ten to a hundred MB
MAX_DEPTH = 100  # nested graphs; each level costs several Python frames

_depth = threading.local()
_caches: dict[str, _Cache] = {}


class _Cache(dict):
    """key -> [result, when it was last used]; a hit costs one look-up, and the old ones go by halves."""

    weight = clock = 0

    def add(self, key, made) -> None:
        with _lock:
            self[key] = [made, self.clock]
            self.weight += _weight(key) + _weight(made)
            if self.weight > MAX_EQUATIONS and len(self) > 1:
                for old, _ in sorted(self.items(), key=lambda item: item[1][1])[: max(1, len(self) // 2)]:
                    self.weight -= _weight(old) + _weight(self.pop(old)[0])


_lock = threading.Lock()


def rewrite(fun: Callable) -> Callable:
    """Cache a pass by its arguments, a graph and other values; those not used for longest go when too much is held."""
    name = fun.__name__
    cache = _caches[name] = _Cache()

    @functools.wraps(fun)
    def wrapped(*args):
        if args[0].open:  # it holds a user's rule: another object each time, which must not be kept
            return fun(*args)
        entry = cache.get(args)
        if entry is not None:
            cache.clock = entry[1] = cache.clock + 1
            return entry[0]
        depth = getattr(_depth, "value", 0)
        if depth > MAX_DEPTH:
            raise RecursionError(f"{name}: graphs are nested deeper than {MAX_DEPTH} calls; flatten the program")
        _depth.value = depth + 1
        with Paused():
            try:
                made = fun(*args)
            finally:
                _depth.value = depth
            cache.add(args, made)  # what it drops is freed before a collection could walk it
        return made

    return wrapped


def within(rewritten: Callable, *args):
    """What a pass makes of its arguments inside of another one, which is kept: then this need not be."""
    return rewritten.__wrapped__(*args)


def _weight(made) -> int:
    if type(made) is Graph:
        return 20 + len(made.eqns)
    return sum(map(_weight, made)) if isinstance(made, tuple) else getattr(made, "weight", 1)


def cache_sizes() -> dict[str, tuple[int, int]]:
    """Per pass: (entries, equations held)."""
    return {name: (len(cache), cache.weight) for name, cache in _caches.items()}


def clear_caches() -> None:
    """Forget the results of all passes."""
    with _lock:
        for cache in _caches.values():
            cache.clear()
            cache.weight = 0


def pick(items: Iterable, mask: Iterable[bool], want: bool = True) -> tuple:
    """The items whose mask is `want`."""
    return tuple([x for x, m in zip(items, mask, strict=True) if m == want])


def spread(items: Iterable, mask: Iterable[bool]) -> list:
    """The inverse of `pick`: the items in the places of `mask`, None elsewhere."""
    it = iter(items)
    return [next(it) if m else None for m in mask]


def rebuild(body: Callable, types: Sequence, transform: str) -> Graph:
    """Trace the body of a pass. It may create constants, and closes over nothing."""
    graph, captured = trace(body, types, transform=transform)
    assert not captured, f"{transform} captured {captured}"
    return graph


def visit(graph: Graph):
    """The equations in order with their parameters, each made the source of what its rules record."""
    frame = this_frame()
    before = frame.source
    try:
        for k, eqn in enumerate(graph.eqns):
            frame.source = k
            yield eqn, dict(eqn.params)
    finally:
        frame.source = before


def read(env, ins) -> list:
    return [a.value if type(a) is Lit else env[a] for a in ins]


def again(graph: Graph, eqn: Eqn, env):
    """Record an equation of `graph` with the values of `env`."""
    return repeat(eqn, graph.types, env)


def via(graph: Graph, first: Graph) -> Graph:
    """`graph`, derived from `first`, with the sources `first` has: indices then refer to the graph it came from."""
    return graph.sourced(tuple([first.sources[s] if type(s) is int else s for s in graph.sources]))
