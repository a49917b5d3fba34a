"""Records of tensors that share their first dimension."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields
from typing import Self

import torch
from torch import Tensor

from epropnp_det.pnp._records import Record


class TensorRecord(Record):
    """A record whose tensors share their first dimension and can be joined along it."""

    @classmethod
    def cat(cls, records: Sequence[Self]) -> Self:
        """Concatenates along the first dimension; a field is None in all records or in none."""
        columns = {f.name: [getattr(r, f.name) for r in records] for f in fields(cls)}
        return cls(
            **{
                name: None if values[0] is None else torch.cat(values)
                for name, values in columns.items()
            }
        )


def select_class(per_class: Tensor, label: Tensor) -> Tensor:
    """(M, classes or 1, ...) and (M,) -> (M, ...), the entry of each object's class, or the only
    one.
    """
    index = torch.zeros_like(label) if per_class.shape[1] == 1 else label
    return per_class[torch.arange(len(label), device=label.device), index]
