"""Random numbers: the very bits of the reference, laws of keys, and the distributions."""

import copy
import itertools
import math
import pickle

import numpy as np
import pytest
from scipy import stats

import functorch_lite as fl
import functorch_lite.xla.compile as xla
from functorch_lite import dtypes, lax, random
from functorch_lite.host import random as host_random
from functorch_lite.prims import random as p
from functorch_lite.random import parameters
from functorch_lite.trace import trace
from functorch_lite.transforms.vmap import vmap as vmap_pass

GRID = np.arange(12, dtype=np.float32).reshape(3, 4)
P4 = np.array([0.1, 0.2, 0.3, 0.4], np.float32)
ONE = np.float32(1)

# The bits that jax.random 0.10.2 gives for key(42), compiled on a CPU.
REFERENCE = {
    "split": ("uint32", "8f043e6d2d1722102db3d703f483d0ad"),
    "split23": ("uint32",
        "8f043e6d2d1722102db3d703f483d0adea20fb9213d9380f4669d5ba91a84b35e3ae13b0f6dd4ec3961ad9a44e542231"),
    "fold": ("uint32", "2f55d0979f71bf51"),
    "bits8": ("uint8", "a2d9f9d715"),
    "bits16": ("uint16", "a213d930f9f9d7c11573"),
    "bits32": ("uint32", "a2131c7dd93007aef9f9c39dd7c19e8f15735d73d84efb95"),
    "u32": ("float32", "2438fa3e30072e3ff8c31d3fc09e0f3fe4bae63e"),
    "u16": ("float16", "e02c1832ce3b0e3a3037"),
    "ub16": ("bfloat16", "223f583f783f563fa03d"),
    "urange": ("float32", "5f430c406dd5804021a35a4034b038408bc0e93f"),
    "uarr": ("float32",
        "eee302bf30072e3ffce1ce3fb0e723405cd75c406abf9240d764a240e4cdd840e05df64020190d41da9a154112f72d41"),
    "normal": ("float32", "15dfe7bce82bef3e6166973e243b1d3eeb04febd1a215e3e"),
    "normal0": ("float32", "15dfe7bc"),
    "normal16": ("float16", "b8bd01bbe63f9339"),
    "normalb": ("bfloat16", "b03e823ff23f7c3f"),
    "normalc": ("complex64", "62e75b3d5c4fdb3e2913b0be76a4103faf92693f8b8824bf9e1ebc3ee0fce5be"),
    "ri10": ("int32", "0400000004000000010000000900000009000000090000000700000007000000"),
    "ri16": ("int32", "01000000ffffffff04000000feffffff0a00000008000000feffffff04000000"),
    "riwide": ("int32", "c434483a12b0b149b78483aec1bc3bc38dc2589c6b9ddfb3810954d127a9069b"),
    "ri8": ("uint8", "c412b7c18d6b8127"),
    "ris8": ("int8", "449237410deb01a7"),
    "riu32": ("uint32", "e5580400ad0c0d0093a00500cc070f003cd00800b96d040085fc060098680600"),
    "riarr": ("int32", "04000000050000007340000003000000"),
    "riempty": ("int32", "050000000500000005000000"),
    "perm": ("int32", "07000000040000000200000005000000030000000600000008000000090000000000000001000000"),
    "permx": ("float32",
        "0000004000004040000000000000803f0000c0400000e040000080400000a04000002041000030410000004100001041"),
    "permi": ("float32",
        "0000004000004040000000000000803f0000e040000080400000a0400000c04000002041000030410000004100001041"),
    "perm1": ("float32", "0000004000004040000000000000803f"),
    "choice": ("int32", "0400000004000000010000000900000009000000"),
    "choicenr": ("int32", "0700000004000000020000000500000003000000"),
    "choicex": ("float32",
        "0000000000000040000040400000803f000080400000c0400000e0400000a04000000041000020410000304100001041"),
    "choicep": ("int32", "020000000200000002000000020000000200000002000000"),
    "choicepnr": ("int32", "030000000200000001000000"),
    "choicexnr": ("float32", "00000041000010410000204100003041000000000000803f0000004000004040"),
    "choice0": ("float32", "00000000"),
    "bern": ("bool", "0000000000000100"),
    "bernh": ("bool", "0000000000000100"),
    "bern0": ("bool", "01"),
    "rad": ("int32", "01000000ffffffffffffffffffffffff01000000ffffffff"),
    "radf": ("float32", "0000803f000080bf000080bf000080bf0000803f000080bf"),
    "cat": ("int32", "030000000300000003000000"),
    "cat0": ("int32", "02000000020000000200000002000000"),
    "cats": ("int32",
        "030000000300000003000000030000000300000003000000010000000100000003000000030000000300000003000000"
        "030000000100000003000000"),
    "catnr": ("int32", "010000000300000003000000020000000100000001000000"),
    "gumbel": ("float32", "4a0eab3e8cb7733f5fbc393ff8540c3f8f3f683e"),
    "gumbelh": ("float32", "8b6bcc3e541805bed184303d421c473eb331033f"),
    "expo": ("float32", "b2ba2b3f38c4913fb133753f4cc3523fb358193f"),
    "tn": ("float32", "af3e173e9b85113fa890d73eab95993e8c8b8d3d"),
    "tna": ("float32", "b5ae30bfd3b74c3ea890d73e4d77453f"),
    "laplace": ("float32", "391abb3cb42ce4be358387bed54405bebbd8d43d"),
    "logistic": ("float32", "900339bd1cba403faa8ff23e742c7b3ef4d14abe"),
    "cauchy": ("float32", "555811bde03b223f40cfc33e78ba463e780f20be"),
    "pareto": ("float32", "7002b33fd633e23fd6a1ce3fc230c13f47b2ac3f"),
    "maxwell": ("float32", "95b70d3f7629963e81b3da3f2515c13fbb2ce73f"),
    "dsm": ("float32", "a48ae1bfd0e7b3be9935ae406c781640e2548b40"),
    "weib": ("float32", "b62cc43f02960b40ecbff83f35e0e03f99e9b53f"),
    "ray": ("float32", "dd2b194052ebe03f68e3fb3f7d9f0940cc9c2140"),
    "logn": ("float32", "0c677c3f22ada13f4765943fc9368a3f279b703f"),
    "tri": ("float32", "26782e3f8ce3743f2c975b3fd23e473f6621223f"),
    "geo": ("int32", "040000000200000003000000030000000400000003000000"),
    "wald": ("float32", "11b4d23fb6b12c40c029b43eb84f4d3f542b853f"),
    "bits64": ("uint64", "2d1722108f043e6df483d0ad2db3d70313d9380fea20fb92"),
    "u64": ("float64", "8408c423814fdb3f00846e6d99bd8e3f1ae7411d645fe23f74a9c628ad5ae73f"),
    "n64": ("float64", "5921966ca2a4c7bf3abaa7facc5b01c06004b51081edc73f5643a084ad97e33f"),
    "ri64": ("int64", "35e6ddb43d020000be1676194090000097ccc026633702002f30f4471d9b0000a1c3dedc9e410200"),
    "ri64full": ("int64", "35b6b307f182fb3dbed6a345ac66120c974cd72120c8548f2fb04811ee0c73d2a1232de82ce17574"),
    "ru64": ("uint64", "35b69f87d13b9209bed6bbbba7434b01974c737a6c1174012fb054cc6b7b0f0da12389ca3ebf8908"),
    "nc128": ("complex128",
        "b975e2706d4ce0bfbaeb373f2769dd3fd3a32f3bbe96c7bf73b6ce476972b53f373b83b65706f33f2f2e993bd899f1bf"),
}

