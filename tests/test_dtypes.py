"""Data types and promotion: the lattice against facts read off JAX 0.10 with 64-bit types on."""

import itertools
import threading

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from functorch_lite import dtypes, errors
from functorch_lite.config import config, disable_jit

# One letter per node, in this order; the last three are Python scalars (weak).
NODES = (
    "bool uint2 uint4 uint8 uint16 uint32 uint64 int2 int4 int8 int16 int32 int64 float4_e2m1fn float8_e3m4 "
    "float8_e4m3 float8_e4m3b11fnuz float8_e4m3fn float8_e4m3fnuz float8_e5m2 float8_e5m2fnuz float8_e8m0fnu "
    "bfloat16 float16 float32 float64 complex64 complex128 int float complex"
).split()
LETTERS = "abcdefghijklmnopqrstuvwxyzABCDE"
WEAK = {"C": int, "D": float, "E": complex}
CONCRETE = [dtypes.canonical(name) for name in NODES[:-3]]

# Row a, column b: what a and b promote to; "." where JAX raises.
PAIRS = """
    abcdefghijklmnopqrstuvwxyzABCDE
    bb..........................b..
    c.c.........................c..
    d..defg..kklmnopqrstuvwxyzABdDE
    e..eefg..lllmnopqrstuvwxyzABeDE
    f..fffg..mmmmnopqrstuvwxyzABfDE
    g..gggg..DDDDnopqrstuvwxyzABgDE
    h......h....................h..
    i.......i...................i..
    j..klmD..jklmnopqrstuvwxyzABjDE
    k..klmD..kklmnopqrstuvwxyzABkDE
    l..llmD..lllmnopqrstuvwxyzABlDE
    m..mmmD..mmmmnopqrstuvwxyzABmDE
    n..nnnn..nnnnn..............nn.
    o..oooo..oooo.o.............oo.
    p..pppp..pppp..p............pp.
    q..qqqq..qqqq...q...........qq.
    r..rrrr..rrrr....r..........rr.
    s..ssss..ssss.....s.........ss.
    t..tttt..tttt......t........tt.
    u..uuuu..uuuu.......u.......uu.
    v..vvvv..vvvv........v......vv.
    w..wwww..wwww.........wyyzABwwA
    x..xxxx..xxxx.........yxyzABxxA
    y..yyyy..yyyy.........yyyzAByyA
    z..zzzz..zzzz.........zzzzBBzzB
    A..AAAA..AAAA.........AAABABAAA
    B..BBBB..BBBB.........BBBBBBBBB
    CbcdefghijklmnopqrstuvwxyzABCDE
    D..DDDD..DDDDnopqrstuvwxyzABDDE
    E..EEEE..EEEE.........AAABABEEE
""".split()

# Three or four operands, then the result.
MANY = """
    lsCs qejq ABkB xkwy gDss djrr wDzlz ktdt lzfz aduu lAdA tagt Dvav wmgw lCxx ACDA fwvg. vfav Djulu ltjt ewjmw
    wkfw AxeA gaww zzdz ldBeB gmss aeee kkzz jlmrr jdpp nddn Dppkp dpdp CeDfD dmrr dpmp gub. tedt omlo Aedt. CkAkA
    zeBB jrCr vCav fuDu wezlz ttet mzyz EDmE DxBB EdeE xEaA lwaw lfam gagg jlww eaEE lkpp jDCD ukfs. EezB jlnn
    oglo Epc. kDqq ygjy gjdD dmmss qkpu. jexx pmCp fknn eqkeq Dfoo tjtt flam uaeu tdtt zkkz lgAgA CDgD eABB DlkD
    drCr zwdfz dmuu fezaz Cmem syw. xeAA ymly zExB etmt gAkzB xxEA alss ukx. nmann hEa. xzAB mauDu ajqq xdmx kzEEB
    fDBB kBxB ljuu fazz any. kgww zeBB Call dEgfE mwCAA mpDp kmCm temt kwww Cyky
""".split()


