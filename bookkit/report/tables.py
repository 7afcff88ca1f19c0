"""Tables of results: ours with intervals, the paper's beside them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from bookkit.report.page import Cell, Html, Row, interval, number, table
from bookkit.report.paper import MODEL_NAMES, PaperRow, model_rows
from bookkit.report.results import TABLE_COLUMNS, Finished, Results
from gegcore.profiles import Profile
from gegcore.runs import RunFolder
from gegcore.training.config import objective_config
from gegcore.training.recipes import recipe

_FEW = 200  # test images; below, an interval of R@1 is wider than the paper's whole range
_INTERVALS = "95 % bootstrap intervals over test images in brackets"


def results_table(results: Results, metrics: Sequence[str] = TABLE_COLUMNS) -> Html:
    """Every finished model and objective: means over seeds, intervals over images.

    Args:
        results: runs of a profile.
        metrics: columns; those that a run lacks are shown as a dash.
    """
    rows: list[Row] = []
    for model in results.models:
        if len(results.models) > 1:
            rows.append(Row(_model_name(model)))
        rows += _own_rows(results.of_model(model), metrics)
    return table(metrics, rows, _caption(results), corner="Objective")


def all_captioners(results: Results, metrics: Sequence[str] = TABLE_COLUMNS) -> Html:
    """``results_table`` if the profile trains several captioners, otherwise a line that says so."""
    if len(results.models) > 1:
        return results_table(results, metrics)
    return Html(
        f"<p>Profile {results.profile.name} trains one captioner. All seven are compared on the "
        "page <em>The seven captioners</em>.</p>"
    )


def beside_paper(results: Results, model: str, metrics: Sequence[str] = TABLE_COLUMNS) -> Html:
    """Rows of Table 2 of the paper for a model, and below them the same rows of our own."""
    theirs = model_rows(model)
    rows = []
    if theirs:
        rows.append(Row("Paper, Table 2: photographs (COCO), CLIP ViT-B/32"))
        rows += _paper_rows(theirs, metrics)
    rows.append(Row(f"Here: embedded world, profile {results.profile.name}"))
    rows += _own_rows(results.of_model(model), metrics)
    caption = f"{_model_name(model)}. {_caption(results)} Compare directions, not levels."
    return table(metrics, rows, caption, corner="Objective")


def metrics_table(run: RunFolder, metrics: Sequence[str] = TABLE_COLUMNS) -> Html:
    """All metrics of one run, one a line."""
    found = run.metrics()
    rows = []
    for name in [*metrics, *(other for other in found if other not in metrics)]:
        if name in found:
            value, (low, high) = found[name]["value"], found[name]["ci95"]
            rows.append(Row(name, [Cell(number(name, value)), Cell(interval(name, low, high))]))
    count = found["CIDEr"]["n"]
    return table(
        ("value", "95 % interval"),
        rows,
        f"{count:,} test images, greedy decoding; percentile bootstrap over images.",
        corner="Metric",
    )


def settings_table(profile: Profile, objective: str, model: str | None = None) -> Html:
    """What a profile sets for an objective, beside the defaults that it overrides.

    Args:
        model: also count its training recipe among the defaults.

    Raises:
        ConfigError: unknown objective or model.
    """
    chosen = profile.objective(objective, model).model_dump(exclude={"label"})
    by_model = recipe(model, objective) if model else None
    usual = objective_config(objective, by_model).model_dump(exclude={"label"})
    rows = []
    for name, value in chosen.items():
        changed = value != usual[name]
        cells = [Cell(_plain(value), kind="geg-text geg-best" if changed else "geg-text")]
        rows.append(Row(name, [*cells, Cell(_plain(usual[name]), kind="geg-text")]))
    caption = f"{profile.objective(objective).label}; bold: the profile overrides the default."
    return table(("here", "default"), rows, caption, corner="Setting")


def _plain(value: object) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name} {_plain(part)}" for name, part in value.items())
    if isinstance(value, tuple | list):
        return ", ".join(map(_plain, value))
    if value is None:
        return "none"
    return f"{value:g}" if isinstance(value, float) else str(value)


def _own_rows(entries: Sequence[Finished], metrics: Sequence[str]) -> list[Row]:
    shown = {
        entry.label: {name: found.value for name, found in entry.estimates.items()}
        for entry in entries
    }
    rows = []
    for entry in entries:
        cells = []
        for name in metrics:
            found = entry.estimates.get(name)
            small = interval(name, found.low, found.high) if found else ""
            value = found.value if found else None
            cells.append(Cell(number(name, value), small, _kind(shown, entry.label, name)))
        rows.append(Row(entry.label, cells))
    return rows


def _paper_rows(rows: Mapping[str, PaperRow], metrics: Sequence[str]) -> list[Row]:
    shown = {row.name: row.values for row in rows.values()}
    lines = []
    for row in rows.values():
        label = row.name.removeprefix(row.name.split("+")[0]) or "MLE"
        cells = [
            Cell(number(name, row.values.get(name)), kind=_kind(shown, row.name, name))
            for name in metrics
        ]
        lines.append(Row(label, cells))
    return lines


def _kind(shown: Mapping[str, Mapping[str, float]], row: str, metric: str) -> str:
    """Bold for the largest number of a column as printed; not where all print the same."""
    printed = {name: round(v[metric], 4) for name, v in shown.items() if metric in v}
    if row not in printed or len(set(printed.values())) < 2:
        return ""
    return "geg-best" if printed[row] == max(printed.values()) else ""


def _model_name(model: str) -> str:
    return MODEL_NAMES.get(model, model)


def _caption(results: Results) -> str:
    images = next(iter(results)).estimates["R@1"].n
    counts = {len(entry.seeds) for entry in results}
    if counts == {1}:
        seeds = "one seed"
    elif len(counts) == 1:
        seeds = f"means over {counts.pop()} seeds"
    else:
        each = ", ".join(f"{entry.label} {len(entry.seeds)}" for entry in results)
        seeds = f"means over seeds ({each})"
    missing = f" Not finished: {', '.join(results.missing)}." if results.missing else ""
    few = " So few images show that everything runs, and nothing else." if images < _FEW else ""
    return f"{images:,} test images, {seeds}, {_INTERVALS}; bold: best of the block.{few}{missing}"
