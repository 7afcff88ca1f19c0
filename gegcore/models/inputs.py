"""Which features a captioner cannot do without, and what to say where they are missing."""

from __future__ import annotations

from torch import Tensor

from gegcore.data.features import InputSizes
from gegcore.errors import ConfigError, DataError

_WHAT = {
    "regions": "region features",
    "pooled": "whole-picture features (pooled)",
    "attributes": "attributes (word probabilities of a multi-label classifier)",
    "relations": "relations (labels between regions)",
}


def require_sizes(model: str, inputs: InputSizes, *names: str) -> None:
    """Raise ConfigError if data lacks an input of a captioner: one of these widths is 0."""
    missing = [_WHAT[name] for name in names if not getattr(inputs, name)]
    if missing:
        raise ConfigError(
            f"model {model!r} reads {' and '.join(missing)}, which this data does not have",
            "compute the features again with an extractor that gives them, or choose a model "
            "that reads regions only, such as 'updown'",
        )


def required(value: Tensor | None, name: str, model: str) -> Tensor:
    """A field of a ``FeatureBatch`` that this captioner needs; DataError if it is missing."""
    if value is None:
        raise DataError(
            f"model {model!r} reads {_WHAT[name]}, which this batch does not have",
            f"give FeatureBatch.{name}, as in the features that the model was built for",
        )
    return value
