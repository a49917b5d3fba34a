"""Makes mmcv 1.7.2, mmdet3d 1.0.0rc6 and torch 2 work together; no other module patches them.

Importing this module applies all patches, once. It comes before the first `import mmcv`:

* mmdet3d 1.0.0rc6 asserts mmcv <= 1.7.0, although it runs with 1.7.2, the first version that
  compiles against torch 2: it is imported while mmcv reports an accepted version.
* torch >= 2.1 removed `_use_replicated_tensor_module`, which `MMDistributedDataParallel.forward`
  reads, and its `_get_stream` takes a device where mmcv passes a number.
  `MMDistributedDataParallel` also leaves data containers packed on a CPU.
* `torch.load` runs code from the file unless `weights_only=True`: all of mmcv's loaders of weights
  pass it (files, URLs, names of model zoos), whatever the default of torch and of its hub is.
* mmcv's readers of YAML and of pickles make any Python object: here they make plain values, and
  arrays.
* `Config` resolves a relative `_base_` against the path of a link, not of the file: the links to
  the former folders of the configs need the file.
* mmcv's `init_dist` sets a CUDA device without a check and passes node names to a shell:
  `init_distributed` reads the same variables, and uses gloo without a GPU.

Not patched: the aliases `np.int`, `np.float`, `np.bool`, which numpy 1.24 removed. The parts of
mmdet and mmdet3d that use them (indoor datasets, instance segmentation) are not used here.
"""

from __future__ import annotations

import atexit
import contextlib
import datetime
import functools
import importlib
import logging
import os
import pickle
import re
import subprocess
import warnings
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import torch
import torch.distributed as dist
import yaml

from epropnp_det.errors import UserError
from epropnp_det.late_imports import late_import
from epropnp_det.weight_files import load_plain_pickle, load_tensor_file, load_tensors

# The newest mmcv that mmdet3d 1.0.0rc6 accepts.
MMCV_VERSION_FOR_MMDET3D = "1.7.0"
# Rank 0 evaluates a whole split while the others wait for it at the next collective call.
DISTRIBUTED_TIMEOUT = datetime.timedelta(hours=2)
LAUNCHERS = ("none", "pytorch", "slurm")
# The beginnings of warnings that the old packages give while they are imported; each is about a
# version that this project pins.
IMPORT_WARNINGS = (
    "On January 1, 2023, MMCV will release v2.0.0",
    "pkg_resources is deprecated as an API",
    "Deprecated call to `pkg_resources",
)


@contextlib.contextmanager
def quiet_imports() -> Iterator[None]:
    """Hides `IMPORT_WARNINGS` and the logged warning of torch about a missing CUDA runtime."""
    cpp_extension = logging.getLogger("torch.utils.cpp_extension")
    level = cpp_extension.level
    cpp_extension.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            for beginning in IMPORT_WARNINGS:
                warnings.filterwarnings("ignore", re.escape(beginning))
            yield
    finally:
        cpp_extension.setLevel(level)


with late_import("torch._dynamo.utils", "is_compile_supported"):
    import torchvision  # noqa: F401  two seconds for a compiler of kernels that nothing here uses

with quiet_imports():
    import mmcv
    from mmcv.fileio.handlers import pickle_handler, yaml_handler
    from mmcv.parallel import MMDistributedDataParallel
    from mmcv.parallel import _functions as copy_functions
    from mmcv.runner import CheckpointLoader

# A second for the mixtures of a head that nothing here uses.
with quiet_imports(), late_import("sklearn.mixture"):
    import mmdet.models  # noqa: F401


@contextlib.contextmanager
def _mmcv_version_shown(version: str) -> Iterator[None]:
    true_version = mmcv.__version__
    mmcv.__version__ = version
    try:
        yield
    finally:
        mmcv.__version__ = true_version


def import_mmdet3d() -> None:
    """Imports mmdet3d while mmcv reports a version that mmdet3d accepts.

    Its datasets import pandas and sklearn, a second, for files that nothing here reads.
    """
    with quiet_imports(), _mmcv_version_shown(MMCV_VERSION_FOR_MMDET3D):
        importlib.import_module("mmdet3d")
        with late_import("pandas"), late_import("sklearn.metrics"):
            importlib.import_module("mmdet3d.datasets")


