"""What the benchmarks measured, as tables; see `benchmarks/` for the code that measures."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from bookkit.report.page import Cell, Html, Row, table
from gegcore.errors import DataError
from gegcore.storage import read_json

Stored = Mapping[str, Any]


def speed_table(name: str, folder: Path) -> Html:
    """The stored result of one benchmark, or how to make it.

    Args:
        name: of the benchmark, a file in `benchmarks/`.
        folder: of the results, `<name>.json` each.

    Raises:
        DataError: there is no such benchmark.
    """
    if name not in _TABLES:
        raise DataError(f"there is no benchmark {name!r}", f"use: {', '.join(_TABLES)}")
    path = folder / f"{name}.json"
    if not path.is_file():
        command = f"python -m benchmarks.{name} --json results/benchmarks/{name}.json"
        return Html(f"<p>Not measured yet. This does: <code>{command}</code></p>")
    return _TABLES[name](read_json(path))


def _decoding(stored: Stored) -> Html:
    rows = []
    for row in stored["rows"]:
        compared = f"{row['ratio']:.2f} of {row['to']}" if row["ratio"] is not None else ""
        cells = [
            Cell(f"{row['seconds']:.2f}"),
            Cell(compared, kind="geg-text"),
            Cell(f"{row['words']:.1f}"),
        ]
        rows.append(Row(row["decoding"], cells))
    alike = f"{100 * stored['equal_beams']:.2f} % of the captions of both beam searches are equal. "
    return table(
        ("seconds", "time", "words"), rows, alike + _setting(stored["setting"]), corner="decoding"
    )


def _cider(stored: Stored) -> Html:
    rows = [
        Row(row["scorer"], [Cell(f"{row['ms']:.2f}"), Cell(f"{row['times faster']:.0f} x")])
        for row in stored["rows"]
    ]
    alike = f"Scores differ by {stored['difference']:.0e} at most. "
    caption = alike + _setting(stored["setting"])
    return table(("milliseconds", "faster"), rows, caption, corner="scorer")


def _scst_step(stored: Stored) -> Html:
    rows = []
    for row in stored["rows"]:
        phases = ", ".join(f"{name} {seconds:.2f}" for name, seconds in row["phases"].items())
        cells = [Cell(f"{row['seconds']:.2f}"), Cell(f"{row['faster']:.1f} x")]
        rows.append(Row(row["scheme"], [*cells, Cell(phases, kind="geg-text")]))
    caption = _setting(stored["setting"])
    return table(("seconds", "faster", "seconds by phase"), rows, caption, corner="step")


def _evaluate(stored: Stored) -> Html:
    rows = [
        *(Row(row["contender"], _seconds(row)) for row in stored["rows"]),
        Row("Of the first"),
        *(Row(row["phase"], _seconds(row)) for row in stored["phases"]),
    ]
    alike = f"Scores differ from pycocoevalcap's by {stored['difference']:.0e} at most. "
    caption = alike + _setting(stored["setting"])
    return table(("seconds", "processor seconds"), rows, caption, corner="what is computed")


def _resampling(stored: Stored) -> Html:
    slowest = stored["rows"][0]["seconds"]
    rows = [
        Row(
            row["contender"],
            [Cell(f"{row['seconds']:.1f}"), Cell(f"{slowest / row['seconds']:.0f} x")],
        )
        for row in stored["rows"]
    ]
    setting = stored["setting"]
    caption = (
        f"{setting['resamples']:,} resamples of {setting['metrics']} metrics of "
        f"{setting['images']:,} images; the loop's time is that of {setting['loop_resamples']:,} "
        f"resamples, times {setting['resamples'] // setting['loop_resamples']}. "
        f"{_setting({name: setting[name] for name in ('machine', 'threads', 'numpy')})}"
    )
    return table(("seconds", "faster"), rows, caption, corner="what is computed")


def _seconds(row: Stored) -> list[Cell]:
    return [Cell(f"{row[name]:.1f}") for name in ("seconds", "processor_seconds")]


def _gpu(stored: Stored) -> Html:
    rows = []
    for row in stored["rows"]:
        waits = row["host_waits"]
        rows.append(
            Row(
                row["model"],
                [
                    Cell(f"{row['scst_geg_images_per_second']:.0f}"),
                    Cell(f"{row['mle_images_per_second']:.0f}"),
                    Cell(f"{100 * row['reward_share']:.0f} %"),
                    Cell("" if row["peak_memory_gib"] is None else f"{row['peak_memory_gib']:.1f}"),
                    Cell("" if waits is None else str(len(waits))),
                ],
            )
        )
    columns = ("+SCST+GEG, images/s", "MLE, images/s", "reward's share", "GiB", "waits")
    return table(columns, rows, _setting(stored["setting"]), corner="captioner")


def _setting(setting: Mapping[str, Any]) -> str:
    """Where and how it was measured, in words."""
    parts = (f"{name.replace('_', ' ')} {value}" for name, value in setting.items())
    return "; ".join(parts) + "."


_TABLES: dict[str, Callable[[Stored], Html]] = {
    "decoding": _decoding,
    "cider": _cider,
    "scst_step": _scst_step,
    "evaluate": _evaluate,
    "resampling": _resampling,
    "gpu": _gpu,
}