def promoted(letters: str) -> str:
    """The letter of the dtype that these meet in, by the library; "." if it raises TypeError."""
    given_weak = tuple(letter in WEAK for letter in letters)
    given_dtypes = tuple(
        dtypes.scalar_dtype(WEAK[letter]) if letter in WEAK else CONCRETE[LETTERS.index(letter)] for letter in letters
    )
    try:
        dtype, weak = dtypes.promote(given_dtypes, given_weak)
    except TypeError:
        return "."
    if not weak:
        return LETTERS[CONCRETE.index(dtype)]
    return {"i": "C", "f": "D", "c": "E"}[dtypes.kind(dtype)]


@pytest.mark.parametrize("default", ["float32", "float64"])
def test_two_operands_promote_as_in_jax(default):
    with config.default_dtype(default):
        rows = ["".join(promoted(a + b) for b in LETTERS) for a in LETTERS]
    assert rows == PAIRS


@pytest.mark.parametrize("default", ["float32", "float64"])
def test_many_operands_promote_as_in_jax(default):
    with config.default_dtype(default):
        assert [fact[:-1] + promoted(fact[:-1]) for fact in MANY] == MANY


@given(st.lists(st.sampled_from(LETTERS), min_size=1, max_size=5), st.randoms(use_true_random=False))
def test_promotion_does_not_depend_on_the_order(letters, random):
    shuffled = random.sample(letters, len(letters))
    assert promoted("".join(shuffled)) == promoted("".join(letters))


@given(st.lists(st.tuples(st.sampled_from(CONCRETE), st.booleans()), min_size=1, max_size=4))
def test_promoting_a_result_with_its_operands_changes_nothing(operands):
    operands = [(dtype, weak and not dtypes.is_bool(dtype)) for dtype, weak in operands]
    try:
        result = dtypes.promote(*zip(*operands, strict=True))
    except TypeError:
        return
    assert dtypes.promote(*zip(result, *operands, strict=True)) == result
    assert dtypes.promote((result[0],), (result[1],)) == result


def test_weak_results_keep_the_width_of_the_weak_operands():
    i32, i64, u64, f32, f64, c64, c128 = map(
        dtypes.canonical, "int32 int64 uint64 float32 float64 complex64 complex128".split()
    )
    assert dtypes.promote((i64, f32), (False, True)) == (f32, True)
    assert dtypes.promote((i64, f64), (False, True)) == (f64, True)
    assert dtypes.promote((i32, f32), (True, True)) == (f32, True)
    assert dtypes.promote((f64, c64), (True, True)) == (c128, True)
    assert dtypes.promote((u64, i64), (False, False)) == (f64, True)
    assert dtypes.promote((u64, i64, f32), (False, False, True)) == (f64, True)
    assert dtypes.promote((f32, f32), (False, True)) == (f32, False)


def test_an_error_of_promotion_names_both():
    narrow = dtypes.canonical("float8_e4m3fn"), dtypes.canonical("float8_e5m2")
    with pytest.raises(TypeError, match=r"float8_e4m3fn and float8_e5m2 have no implicit promotion; convert one"):
        dtypes.promote(narrow, (False, False))


@pytest.mark.parametrize("dtype", CONCRETE, ids=str)
def test_every_spelling_of_a_dtype_is_the_same(dtype):
    spellings = [dtype, dtype.type, dtype.name, dtype.newbyteorder(), np.dtype(dtype.type, metadata={"a": 1})]
    for spelling in spellings:
        assert dtypes.canonical(spelling) is dtype, spelling
    assert dtypes.from_short(dtypes.short(dtype)) is dtype


def test_the_two_c_names_of_int64_are_one():
    assert dtypes.canonical(np.longlong) is dtypes.canonical(np.dtype("q")) is dtypes.canonical("int64")


def test_short_names():
    names = "bool u4 u8 i2 i64 f16 bf16 f32 c64 f8_e4m3fn f4_e2m1fn float0".split()
    full = "bool uint4 uint8 int2 int64 float16 bfloat16 float32 complex64 float8_e4m3fn float4_e2m1fn".split()
    assert [dtypes.short(name) for name in full] + [dtypes.short(dtypes.float0)] == names
    assert len({dtypes.short(dtype) for dtype in CONCRETE}) == len(CONCRETE)
    with pytest.raises(TypeError, match="'f33' is no short dtype name"):
        dtypes.from_short("f33")


