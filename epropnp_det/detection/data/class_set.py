"""The classes of a dataset as one value."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

NO_ATTRIBUTE = "none"


@dataclass(frozen=True)
class ClassSet:
    """Classes and attributes of a dataset; a label is an index into `names`.

    Args:
        names: of the classes.
        attributes: `attribute_id` of the annotation file is an index into them; "none" stands for
            no attribute.
        admitted_attributes: attributes that a class may have, by its name; a class that is left out
            has none.
        detection_range: m from the vehicle in the ground plane, by the name of the class; boxes
            beyond it are left out of a sample. A class that is left out has no limit.
    """

    names: tuple[str, ...]
    attributes: tuple[str, ...] = (NO_ATTRIBUTE,)
    admitted_attributes: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    detection_range: Mapping[str, float] = field(default_factory=dict)

    def ranges(self) -> np.ndarray:
        """(classes,) detection range of each class, m."""
        return np.array([self.detection_range.get(name, np.inf) for name in self.names])

    def attribute_name(self, index: int) -> str:
        """Name of an attribute, '' for "none" as in a submission."""
        name = self.attributes[index]
        return "" if name == NO_ATTRIBUTE else name

    def attributes_of_class(self, name: str) -> tuple[str, ...]:
        """Attributes that a box of the class may have, "none" left out."""
        admitted = self.admitted_attributes.get(name, ())
        return tuple(attribute for attribute in admitted if attribute != NO_ATTRIBUTE)
