"""The former name of the choice between backends; use `epropnp_det.pnp.ops.use_backend`."""

from __future__ import annotations

import warnings
from contextlib import AbstractContextManager

from .ops import use_backend

_BACKENDS = {"eager": "torch", "native": "cpp", "triton": "triton"}


def only(name: str) -> AbstractContextManager[None]:
    """`use_backend` by the former names: 'eager' is 'torch', 'native' is 'cpp'.

    Raises:
        ValueError: no backend of this name is installed.
    """
    warnings.warn(
        "epropnp_det.pnp.kernels.only is now epropnp_det.pnp.ops.use_backend, with 'torch' for "
        "'eager' and 'cpp' for 'native'",
        DeprecationWarning,
        stacklevel=2,
    )
    return use_backend(_BACKENDS.get(name, name))
