"""The scores of a test as Markdown."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from epropnp_det.posterior.credible_regions import NOMINAL

from .bop_recalls import Recall
from .coverage import QUANTITIES, PoseLevels, coverage_table
from .mode_shares import ModeShares, mode_table


@dataclass(frozen=True)
class PoseScores:
    """What a test measures.

    Args:
        recalls: by name.
        levels: those of the true poses in their predicted distributions; empty without samples.
        shares: those of the posteriors of symmetric objects; empty without samples.
        invalid: number of boxes without a pose.
    """

    recalls: Mapping[str, Recall]
    levels: Sequence[PoseLevels]
    shares: Sequence[ModeShares]
    invalid: int

    def numbers(self) -> dict[str, float]:
        """Means over the objects, over all targets, and the coverage."""
        numbers = {name: each.mean for name, each in self.recalls.items()}
        numbers |= {f"{name}/targets": each.of_targets for name, each in self.recalls.items()}
        numbers |= coverage_table(self.levels) if self.levels else {}
        return numbers | {"invalid poses": float(self.invalid)}

    def numbers_by_object(self) -> dict[str, float]:
        """Recalls and modes of each object."""
        numbers: dict[str, float] = {}
        for name, each in self.recalls.items():
            numbers |= {f"{name}/obj_{key:06d}": value for key, value in each.by_object.items()}
        for key, (_, largest, departure) in mode_table(self.shares).items():
            numbers[f"largest mode/obj_{key:06d}"] = largest
            numbers[f"departure from equal modes/obj_{key:06d}"] = departure
        return numbers

    def markdown(self, title: str) -> str:
        """Tables of recalls, coverage and modes in percent, below a title."""
        parts = [[title], recall_lines(self.recalls), [f"invalid poses: {self.invalid}"]]
        if self.levels:
            parts.append(coverage_lines(self.levels))
        if self.shares:
            parts.append(mode_lines(self.shares))
        return "\n\n".join("\n".join(lines) for lines in parts) + "\n"


def recall_lines(recalls: Mapping[str, Recall]) -> list[str]:
    """Recalls [%] by object, their means and those of all targets."""
    rows: dict[str, list[float]] = {}
    for key in next(iter(recalls.values())).by_object:
        rows[str(key)] = [each.by_object[key] for each in recalls.values()]
    rows["mean of objects"] = [each.mean for each in recalls.values()]
    rows["all targets"] = [each.of_targets for each in recalls.values()]
    cells = ([name, *(f"{100 * value:.1f}" for value in row)] for name, row in rows.items())
    return list(table_lines(["object", *recalls], cells))


def coverage_lines(levels: Sequence[PoseLevels]) -> list[str]:
    """Coverage [%] of the regions of the poses, of all objects and of those without symmetries."""
    groups = {"all": levels, "without symmetries": [each for each in levels if not each.symmetric]}
    rows = []
    for group, members in groups.items():
        if not members:
            continue
        table = coverage_table(members)
        for quantity in QUANTITIES:
            shares = [v for name, v in table.items() if name.startswith(f"coverage {quantity}")]
            cells = [f"{100 * share:.0f}" for share in shares]
            rows.append([group, str(len(members)), quantity, *cells])
    nominal = [f"{100 * share:g}" for share in NOMINAL]
    return list(table_lines(["coverage [%]", "objects", "value", *nominal], rows))


def mode_lines(shares: Sequence[ModeShares]) -> list[str]:
    """How the posteriors of symmetric objects spread over the symmetric poses [%]."""
    rows = (
        [
            str(key),
            str(modes),
            f"{100 / modes:.1f}",
            f"{100 * largest:.1f}",
            f"{100 * departure:.1f}",
        ]
        for key, (modes, largest, departure) in mode_table(shares).items()
    )
    head = ["symmetric object", "modes", "equal share", "largest share", "largest departure"]
    return list(table_lines(head, rows))


def table_lines(head: Sequence[str], rows: Iterator[list[str]] | list[list[str]]) -> Iterator[str]:
    """The lines of a table."""
    yield f"| {' | '.join(head)} |"
    yield f"|{'---|' * len(head)}"
    for row in rows:
        yield f"| {' | '.join(row)} |"