def _run_ddp_forward(self: MMDistributedDataParallel, *inputs: Any, **kwargs: Any) -> Any:
    """mmcv's method without the attribute that torch 2.1 removed. mmcv writes -1 for the CPU."""
    device = self.device_ids[0] if self.device_ids else -1
    moved, moved_kwargs = self.to_kwargs(inputs, kwargs, device)
    return self.module(*moved[0], **moved_kwargs[0])


def _once(wrap: Callable[[Callable], Callable], function: Callable) -> Callable:
    """`wrap(function)`, or `function` itself where it is already wrapped."""
    if hasattr(function, "__wrapped__"):
        return function
    return functools.wraps(function)(wrap(function))


def _unpack_on_cpu(step: Callable) -> Callable:
    """A `train_step` or `val_step` that unpacks mmcv's containers on a CPU; on a GPU, mmcv does."""

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
        UserError: the file has code, is truncated, or holds no weights.
    """
    filename = os.path.expanduser(filename)
    if not os.path.isfile(filename):
        raise FileNotFoundError(f"{filename} can not be found.")
    return load_tensor_file(filename, map_location)


def _load_without_code(loader: Callable[..., Any]) -> Callable[..., dict]:
    """A loader of weights of mmcv, of a URL for instance, that never runs code from what it
    fetches."""

    def load_fetched_weights(filename: str, map_location: Any = None, **settings: Any) -> dict:
        def load() -> Any:
            try:
                with _weights_only():
                    return loader(filename, map_location, **settings)
            except (OSError, LookupError, ImportError) as error:
                raise UserError(
                    f"weights {filename} cannot be fetched: {type(error).__name__}: {error}; give "
                    "the path of a file"
                ) from error

        return load_tensors(f"weights {filename}", load)

    return load_fetched_weights


@contextlib.contextmanager
def _weights_only() -> Iterator[None]:
    """`torch.load` passes `weights_only=True`, also where its caller passes False: torch's hub."""
    original = torch.load

    def load_weights_only(*arguments: Any, **settings: Any) -> Any:
        return original(*arguments, **dict(settings, weights_only=True))

    torch.load = load_weights_only
    try:
        yield
    finally:
        torch.load = original


def init_distributed(launcher: str, device: str | None = None) -> torch.device:
    """Joins the process group that a launcher describes in the environment.

    Args:
        launcher: "pytorch" for torchrun; "slurm" for srun; "none" joins nothing.
        device: "cpu", "cuda" or "cuda:N"; None is a GPU where there is one.

    Returns:
        The device of this process. A launcher starts one process per GPU, which communicate over
        NCCL; processes on the CPU use gloo.

    Raises:
        ValueError: another launcher.
        UserError: the environment is not that of the launcher, a GPU is named for many processes,
            or torchrun could not start them again.
    """
    if launcher not in LAUNCHERS:
        raise ValueError(f"launcher must be one of {', '.join(LAUNCHERS)}, not {launcher!r}")
    chosen = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
    if launcher == "none":
        if chosen.type == "cuda" and chosen.index is not None:
            torch.cuda.set_device(chosen)  # otherwise some memory of GPU 0 is used too
        return chosen
    if chosen.index is not None:
        raise UserError(
            f"--device {device} is for one process; with --launcher {launcher} each process takes "
            "the GPU of its number: use --device cuda"
        )
    if launcher == "slurm":
        _describe_slurm_job()
    _require_variables(launcher, ("RANK", "WORLD_SIZE", "LOCAL_RANK", "MASTER_ADDR", "MASTER_PORT"))
    _check_restarts()
    if chosen.type == "cuda":
        chosen = torch.device("cuda", int(os.environ["LOCAL_RANK"]) % torch.cuda.device_count())
        torch.cuda.set_device(chosen)
    dist.init_process_group(
        backend="nccl" if chosen.type == "cuda" else "gloo", timeout=DISTRIBUTED_TIMEOUT
    )
    # A process that ends with the threads of gloo running may abort (exit code -6).
    atexit.register(leave_process_group)
    return chosen


