"""What every metric returns: corpus values that can be resampled, and a number a caption."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from gegcore.errors import ConfigError
from gegcore.metrics.uncertainty import Statistic


@dataclass(frozen=True)
class Scores:
    """One or more metrics of M captions, on the scale of the tables.

    Attributes:
        statistics: name -> corpus metric, in the order of the table.
        per_caption: name -> `(M,)`; a metric without a value per caption is not in it. Numbers, or
            texts that explain them.
        signature: name -> which program, version and options it comes from.
        missing: name -> why a metric could not be computed here, and how it could.
        failed: name -> what went wrong while it was computed.
    """

    statistics: Mapping[str, Statistic]
    per_caption: Mapping[str, np.ndarray] = field(default_factory=dict)
    signature: Mapping[str, str] = field(default_factory=dict)
    missing: Mapping[str, str] = field(default_factory=dict)
    failed: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def means(
        cls, values: Mapping[str, np.ndarray], signature: Mapping[str, str] | None = None
    ) -> Scores:
        """Metrics that are the mean of their values per caption `(M,)`."""
        means = {name: Statistic.mean(each) for name, each in values.items()}
        return cls(means, values, signature or {})

    def check(self, label: str, captions: int) -> None:
        """Refuse what could not be resampled, stored or shown beside other metrics.

        Args:
            label: whose these are, for errors.

        Raises:
            ConfigError: a metric or a column has not one value for each caption, a metric is no
                `Statistic`, or it is NaN or infinite.
        """
        for name, found in self.statistics.items():
            where = f"'{name}' of {label}"
            if not isinstance(found, Statistic):
                fix = "give `Statistic.mean(values)`, one value for each caption"
                raise ConfigError(f"{where} is a {type(found).__name__}", fix)
            if np.shape(found.parts)[:1] != (captions,) or np.ndim(found.parts) != 2:
                what = f"{where} has parts {np.shape(found.parts)} of {captions} captions"
                raise ConfigError(what, "give one row of numbers for each caption, in their order")
            both = np.asarray(found.finish(np.stack([found.parts.sum(axis=0)] * 2)))
            if both.shape != (2,):
                what = f"`finish` of {where} makes {both.shape} of sums (2, P)"
                raise ConfigError(what, "let it keep leading dimensions: `sums[..., 0]`")
            if not np.isfinite(both).all():
                fix = "give a number for every caption, such as 0 where there is nothing to count"
                raise ConfigError(f"{where} is {both[0]}", fix)
        for name, column in self.per_caption.items():
            if np.shape(column) != (captions,):
                what = f"column '{name}' of {label} has shape {np.shape(column)}"
                raise ConfigError(what, f"give one value for each of the {captions} captions")

    def __or__(self, other: Scores) -> Scores:
        """Both sets of metrics, these first.

        Raises:
            ConfigError: a metric, or a column of values per caption, is in both.
        """
        columns = self.per_caption.keys() & other.per_caption.keys()
        if twice := columns | (self.statistics.keys() & other.statistics.keys()):
            raise ConfigError(f"metrics computed twice: {', '.join(sorted(twice))}", "rename one")
        return Scores(
            {**self.statistics, **other.statistics},
            {**self.per_caption, **other.per_caption},
            {**self.signature, **other.signature},
            {**self.missing, **other.missing},
            {**self.failed, **other.failed},
        )
