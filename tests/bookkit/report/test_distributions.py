"""Cumulative curves: what is drawn, and what is said to those who cannot see it."""

from __future__ import annotations

import numpy as np

from bookkit.report.distributions import ecdfs


def test_curves_end_at_all_and_dots_are_medians() -> None:
    values = {"few": np.array([1.0, 2.0, 9.0]), "more": np.arange(5.0)}
    panel = ecdfs(values, "gap (cosine)", "captions", zero=True, digits=1)
    (axes,) = panel.figure.axes
    curves = {line.get_label(): line for line in axes.lines if line.get_label() in values}
    for name, each in values.items():
        x, y = curves[name].get_data()
        assert np.allclose(x[1:], np.sort(each)) and y[-1] == 1
    dots = [line.get_xydata()[0].tolist() for line in axes.lines if line.get_marker() == "o"]
    assert dots == [[2.0, 0.5], [2.0, 0.5]]
    assert any(set(line.get_xdata()) == {0} for line in axes.lines)
    assert axes.get_ylabel() == "captions at or below"
    assert panel.alt.endswith("Medians (dots): few 2.0, more 2.0.")