SAMPLERS = {
    "split": lambda k: random.key_data(random.split(k)),
    "split23": lambda k: random.key_data(random.split(k, (2, 3))),
    "fold": lambda k: random.key_data(random.fold_in(k, 7)),
    "bits8": lambda k: random.bits(k, (5,), "uint8"),
    "bits16": lambda k: random.bits(k, (5,), "uint16"),
    "bits32": lambda k: random.bits(k, (2, 3)),
    "bits64": lambda k: random.bits(k, (3,), "uint64"),
    "u32": lambda k: random.uniform(k, (5,)),
    "u16": lambda k: random.uniform(k, (5,), "float16"),
    "ub16": lambda k: random.uniform(k, (5,), "bfloat16"),
    "u64": lambda k: random.uniform(k, (4,), "float64"),
    "urange": lambda k: random.uniform(k, (5,), minval=-2.5, maxval=7.1),
    "uarr": lambda k: random.uniform(k, (3, 4), minval=GRID - 1, maxval=GRID),
    "normal": lambda k: random.normal(k, (6,)),
    "normal0": lambda k: random.normal(k),
    "normal16": lambda k: random.normal(k, (4,), "float16"),
    "normalb": lambda k: random.normal(k, (4,), "bfloat16"),
    "normalc": lambda k: random.normal(k, (4,), "complex64"),
    "n64": lambda k: random.normal(k, (4,), "float64"),
    "nc128": lambda k: random.normal(k, (3,), "complex128"),
    "ri10": lambda k: random.randint(k, (8,), 0, 10),
    "ri16": lambda k: random.randint(k, (8,), -3, 13),
    "riwide": lambda k: random.randint(k, (8,), -(2**31), 2**31 - 1),
    "ri8": lambda k: random.randint(k, (8,), 0, 256, "uint8"),
    "ris8": lambda k: random.randint(k, (8,), -200, 200, "int8"),
    "riu32": lambda k: random.randint(k, (8,), 0, 1000003, "uint32"),
    "ri64": lambda k: random.randint(k, (5,), -(10**12), 10**15, "int64"),
    "ri64full": lambda k: random.randint(k, (5,), -(2**63), 2**63 - 1, "int64"),
    "ru64": lambda k: random.randint(k, (5,), 0, 10**18, "uint64"),
    "riarr": lambda k: random.randint(
        k, (4,), np.array([0, 5, -7, 3], np.int32), np.array([10, 5, 100000, 2], np.int32)),
    "riempty": lambda k: random.randint(k, (3,), 5, 2),
    "perm": lambda k: random.permutation(k, 10),
    "permx": lambda k: random.permutation(k, GRID, 1),
    "permi": lambda k: random.permutation(k, GRID, 1, independent=True),
    "perm1": lambda k: random.permutation(k, GRID[0]),
    "choice": lambda k: random.choice(k, 10, (5,)),
    "choicenr": lambda k: random.choice(k, 10, (5,), replace=False),
    "choicex": lambda k: random.choice(k, GRID, (2, 2), axis=1),
    "choicep": lambda k: random.choice(k, 4, (6,), p=P4),
    "choicepnr": lambda k: random.choice(k, 4, (3,), replace=False, p=P4),
    "choicexnr": lambda k: random.choice(k, GRID, (2,), replace=False),
    "choice0": lambda k: random.choice(k, GRID[0]),
    "bern": lambda k: random.bernoulli(k, 0.3, (8,)),
    "bernh": lambda k: random.bernoulli(k, np.float32(0.3), (8,), mode="high"),
    "bern0": lambda k: random.bernoulli(k),
    "rad": lambda k: random.rademacher(k, (6,)),
    "radf": lambda k: random.rademacher(k, (6,), "float32"),
    "cat": lambda k: random.categorical(k, GRID),
    "cat0": lambda k: random.categorical(k, GRID, axis=0),
    "cats": lambda k: random.categorical(k, GRID, shape=(5, 3)),
    "catnr": lambda k: random.categorical(k, GRID * np.float32(0.01), shape=(2, 3), replace=False),
    "gumbel": lambda k: random.gumbel(k, (5,)),
    "gumbelh": lambda k: random.gumbel(k, (5,), mode="high"),
    "expo": lambda k: random.exponential(k, (5,)),
    "tn": lambda k: random.truncated_normal(k, -1.0, 2.0, (5,)),
    "tna": lambda k: random.truncated_normal(k, GRID[0] - 3, GRID[0]),
    "laplace": lambda k: random.laplace(k, (5,)),
    "logistic": lambda k: random.logistic(k, (5,)),
    "cauchy": lambda k: random.cauchy(k, (5,)),
    "pareto": lambda k: random.pareto(k, 2 * ONE, (5,)),
    "maxwell": lambda k: random.maxwell(k, (5,)),
    "dsm": lambda k: random.double_sided_maxwell(k, ONE, 2 * ONE, (5,)),
    "weib": lambda k: random.weibull_min(k, 2 * ONE, 1.5 * ONE, (5,)),
    "ray": lambda k: random.rayleigh(k, 2 * ONE, (5,)),
    "logn": lambda k: random.lognormal(k, 0.5 * ONE, (5,)),
    "tri": lambda k: random.triangular(k, 0 * ONE, np.float32(0.3), 2 * ONE, (5,)),
    "geo": lambda k: random.geometric(k, np.float32(0.2), (6,)),
    "wald": lambda k: random.wald(k, 1.5 * ONE, (5,)),
}


