"""Predictions for a whole dataset, the same by one process as by many."""

from __future__ import annotations

from epropnp_det import compat  # noqa: F401  before mmcv, whose versions it reconciles

# isort: split
import functools
import inspect
import os
from typing import Any

import torch
import torch.distributed as dist
from mmcv.parallel import collate
from mmcv.runner import get_dist_info
from mmdet.core import encode_mask_results
from torch import nn
from torch.utils.data import DataLoader
from tqdm import tqdm

from epropnp_det.compat import DISTRIBUTED_TIMEOUT

from .worker_processes import end_with, killed_loaders_in_one_line
from .wrapping import to_device


def predict_dataset(
    model: nn.Module, dataset: Any, *, workers: int, seed: int = 0
) -> list[Any] | None:
    """Results of every image in the dataset's order; None on every process but the first.

    Image i is predicted by process i mod (number of processes), alone in its batch. The random
    numbers of each image start from `seed`, so its result does not depend on the other images, nor
    on how many processes share the work. No image is predicted twice.

    Args:
        workers: processes that load images.
        seed: start of the random numbers of each image.
    """
    rank, world_size = get_dist_info()
    indices = range(rank, len(dataset), world_size)
    loader = _loader(dataset, indices, workers)
    training = model.training
    model.eval()
    progress = tqdm(total=len(dataset), desc="predicting", unit="image", disable=rank != 0 or None)
    results = {}
    with killed_loaders_in_one_line():
        for index, data in zip(indices, loader):
            results[index] = predict(model, data, seed=seed)
            progress.update(min(world_size, progress.total - progress.n))
    progress.close()
    model.train(training)
    return gather_results(results, len(dataset))


def _loader(dataset: Any, indices: range, workers: int) -> DataLoader:
    return DataLoader(
        dataset,
        batch_size=1,
        sampler=indices,
        num_workers=workers,
        collate_fn=functools.partial(collate, samples_per_gpu=1),
        # Otherwise a seed for the workers is drawn from the global generator.
        generator=torch.Generator(),
        worker_init_fn=functools.partial(end_with, os.getpid()),
    )


@torch.no_grad()
def predict(model: nn.Module, data: dict[str, Any], *, seed: int) -> Any:
    """Result of the one image in a collated batch, as the model returns it, masks run-length
    encoded; the model must be in evaluation mode. It is called with `generators`, one per image,
    if its `simple_test` takes them: mmdet's detectors draw no random numbers.
    """
    device = next(model.parameters()).device
    inputs = to_device(data, device)
    more = {}
    if _takes_generators(model):
        more["generators"] = [torch.Generator(device).manual_seed(seed)]
    result = model(return_loss=False, rescale=True, **more, **inputs)[0]
    if not isinstance(result, tuple):
        return result
    boxes, masks = result
    return boxes, encode_mask_results(masks)


def _takes_generators(model: Any) -> bool:
    taken = inspect.signature(model.simple_test).parameters
    return "generators" in taken or any(each.kind is each.VAR_KEYWORD for each in taken.values())


def gather_results(results: dict[int, Any], size: int) -> list[Any] | None:
    """Puts the results of all processes in order on the first one; the others get None.

    Args:
        results: those of this process, by the index of the image.
        size: number of images of all processes.
    """
    rank, world_size = get_dist_info()
    if world_size == 1:
        return [results[index] for index in range(size)]
    parts: list | None = [None] * world_size if rank == 0 else None
    dist.gather_object(results, parts, dst=0, group=_cpu_group())
    if parts is None:
        return None
    merged = {index: result for part in parts for index, result in part.items()}
    return [merged[index] for index in range(size)]


@functools.cache
def _cpu_group() -> dist.ProcessGroup | None:
    """Group of all processes on the CPU, whatever the training uses: detections are few, and their
    number differs from image to image.
    """
    return (
        None
        if dist.get_backend() == "gloo"
        else dist.new_group(backend="gloo", timeout=DISTRIBUTED_TIMEOUT)
    )
