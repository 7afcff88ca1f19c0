"""Which image each row of a state describes, when images have different numbers of rows."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Rows:
    """R rows that describe B images, the rows of an image side by side.

    Attention to regions wants all rows of an image as the queries of one matrix product, so that
    they share its keys and values: :meth:`fold` lays them out so, :meth:`unfold` takes them back.
    """

    images: int  # B
    most: int  # Q, rows of the image that has most
    place: Tensor  # (R,) position in the folded layout, b * Q + q, ascending

    @classmethod
    def uniform(cls, images: int, copies: int, device: torch.device) -> Rows:
        """Every image has ``copies`` rows."""
        return cls(images, copies, torch.arange(images * copies, device=device))

    def image(self) -> Tensor:
        """The image of each row, (R,) ascending."""
        return self.place // self.most

    def keep(self, rows: Tensor) -> Rows:
        """Only these rows, in this order (by image), repetition allowed. Shapes: rows (R',)."""
        image = self.image()[rows]
        count = image.bincount(minlength=self.images)
        first = count.cumsum(0) - count
        most = int(count.max())
        ranks = torch.arange(len(image), device=image.device) - first[image]
        return Rows(self.images, most, image * most + ranks)

    def without_gaps(self) -> Rows:
        """The same rows once the images without any have gone."""
        present, image = self.image().unique_consecutive(return_inverse=True)
        return Rows(len(present), self.most, image * self.most + self.place % self.most)

    def fold(self, x: Tensor) -> Tensor:
        """Shapes: (R, d) -> (B, Q, d), zeros where an image has fewer than Q rows."""
        if len(x) < self.images * self.most:
            x = x.new_zeros(self.images * self.most, x.shape[1]).index_copy(0, self.place, x)
        return x.view(self.images, self.most, -1)

    def unfold(self, x: Tensor) -> Tensor:
        """Shapes: (B, Q, d) -> (R, d)."""
        x = x.flatten(0, 1)
        return x if len(x) == len(self.place) else x.index_select(0, self.place)
