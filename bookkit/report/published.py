"""Scores that others printed, to compare ours with."""

from __future__ import annotations

import pandas as pd

_COLUMNS = ["BLEU-1", "BLEU-4", "METEOR", "ROUGE-L", "CIDEr", "SPICE"]

BRAINHUB = pd.DataFrame.from_dict(
    {
        "braincap_s1": [55.96, 14.51, 16.68, 40.69, 41.30, 9.06],
        "braincap_s2": [53.80, 13.03, 15.90, 39.96, 35.60, 8.47],
        "braincap_s5": [55.28, 14.62, 16.45, 40.87, 41.05, 9.24],
        "braincap_s7": [54.25, 14.00, 15.94, 40.02, 37.49, 8.57],
        "sdrecon_s1": [36.21, 3.43, 10.03, 25.13, 13.83, 5.02],
        "sdrecon_s2": [34.71, 3.02, 9.60, 24.22, 13.38, 4.58],
        "sdrecon_s5": [34.96, 3.49, 9.93, 24.77, 13.85, 5.19],
        "sdrecon_s7": [34.99, 3.26, 9.54, 24.33, 13.01, 4.74],
    },
    orient="index",
    columns=_COLUMNS,
)
"""BrainHub's table (github.com/weihaox/BrainHub): system and subject -> scores of pycocoevalcap."""

FLICKR8K = pd.DataFrame(
    [[11.8, 32.1, 44.7]],
    index=["published in 2015 (Karpathy and Fei-Fei)"],
    columns=["R@1", "R@5", "R@10"],
)
"""Captions that find their photograph, test split of Flickr8k: karpathy2015alignments, Table 1."""
