"""Distributions as cumulative curves with their medians: they overlap and still can be read."""

from __future__ import annotations

from collections.abc import Mapping

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.ticker import PercentFormatter

from bookkit.report.style import GREY, Panel, legend_below


def ecdfs(
    values: Mapping[str, np.ndarray], x: str, what: str, zero: bool = False, digits: int = 3
) -> Panel:
    """Empirical cumulative distributions; a dot at each median.

    Args:
        values: name -> values `(N,)`.
        x: label of the axis, with its unit.
        what: is counted: "captions".
        zero: mark 0 with a line.
        digits: of the medians in the description.
    """
    figure, axes = plt.subplots()
    medians = {name: float(np.median(each)) for name, each in values.items()}
    for name, each in values.items():
        curve = axes.ecdf(each, label=name)
        axes.plot(medians[name], 0.5, "o", color=curve.get_color())
    if zero:
        axes.axvline(0, color=GREY, linewidth=1)
    axes.set(xlabel=x, ylabel=f"{what} at or below")
    axes.yaxis.set_major_formatter(PercentFormatter(1.0))
    legend_below(axes, 2)
    said = ", ".join(f"{name} {value:.{digits}f}" for name, value in medians.items())
    return Panel(figure, f"Cumulative shares of {what} by {x}. Medians (dots): {said}.")
