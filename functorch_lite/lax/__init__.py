"""The operations behind `functorch_lite.numpy`: strict about shapes and dtypes, named as in `jax.lax`."""

from functorch_lite.lax.branches import *  # noqa: F403  each module lists its names in __all__
from functorch_lite.lax.elementwise import *  # noqa: F403
from functorch_lite.lax.fft import *  # noqa: F403
from functorch_lite.lax.index import *  # noqa: F403
from functorch_lite.lax.loops import *  # noqa: F403
from functorch_lite.lax.parallel import *  # noqa: F403
from functorch_lite.lax.reduce import *  # noqa: F403
from functorch_lite.lax.shape import *  # noqa: F403
from functorch_lite.lax.solve import *  # noqa: F403
from functorch_lite.lax.while_loop import *  # noqa: F403