def reference(name):
    dtype, bits = REFERENCE[name]
    return np.frombuffer(bytes.fromhex(bits), dtypes.canonical(dtype))


def is_near(got, want, ulps):
    """Equal bits where the values are integers or plain uniform numbers, else a distance in units of the last place."""
    if not dtypes.is_inexact(want.dtype):
        np.testing.assert_array_equal(got, want)
        return
    wide = np.complex128 if want.dtype.kind == "c" else np.float64
    apart = np.abs(got.astype(wide) - want.astype(wide))
    assert np.all(apart <= ulps * float(dtypes.finfo(want.dtype).eps) * np.abs(want.astype(wide))), (apart, got, want)


EXACT = ("u32", "u16", "ub16", "u64")


def test_the_table_is_complete():
    assert set(SAMPLERS) == set(REFERENCE)


@pytest.mark.parametrize("name", SAMPLERS)
def test_eager_bits(name):
    """Floats that took logarithms or roots on the way agree to rounding."""
    got = np.asarray(SAMPLERS[name](random.key(42)))
    want = reference(name).reshape(got.shape)
    assert got.dtype == want.dtype
    is_near(got, want, 0 if name in EXACT else 8)


@pytest.mark.parametrize("part", range(4))
def test_compiled_bits(part):
    names = list(SAMPLERS)[part::4]
    results = fl.jit(lambda k: {name: SAMPLERS[name](k) for name in names})(random.key(42))
    for name, got in results.items():
        got = np.asarray(got)
        is_near(got, reference(name).reshape(got.shape), 0 if name in EXACT else 4)


