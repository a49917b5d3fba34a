"""Frozen records of tensors that share leading batch dims, and the full-precision island they
compute in.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields, replace
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
    nothing is changed in place.
    """

    def map(self, function: Callable[[Tensor], Tensor]) -> Self:
        """A new record with `function` applied to every tensor, nested records included."""
        return replace(
            self,
            **{field.name: _map(getattr(self, field.name), function) for field in fields(self)},
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
        return replace(self, **{name: _where(choice, *pair) for name, pair in pairs.items()})

    def detach(self) -> Self:
        """The same values outside the autograd graph."""
        return self.map(Tensor.detach)

    def replace_unchecked(self, **changes: Any) -> Self:
        """The record with some fields changed by someone who knows that they fit: nothing is
        checked again.
        """
        derived = object.__new__(type(self))
        for field in fields(self):
            object.__setattr__(
                derived, field.name, changes.get(field.name, getattr(self, field.name))
            )
        return derived


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
    """Switches autocast off inside `function`, whose first argument says on which `.device` it
    works.

    Reprojection errors are differences of numbers near a thousand pixels: half precision would
        leave nothing of them.
    """

    @wraps(function)
    def inside(first: D, *args: P.args, **kwargs: P.kwargs) -> R:
        with torch.autocast(first.device.type, enabled=False):
            return function(first, *args, **kwargs)

    return inside


def at_least_float32(tensor: Tensor) -> Tensor:
    """Half and integer tensors as float32; float32 and float64 as they are."""
    return tensor if tensor.dtype in (torch.float32, torch.float64) else tensor.float()
