"""The classes of a detection task: names, size priors, attributes and ranges."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from .nuscenes_classes import (
    ADMITTED_ATTRIBUTES,
    ATTRIBUTES,
    CLASSES,
    DETECTION_RANGE,
    SIZE_MEAN,
    SIZE_STD,
    STATIC_CLASSES,
    SYMMETRY,
)

# Label of a box whose attribute is not known: torch's cross-entropy leaves this label out.
UNKNOWN_ATTRIBUTE = -100
SYMMETRIES = ("half_turn", "round")


@dataclass(frozen=True)
class ClassSet:
    """Classes and attributes of a detection task.

    Args:
        class_names: in the order of the labels.
        size_mean: (classes, 3) mean of length, height, width, m; a model needs it, a dataset does
            not.
        size_std: (classes, 3) standard deviation of the same.
        attributes: in the order of the attribute labels (`attribute_id` of the annotation file);
            the last one means "no attribute".
        admitted_attributes: by class name, the attributes that a box of the class may have; a class
            that is left out has none.
        detection_range: by class name, m from the vehicle in the ground plane; boxes beyond it are
            left out of a sample. A class that is left out has no limit.
        symmetry: by class name, "half_turn" where a half turn changes nothing (headings are
            compared modulo pi), "round" where no turn does (headings are not compared).
        static_classes: names of classes that never move: their velocity is not evaluated.

    Raises:
        ValueError: lengths that disagree, sizes that are not positive, or unknown names.
    """

    class_names: tuple[str, ...]
    size_mean: tuple[tuple[float, float, float], ...] | None = None
    size_std: tuple[tuple[float, float, float], ...] | None = None
    attributes: tuple[str, ...] = ("none",)
    admitted_attributes: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    detection_range: Mapping[str, float] = field(default_factory=dict)
    symmetry: Mapping[str, str] = field(default_factory=dict)
    static_classes: tuple[str, ...] = ()

    def __post_init__(self):
        for name in ("size_mean", "size_std"):
            self._check_sizes(name)
        for key in ("admitted_attributes", "detection_range", "symmetry", "static_classes"):
            for name in getattr(self, key):
                if name not in self.class_names:
                    raise ValueError(f"classes: {key} names an unknown class {name!r}")
        self._check_ranges()
        self._check_symmetries()
        self._check_attributes()

    def _check_sizes(self, name: str) -> None:
        rows = getattr(self, name)
        if rows is None:
            return
        if len(rows) != len(self.class_names):
            raise ValueError(
                f"classes: {name} has {len(rows)} rows for {len(self.class_names)} class_names"
            )
        if any(len(row) != 3 or min(row) <= 0 for row in rows):
            raise ValueError(f"classes: each row of {name} must be three positive numbers")

    def _check_ranges(self) -> None:
        for name, reach in self.detection_range.items():
            if isinstance(reach, bool) or not isinstance(reach, (int, float)) or not reach > 0:
                raise ValueError(
                    f"classes: detection_range of {name!r} is {reach!r}; it must be above 0 m"
                )

    def _check_symmetries(self) -> None:
        for name, symmetry in self.symmetry.items():
            if symmetry not in SYMMETRIES:
                raise ValueError(
                    f"classes: symmetry of {name!r} is {symmetry!r}; choose from "
                    f"{', '.join(SYMMETRIES)}"
                )

    def _check_attributes(self) -> None:
        for name, admitted in self.admitted_attributes.items():
            unknown = set(admitted) - set(self.attributes)
            if unknown:
                raise ValueError(
                    f"classes: admitted_attributes of {name!r} has unknown {sorted(unknown)}; "
                    f"attributes are {', '.join(self.attributes)}"
                )

    @property
    def admitted(self) -> tuple[tuple[bool, ...], ...]:
        """(classes, attributes): whether a box of the class may have the attribute."""
        admitted = [
            self.admitted_attributes.get(name) or self.attributes[-1:] for name in self.class_names
        ]
        return tuple(tuple(name in names for name in self.attributes) for names in admitted)

    def ranges(self) -> np.ndarray:
        """(classes,) detection range of each class, m; infinite where there is no limit."""
        return np.array([self.detection_range.get(name, np.inf) for name in self.class_names])

    def heading_period(self, name: str) -> float:
        """Angle [rad] modulo which headings of a class are compared: pi where a half turn changes
        nothing, else a whole turn."""
        return math.pi if self.symmetry.get(name) == "half_turn" else 2 * math.pi

    def attribute_name(self, index: int) -> str:
        """Name of an attribute, '' for an unknown one, and for the last one as in a nuScenes
        submission."""
        if index in (UNKNOWN_ATTRIBUTE, len(self.attributes) - 1):
            return ""
        return self.attributes[index]

    def attributes_of_class(self, name: str) -> tuple[str, ...]:
        """Attributes that a box of the class may have, without the last one."""
        admitted = self.admitted_attributes.get(name, ())
        return tuple(attribute for attribute in admitted if attribute != self.attributes[-1])


NUSCENES = ClassSet(
    CLASSES,
    SIZE_MEAN,
    SIZE_STD,
    ATTRIBUTES,
    dict(ADMITTED_ATTRIBUTES),
    dict(DETECTION_RANGE),
    dict(SYMMETRY),
    STATIC_CLASSES,
)


def class_set(settings: Mapping[str, Any] | Sequence[str] | None = None) -> ClassSet:
    """Classes from a config.

    Args:
        settings: the fields of `ClassSet`; or class names alone, where attributes, ranges and
            symmetries are those of nuScenes for the classes that it has. None means the ten classes
            of nuScenes.

    Raises:
        TypeError: an unknown or a missing key.
        ValueError: see `ClassSet`.
    """
    if settings is None:
        return NUSCENES
    if isinstance(settings, Mapping):
        return ClassSet(**dict(settings, class_names=tuple(settings["class_names"])))
    names = tuple(settings)
    return ClassSet(
        names,
        attributes=ATTRIBUTES,
        admitted_attributes={n: a for n, a in ADMITTED_ATTRIBUTES.items() if n in names},
        detection_range={n: r for n, r in DETECTION_RANGE.items() if n in names},
        symmetry={n: s for n, s in SYMMETRY.items() if n in names},
        static_classes=tuple(n for n in STATIC_CLASSES if n in names),
    )