# ---- the cipher ----


def test_the_cipher_gives_the_published_vectors():
    """Random123's known answers for threefry2x32 with 20 rounds."""
    ff = 0xFFFFFFFF
    known = {
        (0, 0, 0, 0): (0x6B200159, 0x99BA4EFE),
        (ff, ff, ff, ff): (0x1CB996FC, 0xBB002BE7),
        (0x13198A2E, 0x03707344, 0x243F6A88, 0x85A308D3): (0xC4923A9C, 0x483DF7A0),
    }
    words = [np.array(column, np.uint32) for column in zip(*known, strict=True)]
    types = [fl.numpy.asarray(w).type for w in words]
    graph = trace(lambda *w: p.threefry2x32(*w), types, transform="test").graph
    want = np.array(list(known.values()), np.uint32).T
    np.testing.assert_array_equal(fl.numpy.stack(p.threefry2x32(*words)), want)
    np.testing.assert_array_equal(xla.run_values(graph, words), want)
    for (a, b, c, d), made in known.items():
        assert host_random.few_blocks(a, b, c, d, 1) == made


@pytest.mark.parametrize("width", [8, 16, 32, 64])
def test_all_ways_to_compute_bits_agree(width):
    """A few blocks, a piece, many pieces and the compiled program give one stream; so does a batch of keys."""
    keys = np.arange(8, dtype=np.uint32).reshape(2, 2, 2)
    sizes = [0, 1, 5, host_random._FEW, host_random._FEW + 1, host_random._PIECE + 3, host_random._CHUNK + 5]
    longest = np.asarray(p.random_bits(keys[0, 0], (sizes[-1],), width))
    for n in sizes[:-1]:
        np.testing.assert_array_equal(p.random_bits(keys[0, 0], (n,), width), longest[:n])
    for shape in ((), (3,), (7, 5), (70, 20)):
        rows = np.asarray(p.random_bits(keys, shape, width))
        for i, j in np.ndindex(2, 2):
            np.testing.assert_array_equal(rows[i, j], p.random_bits(keys[i, j], shape, width))
    np.testing.assert_array_equal(longest[: 2 * 3 * 4].reshape(2, 3, 4), p.random_bits(keys[0, 0], (2, 3, 4), width))