@pytest.mark.parametrize(
    "dtype",
    [None, object, str, bytes, "M8[ns]", np.timedelta64, [("a", "f4")], "V3", np.floating, np.generic, np.longdouble]
    + [np.clongdouble, "banana", 3, {}, dtypes.float0, ml_dtypes.float6_e2m3fn, type("Mine", (), {"dtype": 7})()],
    ids=lambda x: type(x).__name__,
)
def test_what_no_array_can_hold_is_refused_in_one_sentence(dtype):
    with pytest.raises(TypeError, match=r"^[^\n]* is no dtype of an array; use a boolean, integer, float or complex"):
        dtypes.canonical(dtype)


def test_kinds():
    assert "".join(dtypes.kind(dtype) for dtype in CONCRETE) == "buuuuuuiiiiiifffffffffffffcc"
    for dtype in CONCRETE:
        flags = [dtypes.is_bool, dtypes.is_integer, dtypes.is_float, dtypes.is_complex]
        assert sum(flag(dtype) for flag in flags) == 1
        assert dtypes.is_inexact(dtype) == (dtypes.is_float(dtype) or dtypes.is_complex(dtype))
    assert dtypes.kind(dtypes.float0) == "V"
    assert dtypes.kind(np.float32) == dtypes.kind(">f8") == "f"


def test_real_and_complex_partners():
    partners = {name: (str(dtypes.real_of(name)), str(dtypes.complex_of(name))) for name in ["f4", "f8", "c8", "c16"]}
    assert partners == {
        "f4": ("float32", "complex64"),
        "f8": ("float64", "complex128"),
        "c8": ("float32", "complex64"),
        "c16": ("float64", "complex128"),
    }
    assert dtypes.real_of("int8") == "int8"
    assert dtypes.complex_of("bfloat16") == "complex64"


ABSTRACT = [np.generic, np.number, np.integer, np.signedinteger, np.unsignedinteger, np.inexact, np.floating]
ABSTRACT += [np.complexfloating]


def test_issubdtype_is_that_of_numpy_for_its_own_dtypes():
    known = [dtype for dtype in CONCRETE if dtype.isbuiltin == 1] + ABSTRACT + [np.dtype("O"), np.dtype("U3"), bool]
    for a, b in itertools.product(known, repeat=2):
        assert dtypes.issubdtype(a, b) == np.issubdtype(a, b), (a, b)


def test_issubdtype_knows_the_narrow_types():
    twins = {"f": np.float16, "i": np.int8, "u": np.uint8}
    for dtype in CONCRETE:
        if dtype.isbuiltin == 1:
            continue
        for b in ABSTRACT:
            assert dtypes.issubdtype(dtype, b) == np.issubdtype(twins[dtypes.kind(dtype)], b), (dtype, b)
        assert [b for b in CONCRETE if dtypes.issubdtype(dtype, b)] == [dtype]
    assert not dtypes.issubdtype(dtypes.float0, np.inexact)


@pytest.mark.parametrize("dtype", [dtype for dtype in CONCRETE if dtypes.is_inexact(dtype)], ids=str)
def test_finfo(dtype):
    info = dtypes.finfo(dtype)
    real = dtypes.real_of(dtype)
    assert info.dtype == real
    assert info.bits == int(
        dtype.name.removeprefix("bfloat").removeprefix("float").removeprefix("complex").split("_")[0]
    ) // (2 if dtypes.is_complex(dtype) else 1)
    one = np.ones((), real)
    assert float(one + info.eps) > 1 or dtype == "float8_e8m0fnu"
    assert np.isfinite(info.max)
    with pytest.raises(TypeError, match="use finfo for floats"):
        dtypes.iinfo(dtype)


