"""Mistakes found in a file, one line for each kind."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class Fault:
    """A mistake: the rule that it breaks, its place, and the value found there."""

    rule: str
    where: str
    found: str


def summarize(found: Iterable[Fault]) -> list[str]:
    """A line for each kind of mistake: its first place, and how many more there are."""
    first: dict[str, Fault] = {}
    count: Counter[str] = Counter()
    for fault in found:
        first.setdefault(fault.rule, fault)
        count[fault.rule] += 1
    return [
        f"{rule}: {fault.where}: {fault.found}{_and_more(count[rule] - 1)}"
        for rule, fault in first.items()
    ]


def _and_more(count: int) -> str:
    return f" (and {count} more)" if count else ""
