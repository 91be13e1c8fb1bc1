"""Random numbers: the same for the same key, bit for bit those of `jax.random` with its default cipher, Threefry-2x32.

`key(seed)` makes a key, `split` and `fold_in` make new ones of it, and each sampler takes one. A sampler takes a single
key; `vmap` takes a batch of them. Bits, integers, permutations and plain uniform numbers are the same everywhere; what
took logarithms or roots on the way may differ in the last bits between eager and compiled programs, and machines.
"""

from functorch_lite.random.continuous import (
    cauchy,
    double_sided_maxwell,
    exponential,
    geometric,
    gumbel,
    laplace,
    logistic,
    lognormal,
    maxwell,
    normal,
    pareto,
    rayleigh,
    triangular,
    truncated_normal,
    wald,
    weibull_min,
)
from functorch_lite.random.keys import (
    Key,
    PRNGKey,
    clone,
    fold_in,
    key,
    key_data,
    key_impl,
    split,
    wrap_key_data,
)
from functorch_lite.random.selection import categorical, choice, permutation
from functorch_lite.random.uniform import bernoulli, bits, rademacher, randint, uniform

__all__ = [
    "Key", "PRNGKey", "bernoulli", "bits", "categorical", "cauchy", "choice", "clone", "double_sided_maxwell",
    "exponential", "fold_in", "geometric", "gumbel", "key", "key_data", "key_impl", "laplace", "logistic", "lognormal",
    "maxwell", "normal", "pareto", "permutation", "rademacher", "randint", "rayleigh", "split", "triangular",
    "truncated_normal", "uniform", "wald", "weibull_min", "wrap_key_data",
]  # fmt: skip
