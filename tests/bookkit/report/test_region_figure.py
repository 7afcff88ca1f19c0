"""Regions of a scene: their frames are where they were found, their labels can all be read."""

from __future__ import annotations

from itertools import combinations

from bookkit.report.regions import SIDE, region_panel
from emoji_scenes.dataset import ScenesDataset


def test_labels_do_not_cover_each_other_or_leave_the_picture() -> None:
    scene = ScenesDataset("test", 1).scene(0)
    boxes = [
        (0.4, 0.4, 0.6, 0.6),
        (0.42, 0.41, 0.62, 0.6),
        (0.9, 0.9, 1.0, 1.0),
        (0.0, 0.0, 0.1, 0.1),
    ]
    panel = region_panel(scene, boxes, ["hot air balloon", "umbrella", "watermelon", "telephone"])
    (axes,) = panel.figure.axes
    assert axes.images[0].get_array().shape[:2] == (SIDE, SIDE)
    assert [patch.get_bbox().extents.round(6).tolist() for patch in axes.patches] == [
        list(box) for box in boxes
    ]
    picture = axes.get_window_extent().padded(2)
    places = [text.get_window_extent() for text in axes.texts]
    assert not any(a.overlaps(b) for a, b in combinations(places, 2))
    assert all(picture.x0 <= a.x0 and a.x1 <= picture.x1 for a in places)
    assert panel.alt.endswith("hot air balloon, umbrella, watermelon, telephone.")
