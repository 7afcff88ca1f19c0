"""Tables 1 to 5 of the paper, as printed (inconsistencies included: see `book/claims.yml`)."""

from __future__ import annotations

import io

import pandas as pd

from gegcore.errors import ConfigError
from gegcore.training.config import OBJECTIVES

OBJECTIVE_SUFFIX = {
    "mle": "",
    "scst": "+SCST",
    "scst_geg": "+SCST+GEG",
    "scst_pp": "+SCST++",
    "scst_er": "+SCST+ER",
    "scst_geg_sole": "+SCST+GEG-sole",
}
"""Objective -> what the paper writes after the model's name."""

MODEL_NAMES = {
    "lstm_a3": "LSTM-A3",
    "attention": "Attention",
    "updown": "Up-Down",
    "gcn_lstm": "GCN-LSTM",
    "transformer": "Transformer",
    "meshed_memory": "Meshed-Memory",
    "xlan": "X-LAN",
}
"""Architecture -> the paper's name for it (Sec. 4.1)."""

# Language metrics, R@K and answers in per cent, GEG raw; -: not printed. Of 4 and 5, people's.
_TABLES = {
    1: """
row R@1 R@5 R@10
VSE++ 24.1 52.8 66.2
CLIP 30.4 50.0 66.9
""",
    2: """
row CIDEr R@1 R@5 R@10 BLEU-1 BLEU-2 BLEU-3 BLEU-4 METEOR ROUGE-L SPICE GEG-Avg GEG-Min
LSTM-A3 107.7 11.52 30.88 42.34 75.3 59.0 45.4 35.0 26.7 55.6 19.7 0.0296 -0.0064
LSTM-A3+SCST 117.0 10.98 29.38 41.34 77.9 61.5 46.7 35.0 27.1 56.3 20.5 0.0288 -0.0073
LSTM-A3+SCST+GEG 114.3 12.98 32.86 45.7 76.9 60.4 45.6 33.9 26.9 55.8 20.6 0.0330 -0.0046
Attention 113.0 14.74 36.4 48.6 76.4 60.6 46.9 36.1 27.6 56.6 20.4 0.0344 -0.0015
Attention+SCST 123.1 14.8 35.5 47.04 79.4 63.5 48.9 37.1 27.9 57.6 21.3 0.0338 -0.0026
Attention+SCST+GEG 116.6 17.68 40.94 52.84 77.1 60.8 45.9 34.3 27.4 56.4 21.1 0.0406 0.0026
Up-Down 113.1 16.08 37.4 49.18 76.3 60.3 46.6 36.0 27.6 56.6 20.7 0.0351 -0.0008
Up-Down+SCST 124.7 15.46 36.2 49.28 80.1 64.3 49.7 37.7 28.0 58.0 21.5 0.0349 -0.0014
Up-Down+SCST+GEG 114.2 19.78 42.7 55.68 76.24 60.15 45.46 33.85 27.41 56.24 21.17 0.0424 0.0048
GCN-LSTM 116.3 17.46 40.02 52.68 76.8 61.1 47.6 36.9 28.2 57.2 21.2 0.0373 0.0011
GCN-LSTM+SCST 127.2 17.22 39.46 52.16 80.2 64.7 50.3 38.5 28.5 58.4 22.1 0.0375 0.0015
GCN-LSTM+SCST+GEG 112.6 20.66 45.26 58.16 76.30 60.04 45.50 33.74 26.92 55.76 20.83 0.0441 0.0063
Transformer 116.6 18.76 42.26 54.16 76.4 60.3 46.5 35.8 28.2 56.7 21.3 0.0391 0.0028
Transformer+SCST 130.0 19.6 42.72 55.62 80.5 65.4 51.1 39.2 29.1 58.7 23.0 0.0403 0.0033
Transformer+SCST+GEG 123.2 25.06 50.8 62.96 77.66 61.83 47.57 35.79 28.58 57.36 22.84 0.0485 0.0102
Meshed-Memory 116.0 18.66 41.12 52.92 76.3 60.2 46.4 35.6 28.1 56.5 21.2 0.0383 0.0024
Meshed-Memory+SCST 131.1 19.64 42.94 55.86 80.7 65.5 51.4 39.6 29.2 58.9 22.9 0.0402 0.0034
Meshed-Memory+SCST+GEG 124.4 25.44 50.88 63.7 78.15 62.33 48.17 36.48 28.74 57.48 22.91 .0484 0.0102
X-LAN 120.7 20.26 43.88 55.4 77.5 61.9 48.3 37.5 28.6 57.6 21.9 0.0402 0.0036
X-LAN+SCST 130.0 21.3 44.74 57.74 80.4 65.2 51.0 39.2 29.4 59.0 23.2 0.0416 0.0045
X-LAN+SCST+GEG 121.7 28.12 50.3 67.18 76.23 60.55 46.37 34.82 28.66 56.96 22.84 0.0517 0.0127
Stack-Cap 120.4 13.96 34.36 45.78 - - 47.9 36.1 27.4 56.9 20.9 0.0339 -0.0019
Disc-Cap 120.1 11.24 29.74 41.86 - - 48.5 36.1 27.7 57.8 21.4 0.0313 -0.0042
CIDErBtw-Cap 127.78 19.16 41.98 54.54 - - 51.0 38.5 29.1 58.2 23.0 0.0390 0.0025
Gdis-Cap 127.5 17.62 38.94 51.68 - - 50.0 38.1 - - - - -
""",
    3: """
row R@1 R@5 R@10 CIDEr
X-LAN+SCST 21.3 44.74 57.74 130.0
X-LAN+SCST++ 21.8 44.24 57.98 130.5
X-LAN+SCST+ER 25.86 52.38 64.88 120.7
X-LAN+SCST+GEG 28.13 50.3 67.18 121.7
X-LAN+SCST+GEG-sole 32.82 61.3 72.8 17.4
""",
    4: """
row R@1 R@5 R@10
X-LAN+SCST 21.9 47.3 75.4
X-LAN+SCST+GEG 33.7 56.7 81.5
""",
    5: """
row win tie loss
accuracy 16.7 80.3 3.0
distinctiveness 44.5 47.2 8.3
""",
}


def paper_table(number: int) -> pd.DataFrame:
    """A table of the paper: a row as printed, without the citation, a column a metric.

    NaN where the paper prints a dash.
    """
    return pd.read_csv(io.StringIO(_TABLES[number]), sep=" ", index_col="row", na_values="-")


def paper_rows(number: int, model: str) -> pd.DataFrame:
    """The rows of one of the seven models, by the label of their objective; else none."""
    found, name = paper_table(number), MODEL_NAMES.get(model, "?")
    rows = {f"{name}{end}": OBJECTIVES[key].label for key, end in OBJECTIVE_SUFFIX.items()}
    return found.loc[[row for row in rows if row in found.index]].rename(rows).rename_axis("label")


def paper_value(table: int, row: str, metric: str) -> float:
    """One number of the paper.

    Raises:
        ConfigError: no such table, row or metric, or a dash.
    """
    known = paper_table(table) if table in _TABLES else pd.DataFrame()
    for what, name, names in (("row", row, known.index), ("metric", metric, known.columns)):
        if name not in names:
            there = ", ".join(names) or "Tables 1 to 5"
            raise ConfigError(
                f"Table {table} of the paper has no {what} '{name}'", f"there are: {there}"
            )
    value = float(known[metric][row])
    if pd.isna(value):
        raise ConfigError(f"Table {table} prints no {metric} of {row}", "name another metric")
    return value
