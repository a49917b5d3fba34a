"""The version walls between mmcv 1.7.2, mmdet3d 1.0.0rc6 and torch 2, lifted here and nowhere else.

Importing this module is enough and may be repeated. Import it before the first `import mmdet3d`:

* mmdet3d 1.0.0rc6 asserts mmcv <= 1.7.0 although it runs with 1.7.2 (the first to compile against
  torch 2.x): it is imported
  while mmcv shows a version it accepts.
* torch >= 2.1 removed `_use_replicated_tensor_module`, which `MMDistributedDataParallel.forward`
  reads, and its
  `_get_stream` takes a device where mmcv passes a number. `MMDistributedDataParallel` also left
  data containers packed on a CPU.
* `torch.load` runs code from the file unless `weights_only=True`: mmcv's loader of local files gets
  it whatever torch's default is.
* `init_dist` sets a CUDA device before it checks whether there is one: `init_distributed` takes
  gloo where there is none.

Not touched: the aliases `np.int`, `np.float`, `np.bool`, gone since numpy 1.24. The corners of
    mmdet and mmdet3d that still use
them (indoor datasets, instance segmentation) are not part of anything here.
"""

from __future__ import annotations

import contextlib
import datetime
import functools
import importlib
import logging
import os
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import torch
import torch.distributed as dist

# The newest mmcv that mmdet3d 1.0.0rc6 accepts.
MMCV_VERSION_FOR_MMDET3D = "1.7.0"
# Rank 0 evaluates a whole split while the others wait for it at the next collective call.
DISTRIBUTED_TIMEOUT = datetime.timedelta(hours=2)
LAUNCHERS = ("none", "pytorch")


@contextlib.contextmanager
def quiet_imports() -> Iterator[None]:
    """Drops what the old packages say while being imported: advice to move to mmcv 2, deprecated
    pkg_resources, no CUDA runtime.
    """
    cpp_extension = logging.getLogger("torch.utils.cpp_extension")
    level = cpp_extension.level
    cpp_extension.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", category=DeprecationWarning)
            warnings.filterwarnings("ignore", category=FutureWarning)
            warnings.filterwarnings("ignore", category=UserWarning)
            yield
    finally:
        cpp_extension.setLevel(level)


with quiet_imports():
    import mmcv
    from mmcv.parallel import MMDistributedDataParallel
    from mmcv.parallel import _functions as copy_functions
    from mmcv.runner import CheckpointLoader


@contextlib.contextmanager
def _mmcv_version_shown(version: str) -> Iterator[None]:
    true_version = mmcv.__version__
    mmcv.__version__ = version
    try:
        yield
    finally:
        mmcv.__version__ = true_version


def import_mmdet3d() -> None:
    """Imports mmdet3d while mmcv shows a version that it accepts."""
    with quiet_imports(), _mmcv_version_shown(MMCV_VERSION_FOR_MMDET3D):
        importlib.import_module("mmdet3d")


def _run_ddp_forward(self: MMDistributedDataParallel, *inputs: Any, **kwargs: Any) -> Any:
    """mmcv's method without the attribute that torch 2.1 removed. mmcv writes -1 for the CPU."""
    device = self.device_ids[0] if self.device_ids else -1
    moved, moved_kwargs = self.to_kwargs(inputs, kwargs, device)
    return self.module(*moved[0], **moved_kwargs[0])


def _once(wrap: Callable[[Callable], Callable], function: Callable) -> Callable:
    """`wrap(function)`, or `function` itself where it is already wrapped."""
    return (
        function if hasattr(function, "__wrapped__") else functools.wraps(function)(wrap(function))
    )


def _unpack_on_cpu(step: Callable) -> Callable:
    """Makes a `train_step` or `val_step` take the data out of mmcv's containers on a CPU; on a GPU
    it does so already.
    """

    def unpacked_step(self: MMDistributedDataParallel, *inputs: Any, **kwargs: Any) -> Any:
        if self.device_ids:
            return step(self, *inputs, **kwargs)
        unpacked, unpacked_kwargs = self.scatter(inputs, kwargs, [-1])
        return step(self, *unpacked[0], **unpacked_kwargs[0])

    return unpacked_step


@functools.cache
def _copy_stream(number: int) -> torch.cuda.Stream | None:
    """The stream on which a device, by its number, receives its inputs; None without a GPU."""
    return torch.cuda.Stream(number) if torch.cuda.is_available() else None


def _load_local_checkpoint(filename: str, map_location: Any = None) -> dict:
    """`torch.load` of a local file that never runs code from it.

    Raises:
        FileNotFoundError: there is no such file.
    """
    filename = os.path.expanduser(filename)
    if not os.path.isfile(filename):
        raise FileNotFoundError(f"{filename} can not be found.")
    return torch.load(filename, map_location=map_location, weights_only=True)


def init_distributed(launcher: str, device: str | None = None) -> torch.device:
    """Joins the process group that a launcher (`torchrun`: 'pytorch') describes in the environment;
    'none' joins nothing.

    One process per GPU over NCCL, or over gloo on the CPU where there is no GPU or `device` is
    'cpu'. Returns the device of this process.

    Raises:
        ValueError: another launcher.
    """
    if launcher not in LAUNCHERS:
        raise ValueError(f"launcher must be one of {', '.join(LAUNCHERS)}, not {launcher!r}")
    chosen = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
    if launcher == "none":
        return chosen
    if chosen.type == "cuda":
        chosen = torch.device("cuda", int(os.environ["LOCAL_RANK"]) % torch.cuda.device_count())
        torch.cuda.set_device(chosen)
    dist.init_process_group(
        backend="nccl" if chosen.type == "cuda" else "gloo", timeout=DISTRIBUTED_TIMEOUT
    )
    return chosen


def _lift_walls() -> None:
    MMDistributedDataParallel._run_ddp_forward = _run_ddp_forward
    MMDistributedDataParallel.train_step = _once(
        _unpack_on_cpu, MMDistributedDataParallel.train_step
    )
    MMDistributedDataParallel.val_step = _once(_unpack_on_cpu, MMDistributedDataParallel.val_step)
    copy_functions._get_stream = _copy_stream
    CheckpointLoader.register_scheme(prefixes="", loader=_load_local_checkpoint, force=True)
    import_mmdet3d()


_lift_walls()