@pytest.mark.parametrize("dtype", [dtype for dtype in CONCRETE if dtypes.is_integer(dtype)], ids=str)
def test_iinfo(dtype):
    info = dtypes.iinfo(dtype)
    assert int(info.max) - int(info.min) + 1 == 2**info.bits
    with pytest.raises(TypeError, match="use iinfo for integers"):
        dtypes.finfo(dtype)


# ---- config


def defaults():
    return [str(dtypes.canonical(python)) for python in (bool, int, float, complex)]


NARROW, WIDE = ["bool", "int32", "float32", "complex64"], ["bool", "int64", "float64", "complex128"]


@pytest.fixture
def restored():
    yield
    config.default_dtype("float32")


def test_a_block_sets_the_defaults_and_restores_them():
    assert defaults() == NARROW
    with config.default_dtype("float64"):
        assert defaults() == WIDE
        with config.default_dtype(np.float32):
            assert defaults() == NARROW
        assert defaults() == WIDE
    assert defaults() == NARROW


def test_a_call_sets_the_defaults_for_good_and_for_all_threads(restored):
    for _ in range(3):
        config.default_dtype("float64")
    assert defaults() == WIDE
    with config.default_dtype("float32"):
        assert defaults() == NARROW
        assert in_thread(defaults) == WIDE
    assert defaults() == in_thread(defaults) == WIDE
    config.default_dtype("float32")
    assert defaults() == in_thread(defaults) == NARROW


def test_a_call_inside_a_block_lasts_as_long_as_the_block():
    with config.default_dtype("float64"):
        config.default_dtype("float32")
        assert defaults() == NARROW
    with config.default_dtype("float32"):
        config.default_dtype("float64")
        assert defaults() == WIDE
        assert in_thread(defaults) == NARROW
    assert defaults() == NARROW


def test_a_kept_setting_can_be_entered_again():
    block = config.default_dtype("float64")
    for _ in range(2):
        with block, block:
            assert defaults() == WIDE
        assert defaults() == NARROW


def test_an_error_ends_the_block():
    with pytest.raises(KeyError), config.default_dtype("float64"):
        raise KeyError
    assert defaults() == NARROW


def test_threads_that_open_blocks_at_once_leave_nothing_behind():
    opened = threading.Barrier(2, timeout=30)

    def interleaved():
        block = config.default_dtype("float64")  # both calls come before both entries
        opened.wait()
        with block:
            opened.wait()
            assert defaults() == WIDE
        opened.wait()

    other = threading.Thread(target=interleaved)
    other.start()
    interleaved()
    other.join()
    assert defaults() == NARROW


@pytest.mark.parametrize("name", ["float16", "f4", float, None, 32])
def test_other_defaults_are_refused(name):
    with pytest.raises(ValueError, match='give "float32" or "float64"'):
        config.default_dtype(name)
    assert defaults() == NARROW


def test_disable_jit_is_scoped():
    assert not config.jit_disabled
    with disable_jit():
        assert config.jit_disabled
        assert not in_thread(lambda: config.jit_disabled)
        with disable_jit(False):
            assert not config.jit_disabled
    assert not config.jit_disabled


def in_thread(function):
    results = []
    thread = threading.Thread(target=lambda: results.append(function()))
    thread.start()
    thread.join()
    return results[0]


# ---- errors


def test_each_error_is_caught_as_the_builtin():
    caught = {
        "ConcretizationError": (TypeError,),
        "TracerBoolConversionError": (errors.ConcretizationError, TypeError),
        "TracerIntegerConversionError": (errors.ConcretizationError, TypeError),
        "TracerArrayConversionError": (errors.ConcretizationError, TypeError),
        "NonConcreteBooleanIndexError": (errors.ConcretizationError, IndexError),
        "LeakedTracerError": (RuntimeError,),
        "UnhashableStaticError": (TypeError, ValueError),
        "DonatedError": (RuntimeError,),
        "KeyReuseError": (RuntimeError,),
    }
    for name, bases in caught.items():
        for base in bases:
            with pytest.raises(base):
                raise getattr(errors, name)("a sentence")
    assert errors.UnexpectedTracerError is errors.LeakedTracerError
