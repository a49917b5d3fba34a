"""The branches that predict size, velocity and attribute of an object."""

from __future__ import annotations

import pytest

from epropnp_det.detection.data.class_set import ClassSet
from epropnp_det.detection.heads.object_branches import ObjectBranches


def test_a_model_needs_the_sizes_of_its_classes() -> None:
    with pytest.raises(ValueError, match="a model needs size_mean and size_std"):
        ObjectBranches(8, ClassSet(("sedan", "walker")))