def test_the_compiled_program_continues_where_it_stopped(monkeypatch):
    want = np.asarray(p.random_bits(np.array([3, 4], np.uint32), (1000,), 32))
    monkeypatch.setattr(host_random, "_WORTH_COMPILING", 300)
    monkeypatch.setattr(host_random, "_CHUNK", 128)
    host_random._chunk_graph.cache_clear()
    high, low = host_random.stream(np.array([3, 4], np.uint32), 1000)
    host_random._chunk_graph.cache_clear()
    np.testing.assert_array_equal(high ^ low, want)


def test_large_samples_are_compiled(monkeypatch):
    key = random.key(1)
    small = np.asarray(random.normal(key, (50,)))
    monkeypatch.setattr(parameters, "_COMPILED_FROM", 50)
    is_near(np.asarray(random.normal(key, (50,))), small, 4)


# ---- keys ----


def test_seeds():
    words = lambda seed: np.asarray(random.PRNGKey(seed)).tolist()
    assert words(7) == [0, 7] and words(-1) == [0, 2**32 - 1] and words(2**32 - 1) == [0, 2**32 - 1]
    assert words(2**40 + 5) == [256, 5] and words(2**64 - 1) == [2**32 - 1] * 2 and words(-(2**40)) == [2**32 - 256, 0]
    assert words(True) == [0, 1] and words(np.int8(-1)) == [0, 2**32 - 1]
    traced = lambda seed: np.asarray(fl.jit(random.PRNGKey)(seed)).tolist()
    assert traced(np.int32(-1)) == [0, 2**32 - 1] and traced(np.int64(2**40 + 5)) == [256, 5]
    assert traced(np.uint8(9)) == [0, 9]


def test_a_key_is_a_tree_node_with_one_leaf():
    key = random.key(3)
    keys = random.split(key, (2, 3))
    assert (keys.shape, keys.ndim, keys.size, len(keys)) == ((2, 3), 2, 6, 2) and str(keys.dtype) == "key<fry>"
    assert keys[1].shape == (3,) and keys[0, 2].shape == () and keys[..., 0].shape == (2,)
    assert keys[:, 1:].shape == (2, 2)
    assert [k.shape for k in keys] == [(3,)] * 2 and keys.reshape(3, -1).shape == (3, 2) and keys.ravel().shape == (6,)
    (leaf,), structure = fl.tree.flatten(keys)
    assert leaf.shape == (2, 3, 2) and leaf.dtype == np.uint32 and type(structure.unflatten([leaf])) is random.Key
    assert bool(keys[0, 1] == random.wrap_key_data(np.asarray(random.key_data(keys))[0, 1]))
    np.testing.assert_array_equal(keys[0] == keys[1], [False] * 3)
    np.testing.assert_array_equal(keys[0] != keys[1], [True] * 3)
    assert bool(random.clone(key) == key) and random.key_impl(key) == "threefry2x32"
    assert bool(pickle.loads(pickle.dumps(key)) == key) and bool(copy.deepcopy(key) == key)
    with pytest.raises(TypeError, match="no hash"):
        hash(key)


