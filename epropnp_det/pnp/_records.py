"""Frozen records of tensors that share leading batch dims, and the full-precision island they
compute in.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, fields
from functools import wraps
from typing import Any, Concatenate, ParamSpec, Protocol, Self, TypeVar

import torch
from torch import Tensor


@dataclass(frozen=True)
class Record:
    """Base of the frozen dataclasses of this package: every tensor field starts with the same batch
    dims `...`.

    `record[index]` indexes the batch dims of all fields, `record.to(...)` moves or casts them as
    `Tensor.to` does (a dtype applies to floating-point fields only). Both return a new record;
    nothing is changed in place. A constructor and `dataclasses.replace` check their values; all
    methods derive new records from checked ones without checking again.
    """

    def map(self, function: Callable[[Tensor], Tensor]) -> Self:
        """A new record with `function` applied to every tensor, nested records included."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        return self.replace_unchecked(
            **{name: _map(value, function) for name, value in values.items()}
        )

    def __getitem__(self, index: Any) -> Self:
        return self.map(lambda tensor: tensor[index])

    def to(self, *args: Any, **kwargs: Any) -> Self:
        """`Tensor.to` on every field; masks and flags keep their dtype."""
        return self.map(lambda tensor: _to(tensor, *args, **kwargs))

    def torch_where(self, choice: Tensor, other: Self) -> Self:
        """This record's objects where `choice` (...) is True, those of `other` elsewhere."""
        pairs = {
            field.name: (getattr(self, field.name), getattr(other, field.name))
            for field in fields(self)
        }
        return self.replace_unchecked(
            **{name: _where(choice, *pair) for name, pair in pairs.items()}
        )

    def detach(self) -> Self:
        """The same values outside the autograd graph."""
        return self.map(Tensor.detach)

    def replace_unchecked(self, **changes: Any) -> Self:
        """Like `dataclasses.replace`, without validation."""
        derived = object.__new__(type(self))
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        derived._set(**{**values, **changes})
        return derived

    def _set(self, **values: Any) -> None:
        """Assigns fields of a record that nobody else has seen yet."""
        for name, value in values.items():
            object.__setattr__(self, name, value)


class InputRecord(Record):
    """A record that the layer computes with: its numbers have at least single precision."""

    def to(self, *args: Any, **kwargs: Any) -> Self:
        """`Tensor.to` on every field; masks keep their dtype, and half precision becomes
        float32.
        """
        return super().to(*args, **kwargs).map(_at_least_float32_if_floating)


def _map(value: Any, function: Callable[[Tensor], Tensor]) -> Any:
    if isinstance(value, Record):
        return value.map(function)
    return function(value) if isinstance(value, Tensor) else value


def _where(choice: Tensor, yes: Any, no: Any) -> Any:
    if isinstance(yes, Record):
        return yes.torch_where(choice, no)
    if not isinstance(yes, Tensor):
        return yes
    return torch.where(choice.reshape((*choice.shape, *(1,) * (yes.ndim - choice.ndim))), yes, no)


def _to(tensor: Tensor, *args: Any, **kwargs: Any) -> Tensor:
    moved = tensor.to(*args, **kwargs)
    return moved if tensor.is_floating_point() else moved.to(tensor.dtype)


class _OnDevice(Protocol):
    @property
    def device(self) -> torch.device: ...


D = TypeVar("D", bound=_OnDevice)
P = ParamSpec("P")
R = TypeVar("R")


def full_precision(function: Callable[Concatenate[D, P], R]) -> Callable[Concatenate[D, P], R]:
    """Switches autocast off inside `function`, which works on the `.device` of its first argument.

    Reprojection errors are differences of numbers near a thousand pixels: half precision would
    leave nothing of them.
    """

    @wraps(function)
    def inside(first: D, *args: P.args, **kwargs: P.kwargs) -> R:
        device = first.device.type
        if not torch.is_autocast_enabled(device):
            return function(first, *args, **kwargs)
        with torch.autocast(device, enabled=False):
            return function(first, *args, **kwargs)

    return inside


def no_gradient(function: Callable[P, R]) -> Callable[P, R]:
    """`torch.no_grad` as a decorator that does nothing where gradients are off already:
    torch.export cannot save a program with an empty region.
    """

    @wraps(function)
    def inside(*args: P.args, **kwargs: P.kwargs) -> R:
        if not torch.is_grad_enabled():
            return function(*args, **kwargs)
        with torch.no_grad():
            return function(*args, **kwargs)

    return inside


def at_least_float32(tensor: Tensor) -> Tensor:
    """Half and integer tensors as float32; float32 and float64 as they are."""
    return tensor if tensor.dtype in (torch.float32, torch.float64) else tensor.float()


def _at_least_float32_if_floating(tensor: Tensor) -> Tensor:
    return at_least_float32(tensor) if tensor.is_floating_point() else tensor


def real_tensors(**given: Any) -> dict[str, Tensor]:
    """Tensors, arrays and nested sequences of numbers as tensors of one device and one dtype.

    Half precision and integers become float32; a single float64 among them makes all of them
    float64. Other values move to the device of the
    tensors.

    Raises:
        ValueError: a value that is no array of real numbers, or tensors on several devices; the
            message has its name.
    """
    if _agree(given.values()):
        return given
    devices = {name: value.device for name, value in given.items() if isinstance(value, Tensor)}
    if len(set(devices.values())) > 1:
        where = ", ".join(f"{name} on {device}" for name, device in devices.items())
        raise ValueError(f"tensors on several devices: {where}; move them to one with .to(device)")
    device = next(iter(devices.values()), None)
    tensors = {name: _real_tensor(name, value, device) for name, value in given.items()}
    dtypes = [tensor.dtype for tensor in tensors.values()]
    dtype = torch.float64 if torch.float64 in dtypes else torch.float32
    return {name: tensor.to(dtype) for name, tensor in tensors.items()}


def _agree(values: Collection[Any]) -> bool:
    """Whether all are tensors of one device and of one dtype that the layer computes in."""
    if not all(isinstance(value, Tensor) for value in values):
        return False
    first = next(iter(values))
    return first.dtype in (torch.float32, torch.float64) and all(
        value.dtype == first.dtype and value.device == first.device for value in values
    )


def _real_tensor(name: str, value: Any, device: torch.device | None) -> Tensor:
    if not isinstance(value, Tensor):
        try:
            value = torch.as_tensor(value, device=device)
        except (TypeError, ValueError, RuntimeError) as error:
            raise ValueError(
                f"{name} must be a tensor, an array or nested lists of numbers: {error}"
            ) from error
    if value.is_complex():
        raise ValueError(f"{name} must be real numbers, not {value.dtype}")
    return at_least_float32(value)
