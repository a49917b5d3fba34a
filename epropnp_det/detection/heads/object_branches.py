"""Predictions for an object as a whole: size, weight scale, 3D score, velocity, attribute."""

from __future__ import annotations

from torch import Tensor, nn

from ..data.class_set import ClassSet
from ..structures.tensor_record import select_class
from .coders import SizeCoder


class ObjectBranches(nn.Module):
    """Linear read-outs of the attended object feature.

    Args:
        embed_dims: E, width of the object feature.
        classes: names, size priors and attributes.
        class_wise_size: one size code per class, or one for all.
    """

    def __init__(self, embed_dims: int, classes: ClassSet, class_wise_size: bool = True):
        super().__init__()
        self.class_wise_size = class_wise_size
        self.hidden = nn.Sequential(
            nn.Linear(embed_dims, embed_dims),
            nn.ReLU(),
            nn.Linear(embed_dims, embed_dims),
            nn.ReLU(),
        )
        self.size = nn.Linear(embed_dims, 3 * (len(classes.class_names) if class_wise_size else 1))
        self.velocity = nn.Linear(embed_dims, 2)
        self.attribute = nn.Linear(embed_dims, len(classes.attributes))
        self.log_scale = nn.Linear(embed_dims, 2)
        self.score = nn.Linear(embed_dims, 1)
        if classes.size_mean is None or classes.size_std is None:
            raise ValueError("classes: a model needs size_mean and size_std of each class")
        self.coder = SizeCoder(classes.size_mean, classes.size_std)
        for layer in (self.size, self.velocity, self.attribute, self.log_scale, self.score):
            nn.init.normal_(layer.weight, std=0.01)
            nn.init.zeros_(layer.bias)

    def forward(self, feature: Tensor, label: Tensor) -> dict[str, Tensor]:
        """Reads the branches.

        Args:
            feature: (M, E).
            label: (M,) class of the query.

        Returns:
            `size_code` (M, classes or 1, 3), `size` (M, 3) in m, `velocity` (M, 2) in m/s,
            `attribute` (M, attributes) logits, `w2d_scale` (M, 2), `score` (M,) logit.
        """
        hidden = self.hidden(feature)
        code = self.size(hidden).unflatten(1, (-1, 3))
        return dict(
            size_code=code,
            size=self.coder.decode(select_class(code, label), label),
            velocity=self.velocity(hidden),
            attribute=self.attribute(hidden),
            w2d_scale=self.log_scale(feature).exp(),
            score=self.score(feature)[:, 0],
        )