def test_new_and_raw_keys_give_the_same():
    new, raw = random.key(5), random.PRNGKey(5)
    assert type(random.split(new)) is random.Key and type(random.fold_in(new, 1)) is random.Key
    np.testing.assert_array_equal(random.key_data(random.split(new)), random.split(raw))
    np.testing.assert_array_equal(random.key_data(random.fold_in(new, 9)), random.fold_in(raw, 9))
    np.testing.assert_array_equal(random.normal(new, (3,)), random.normal(np.array([0, 5], np.uint32), (3,)))


def test_keys_go_through_transforms():
    """jit, vmap, grad and loops take keys; a mapped sampler is the loop over the keys."""
    keys = random.split(random.key(1), 4)
    draw = lambda k: random.normal(k, (3,))
    want = np.stack([draw(k) for k in keys])
    np.testing.assert_array_equal(fl.vmap(draw)(keys), want)
    np.testing.assert_allclose(fl.jit(fl.vmap(draw))(keys), want, rtol=1e-6)
    made = fl.vmap(lambda k: random.split(k, 2))(keys)
    assert type(made) is random.Key and made.shape == (4, 2)
    np.testing.assert_array_equal(
        random.key_data(fl.vmap(random.fold_in, in_axes=(None, 0))(keys[0], np.arange(3))),
        np.stack([random.key_data(random.fold_in(keys[0], i)) for i in range(3)]))
    np.testing.assert_array_equal(
        random.key_data(fl.vmap(random.fold_in)(keys, np.arange(4))),
        np.stack([random.key_data(random.fold_in(k, i)) for i, k in enumerate(keys)]))
    grad = fl.grad(lambda scale, k: fl.numpy.sum(scale * random.normal(k, (3,))))(2.0, keys[0])
    np.testing.assert_allclose(grad, np.sum(want[0]), rtol=1e-6)
    last, rows = lax.scan(lambda k, _: (random.split(k)[0], random.uniform(k)), keys[0], None, length=3)
    k = keys[0]
    for u in np.asarray(rows):
        assert u == random.uniform(k)
        k = random.split(k)[0]
    assert bool(last == k)


@pytest.mark.parametrize("batched", [c for c in itertools.product([False, True], repeat=4) if any(c)])
def test_vmap_of_the_cipher(batched):
    rng = np.random.default_rng(0)
    words = [rng.integers(0, 2**32, (3, 2) if b else (2,), dtype=np.uint32) for b in batched]
    types = [fl.numpy.asarray(w[0] if b else w).type for w, b in zip(words, batched, strict=True)]
    graph = trace(lambda *w: p.threefry2x32(*w), types, transform="test").graph
    new, mask = vmap_pass(graph, 3, batched)
    rows = [[w[i] if b else w for w, b in zip(words, batched, strict=True)] for i in range(3)]
    want = [np.stack(column) for column in zip(*[p.threefry2x32(*r) for r in rows], strict=True)]
    assert mask == (True, True)
    np.testing.assert_array_equal(xla.run_values(new, words), want)


# ---- distributions ----

DISTRIBUTIONS = {
    "uniform": (lambda k, n: random.uniform(k, n, minval=-1, maxval=3), stats.uniform(-1, 4)),
    "normal": (random.normal, stats.norm()),
    "truncated_normal": (lambda k, n: random.truncated_normal(k, -1, 2, n), stats.truncnorm(-1, 2)),
    "lognormal": (lambda k, n: random.lognormal(k, 0.7, n), stats.lognorm(0.7)),
    "maxwell": (random.maxwell, stats.maxwell()),
    "double_sided_maxwell": (lambda k, n: random.double_sided_maxwell(k, 0, 1, n), stats.dweibull(1)),
    "wald": (lambda k, n: random.wald(k, 1.5, n), stats.invgauss(1.5)),
    "exponential": (random.exponential, stats.expon()),
    "laplace": (random.laplace, stats.laplace()),
    "logistic": (random.logistic, stats.logistic()),
    "cauchy": (random.cauchy, stats.cauchy()),
    "gumbel": (random.gumbel, stats.gumbel_r()),
    "gumbel, high": (lambda k, n: random.gumbel(k, n, mode="high"), stats.gumbel_r()),
    "rayleigh": (lambda k, n: random.rayleigh(k, 2.0, n), stats.rayleigh(scale=2)),
    "pareto": (lambda k, n: random.pareto(k, 2.5, n), stats.pareto(2.5)),
    "weibull_min": (lambda k, n: random.weibull_min(k, 2.0, 1.5, n), stats.weibull_min(1.5, scale=2)),
    "triangular": (lambda k, n: random.triangular(k, 0.0, 1.0, 4.0, n), stats.triang(0.25, 0, 4)),
}


