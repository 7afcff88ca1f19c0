"""A metric of one's own: how many captions name a colour?

    metrics: ["examples.metric:colour_words"]

in a profile, or `evaluate_captions(given, more=[colour_words])`. It then has an interval in every
table.
"""

import numpy as np

from gegcore.metrics.inputs import MetricInputs
from gegcore.metrics.scores import Scores
from gegcore.metrics.uncertainty import Statistic

NAME = "colour words"
COLOURS = {"red", "orange", "yellow", "green", "blue", "purple", "pink", "brown", "black", "white"}


def colour_words(given: MetricInputs) -> Scores:
    """Per cent of captions with a word for a colour."""
    words = [set(caption.split()) for caption in given.tokenized.captions]
    values = np.array([100.0 * bool(said & COLOURS) for said in words])
    return Scores(
        {NAME: Statistic.mean(values)},  # of the corpus; the bootstrap resamples its images
        {NAME: values},  # the column of the table of captions
        {NAME: f"captions with one of {len(COLOURS)} words"},  # the signature: what decides it
    )