def _describe_slurm_job() -> None:
    """Writes torchrun's variables from those of srun, as mmcv's `init_dist` does. The first node is
    the meeting place; MASTER_ADDR and MASTER_PORT choose another one.
    """
    _require_variables("slurm", ("SLURM_PROCID", "SLURM_NTASKS", "SLURM_LOCALID", "SLURM_NODELIST"))
    os.environ["RANK"] = os.environ["SLURM_PROCID"]
    os.environ["WORLD_SIZE"] = os.environ["SLURM_NTASKS"]
    os.environ["LOCAL_RANK"] = os.environ["SLURM_LOCALID"]
    job = int(os.environ.get("SLURM_JOB_ID", "0"))
    os.environ.setdefault("MASTER_PORT", str(20000 + job % 20000))  # jobs may share a node
    if "MASTER_ADDR" not in os.environ:
        os.environ["MASTER_ADDR"] = _first_node(os.environ["SLURM_NODELIST"])


def _first_node(nodes: str) -> str:
    try:
        done = subprocess.run(
            ["scontrol", "show", "hostnames", nodes], capture_output=True, text=True, check=True
        )
        return done.stdout.split()[0]
    except (OSError, subprocess.CalledProcessError, IndexError) as error:
        raise UserError(
            f"scontrol finds no host in SLURM_NODELIST={nodes} ({error}); set MASTER_ADDR"
        ) from error


def _check_restarts() -> None:
    """Checks that processes which torchrun starts again find each other.

    torchrun 2.11 keeps one store of addresses for all starts, with `--master_port` in any case: a
    process that starts again may read the address of one that has ended, and the training ends
    there.
    """
    keeps_store = os.environ.get("TORCHELASTIC_USE_AGENT_STORE") == "True"
    if keeps_store and os.environ.get("TORCHELASTIC_MAX_RESTARTS", "0") != "0":
        raise UserError(
            "torchrun --max_restarts needs TORCH_DISABLE_SHARE_RDZV_TCP_STORE=1 in its "
            "environment, and --standalone or --rdzv_backend c10d: otherwise processes that start "
            "again do not find each other"
        )


def _require_variables(launcher: str, names: tuple[str, ...]) -> None:
    missing = ", ".join(name for name in names if name not in os.environ)
    if missing:
        start = dict(
            pytorch="torchrun or tools/dist_train.sh", slurm="srun or tools/slurm_train.sh"
        )
        raise UserError(
            f"--launcher {launcher}: the environment has no {missing}; start the command with "
            f"{start[launcher]}"
        )


def leave_process_group() -> None:
    """Leaves the process group, where there is one."""
    if dist.is_initialized():
        dist.destroy_process_group()


def _resolve_links(file2dict: Callable[..., tuple[dict, str]]) -> Callable[..., tuple[dict, str]]:
    """A `Config._file2dict` that reads the file behind a link, so that its `_base_` is found."""

    def file2dict_of_target(filename: str, *args: Any, **kwargs: Any) -> tuple[dict, str]:
        return file2dict(os.path.realpath(os.path.expanduser(filename)), *args, **kwargs)

    return file2dict_of_target


def _lift_walls() -> None:
    MMDistributedDataParallel._run_ddp_forward = _run_ddp_forward
    MMDistributedDataParallel.train_step = _once(
        _unpack_on_cpu, MMDistributedDataParallel.train_step
    )
    MMDistributedDataParallel.val_step = _once(_unpack_on_cpu, MMDistributedDataParallel.val_step)
    copy_functions._get_stream = _copy_stream
    mmcv.Config._file2dict = staticmethod(_once(_resolve_links, mmcv.Config._file2dict))
    for prefix, loader in CheckpointLoader._schemes.items():
        CheckpointLoader._schemes[prefix] = _once(_load_without_code, loader)
    CheckpointLoader.register_scheme(prefixes="", loader=_load_local_checkpoint, force=True)
    yaml_handler.Loader = yaml.CSafeLoader if yaml.__with_libyaml__ else yaml.SafeLoader
    pickle_handler.pickle = SimpleNamespace(
        load=load_plain_pickle, dump=pickle.dump, dumps=pickle.dumps
    )
    import_mmdet3d()


_lift_walls()