@pytest.mark.parametrize("name", DISTRIBUTIONS)
def test_distributions(name):
    """Kolmogorov-Smirnov at 10,000 numbers of 64 bits."""
    draw, law = DISTRIBUTIONS[name]
    with fl.config.default_dtype("float64"):
        x = np.asarray(draw(random.key(11), (10_000,)))
    assert x.dtype == np.float64
    if name == "double_sided_maxwell":
        x, law = np.abs(x), stats.maxwell()
    assert stats.kstest(x, law.cdf).pvalue > 1e-3


def test_discrete_distributions():
    key, n = random.key(12), 20_000
    share = lambda x: np.bincount(np.asarray(x), minlength=4) / n
    near = lambda got, want: np.testing.assert_allclose(got, want, atol=4 / math.sqrt(n))
    near(share(random.randint(key, (n,), 0, 5)), [0.2] * 5)
    near(share(random.choice(key, 4, (n,), p=P4)), P4)
    near(share(random.categorical(key, np.log(P4), shape=(n,))), P4)
    near(np.mean(random.bernoulli(key, 0.3, (n,))), 0.3)
    near(np.mean(random.rademacher(key, (n,))), 0)
    near(np.mean(np.asarray(random.geometric(key, 0.4, (n,))) == 1), 0.4)
    first = np.asarray(random.split(random.key(0), 300)._words)
    places = [int(np.flatnonzero(np.asarray(random.permutation(w, 4)) == 0)[0]) for w in first]
    np.testing.assert_allclose(np.bincount(places) / 300, 0.25, atol=0.12)


def test_permutations_keep_the_elements():
    key, x = random.key(3), np.arange(24.0).reshape(2, 3, 4)
    assert sorted(np.asarray(random.permutation(key, 50)).tolist()) == list(range(50))
    for axis in (0, 1, -1):
        y = np.asarray(random.permutation(key, x, axis))
        np.testing.assert_array_equal(np.sort(y, axis), x)
        z = np.asarray(random.permutation(key, x, axis, independent=True))
        np.testing.assert_array_equal(np.sort(z, axis), x)
    assert random.permutation(key, 0).shape == (0,)
    assert sorted(np.asarray(random.choice(key, 9, (3, 3), replace=False)).ravel().tolist()) == list(range(9))
    assert random.choice(key, x, (5, 2), axis=1).shape == (2, 5, 2, 4) and random.choice(key, x, (0,), axis=1).size == 0


def test_derivatives_flow_through_parameters():
    key = random.key(2)
    u = np.asarray(random.uniform(key, (5,)))
    low, high = fl.grad(lambda a, b: fl.numpy.sum(random.uniform(key, (5,), minval=a, maxval=b)), (0, 1))(1.0, 3.0)
    np.testing.assert_allclose([low, high], [np.sum(1 - u), np.sum(u)], rtol=1e-5)
    f = lambda s: fl.numpy.sum(random.lognormal(key, s, (4,)))
    x = np.asarray(random.normal(key, (4,)))
    np.testing.assert_allclose(fl.grad(f)(0.5), np.sum(x * np.exp(0.5 * x)), rtol=1e-5)


