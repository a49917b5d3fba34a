"""Records of tensors that share their first dimension."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields
from typing import Any, Self

import torch
from torch import Tensor

from epropnp_det.pnp._records import Record


class TensorRecord(Record):
    """A record whose tensors share their first dimension and can be joined along it."""

    @classmethod
    def cat(cls, records: Sequence[Self]) -> Self:
        """Joins at least one along the first dimension; a field is None in all or in none."""
        return _joined(records)


def _joined(records: Sequence[Any]) -> Any:
    """Records, tensors or Nones, joined along the first dimension."""
    first = records[0]
    if isinstance(first, Record):
        names = [field.name for field in fields(first)]
        columns = {name: [getattr(record, name) for record in records] for name in names}
        return first.replace_unchecked(**{name: _joined(each) for name, each in columns.items()})
    return None if first is None else torch.cat(list(records))


def select_class(per_class: Tensor, label: Tensor) -> Tensor:
    """(M, classes or 1, ...) and (M,) -> (M, ...), the entry of each object's class, or the only
    one.
    """
    index = torch.zeros_like(label) if per_class.shape[1] == 1 else label
    wanted = index.view(-1, *[1] * (per_class.dim() - 1)).expand(-1, 1, *per_class.shape[2:])
    return per_class.gather(1, wanted)[:, 0]