def test_default_dtype():
    key = random.key(0)
    with fl.config.default_dtype("float64"):
        assert random.normal(key).dtype == np.float64 and random.randint(key, (), 0, 3).dtype == np.int64
        assert random.bits(key).dtype == np.uint32
    assert random.normal(key).dtype == np.float32 and random.categorical(key, np.zeros(3)).dtype == np.int32
    with fl.config.default_dtype("float64"):  # the signs too are drawn in the default dtype
        signed = np.asarray(random.double_sided_maxwell(random.key(0), 0.0, 1.0, (4,)))
    np.testing.assert_allclose(signed, [1.98461204, -2.4782074, -1.6334815, -1.98221079], rtol=1e-8)


# ---- errors ----

KEY = random.key(0)


@pytest.mark.parametrize(
    ("fun", "error", "words"),
    [
        (lambda: random.normal(3), TypeError, r"takes a key, got int .* use `random.key\(3\)`"),
        (lambda: random.normal(np.zeros(2)), TypeError, r"takes a key, got f64\[2\]"),
        (lambda: random.normal(np.zeros(3, np.uint32)), TypeError, r"takes a key, got u32\[3\]"),
        (lambda: random.normal(random.split(KEY)), ValueError, r"a batch of them, key<fry>\[2\], .*use `vmap`"),
        (lambda: random.split(np.zeros((3, 2), np.uint32)), ValueError, r"a batch of them, u32\[3,2\], .*use `vmap`"),
        (lambda: random.key(1.5), TypeError, "a seed is an integer"),
        (lambda: random.key(KEY), TypeError, "takes a seed, got a key"),
        (lambda: random.key(np.arange(3)), TypeError, r"a single seed, got i64\[3\]"),
        (lambda: random.key(2**64), OverflowError, "more than 64 bits"),
        (lambda: random.key(0, impl="rbg"), ValueError, "'rbg' .* is unknown"),
        (lambda: random.fold_in(KEY, -1), OverflowError, "does not fit u32"),
        (lambda: random.fold_in(KEY, np.zeros(2)), TypeError, "a single integer"),
        (lambda: random.split(KEY, -1), ValueError, "negative size"),
        (lambda: random.bits(KEY, dtype="int32"), TypeError, "i32 does not hold bits"),
        (lambda: random.uniform(KEY, dtype="int32"), TypeError, "floats, not i32"),
        (lambda: random.uniform(KEY, "ab"), TypeError, "a shape is a tuple of integers"),
        (lambda: random.uniform(KEY, (2,), minval=np.zeros(3)), ValueError, r"\(3,\), \(\) do not broadcast to"),
        (lambda: random.randint(KEY, (), 0, 1, "float32"), TypeError, "integers, not f32"),
        (lambda: random.bernoulli(KEY, 1), TypeError, "floats, not i32"),
        (lambda: random.bernoulli(KEY, 0.5, mode="best"), ValueError, "mode='best'"),
        (lambda: random.gumbel(KEY, mode="best"), ValueError, "mode='best'"),
        (lambda: random.rademacher(KEY, dtype="uint8"), TypeError, "does not hold -1"),
        (lambda: random.choice(KEY, 3, (4,), replace=False), ValueError, "a sample of 4 out of 3"),
        (lambda: random.choice(KEY, 0, (4,)), ValueError, "nothing to draw from"),
        (lambda: random.choice(KEY, 3, (2,), p=np.ones(4)), ValueError, r"each of the 3 .* got f64\[4\]"),
        (lambda: random.categorical(KEY, np.zeros((3, 4)), shape=(2,)), ValueError, r"broadcast to the shape \(2,\)"),
        (lambda: random.categorical(KEY, np.zeros(4), shape=(5,), replace=False), ValueError, "5 of 4 positions"),
        (lambda: random.permutation(KEY, 2.5), TypeError, "an integer or an array with axes"),
        (lambda: KEY[0], IndexError, "a single key cannot be indexed"),
        (lambda: len(KEY), TypeError, "a single key"),
        (lambda: random.split(KEY, 4).reshape(3), ValueError, "4 keys of shape"),
        (lambda: p.random_bits(np.zeros(3, np.uint32), (), 32), ValueError, r"a key is u32\[..., 2\]"),
    ],
)
def test_errors(fun, error, words):
    with pytest.raises(error, match=words) as caught:
        fun()
    assert "test_random.py:" in str(caught.value)
