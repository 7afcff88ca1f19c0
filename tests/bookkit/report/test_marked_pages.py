"""Pages of the seven captioners: counts, links to code, drawings, stored attention."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from bookkit.report import attention, code_lines
from bookkit.report.attention import ATTENDING, attention_record, read_attention, write_record
from bookkit.report.attention_figure import attention_figure
from bookkit.report.code_lines import find_lines, ranges
from bookkit.report.diagram import Arrow, Box, Diagram, maths
from bookkit.report.marked_pages import (
    PUBLISHED,
    MarkedPage,
    attention_part,
    code_block,
    parameter_count,
    sizes_table,
)
from bookkit.report.model_diagrams import DIAGRAMS
from gegcore.errors import ConfigError, DataError
from gegcore.experiment.train import new_captioner
from gegcore.materials import Materials
from gegcore.models import ARCHITECTURES, shift_right
from gegcore.profiles import load_profile
from gegcore.runs import RunFolder
from gegcore.storage import write_json

SOURCES = sorted((Path(__file__).resolve().parents[3] / "book" / "models").glob("*.md"))
SMOKE = load_profile("smoke")


@pytest.mark.parametrize("model", ARCHITECTURES)
def test_parameters_at_paper_size_are_those_of_xmodaler(model: str) -> None:
    assert parameter_count(model) == PUBLISHED[model]


def test_every_model_has_a_page_with_all_parts() -> None:
    texts = {path.stem: path.read_text() for path in SOURCES}
    for model in ARCHITECTURES:
        assert f"<!-- diagram: {model} -->" in texts[model]
        assert f"<!-- sizes: {model} -->" in texts[model]
        assert (f"<!-- attention: {model} -->" in texts[model]) == (model in ATTENDING)
        assert f"({model}.md)" in texts["captioners"]
        assert re.search(r"{cite}`\w+`", texts[model])


@pytest.mark.parametrize("source", SOURCES, ids=lambda path: path.stem)
def test_every_mark_of_a_page_names_something_that_exists(source: Path, tmp_path: Path) -> None:
    filled = MarkedPage(SMOKE, tmp_path).fill(source.read_text())
    assert "<!--" not in filled


@pytest.mark.parametrize("source", SOURCES, ids=lambda path: path.stem)
def test_every_equation_has_lines_of_code_below_it(source: Path) -> None:
    after = re.split(r"^\$\$\n.*?^\$\$\n", source.read_text(), flags=re.M | re.S)[1:]
    assert bool(after) == (source.stem in ARCHITECTURES)
    for text in after:
        assert text.lstrip().startswith("<!-- code: "), text[:80]


def test_a_page_with_a_mark_that_names_nothing_is_refused(tmp_path: Path) -> None:
    page = MarkedPage(SMOKE, tmp_path)
    for mark, said in {
        "code: models.up_down UpDownDecoder.advance lstm3": "does not mention 'lstm3'",
        "code: models.up_down UpDownDecoder.gone": "has no UpDownDecoder.gone",
        "code: models.gone UpDown": "no module gegcore.models.gone",
        "diagram: gone": "no drawing 'gone'",
        "sizes: gone": "no model 'gone'",
        "shapes: xlan": "unknown mark 'shapes'",
    }.items():
        with pytest.raises(DataError, match=said):
            page.fill(f"text\n<!-- {mark} -->\n")


MODULE = '''
class A:
    def f(self, x):
        """Doc."""
        for y in self.many(x):
            self.one(
                y,
            )
        if self.none:
            return 0
        return y
'''


@pytest.mark.parametrize("above", [0, 3])
def test_lines_are_found_by_name_wherever_they_are(
    above: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "p").mkdir()
    (tmp_path / "p" / "m.py").write_text("#\n" * above + MODULE)
    monkeypatch.setattr(code_lines, "PACKAGE", tmp_path / "p")
    found = find_lines("m", "A.f", "one", "none")
    assert (found.path, found.first, found.last) == ("p/m.py", above + 3, above + 11)
    assert [line - above for line in found.meant] == [6, 7, 8, 9]
    assert [line - above for line in find_lines("m", "A.f", "many").meant] == [5]
    assert len(find_lines("m", "A").meant) == 10


def test_marked_lines_are_those_that_mention_the_name() -> None:
    found = find_lines("models.up_down", "UpDownDecoder.advance", "lstm2")
    text = (code_lines.PACKAGE.parent / found.path).read_text().splitlines()
    block = code_block(found)
    first, last = map(int, re.search(r":lines: (\d+)-(\d+)", block).groups())
    shown = text[first - 1 : last]
    assert shown[0].lstrip().startswith("def advance(")
    marked = re.search(r":emphasize-lines: (.+)", block).group(1).split(",")
    assert marked
    for number, line in enumerate(shown, 1):
        assert ("self.lstm2." in line) == (str(number) in marked)


def test_line_numbers_in_short() -> None:
    assert ranges((1, 2, 3, 7, 9, 10)) == "1\u20133, 7, 9\u201310"
    assert ranges((4,)) == "4"


def test_sizes_say_what_the_profile_changes() -> None:
    text = sizes_table("updown", SMOKE)
    assert re.search(r"hidden_width</th><td>1024</td><td class=\"geg-best\">64</td>", text)
    assert re.search(r"lstm2_dropout</th><td>0</td><td>0</td>", text)
    assert "\n" not in text


@pytest.mark.parametrize("name", DIAGRAMS)
def test_a_drawing_is_one_line_of_svg_that_says_what_it_shows(name: str) -> None:
    drawing = DIAGRAMS[name]
    root = ElementTree.fromstring(drawing.svg())
    assert root.get("aria-label") == drawing.alt
    assert "\n" not in drawing.figure()
    names = [box.name for box in drawing.boxes]
    assert len(set(names)) == len(names)
    met = {end.partition(".")[0] for arrow in drawing.arrows for end in (arrow.start, arrow.end)}
    assert set(names) <= met, "a box that no arrow meets"
    texts = ["".join(text.itertext()) for text in root.iter("text")]
    assert ("new" in texts) and not any("$" in text for text in texts)


def test_an_arrow_to_nowhere_is_refused() -> None:
    box = Box("a", 50, 10, "a")
    for end in ("b.top", "a.middle", "a"):
        drawing = Diagram("", 60, (), (box,), (Arrow("a.bottom", end),))
        with pytest.raises(ConfigError, match="an arrow names"):
            drawing.svg()


def test_letters_after_an_index_are_on_the_line_again() -> None:
    drawn = maths("$h^1_{t-1}, c$ < x")
    shifts = [float(shift) for shift in re.findall(r'dy="([-\d.]+)"', drawn)]
    assert sum(shifts) == 0
    assert "".join(ElementTree.fromstring(f"<t>{drawn}</t>").itertext()) == "h1t-1, c < x"


def finished(materials: Materials, model: str) -> RunFolder:
    """A run folder with the weights of an untrained model."""
    run = RunFolder.of("smoke", model, "mle", 1)
    run.path.mkdir(parents=True)
    save_file(new_captioner(materials, model, seed=1).state_dict(), run.checkpoint)
    write_json(run.file("metrics.json"), {"metrics": {}})
    trained = {"git_revision": "0123abcd", "created": "2026-01-02T03:04:05+00:00"}
    write_json(run.file("provenance.json"), {"trained": trained})
    return run


@pytest.mark.parametrize("model", ATTENDING)
def test_stored_weights_are_those_of_the_greedy_caption(
    model: str, smoke_home: Path, tmp_path: Path
) -> None:
    materials = Materials.of(SMOKE)
    run = finished(materials, model)
    record = attention_record(SMOKE, model, "mle", 1)
    write_record(tmp_path / "kept", record)
    assert read_attention(tmp_path / "kept", model) == record
    assert record.run == run.name
    assert len(record.examples) == 2
    captioner = new_captioner(materials, model, seed=1).eval()
    ids = {r.image_id: i for i, r in enumerate(materials.data["test"].records)}
    for example in record.examples:
        batch = materials.features["test"].batch([ids[example.image_id]])
        said = [materials.vocabulary.words.index(word) + 1 for word in example.words]
        tokens = torch.tensor([[said]])
        with torch.no_grad():
            expected = captioner.attention(captioner.encode(batch), shift_right(tokens))
        weights = torch.tensor(example.weights)
        assert torch.allclose(weights, expected[0, 0][:, batch.mask[0]], atol=1e-3)
        assert torch.allclose(weights.sum(-1), torch.ones(len(weights)), atol=0.01)
        assert len({example.graph().family for example in record.examples}) == 2


def test_models_without_attention_and_unfinished_runs_are_refused(
    smoke_home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(ConfigError, match="lstm_a3"):
        attention_record(SMOKE, "lstm_a3", "mle", 1)
    assert attention.main(["--profile", "smoke", "--model", "xlan"]) == 1
    assert "xlan-mle-seed1" in capsys.readouterr().err


def record_of(weights: tuple[tuple[float, ...], ...]) -> attention.AttentionRecord:
    scene = Materials.of(SMOKE).data["test"].scene(0)
    example = attention.AttentionExample(
        image_id=scene.image_id,
        scene=scene.to_dict(),
        words=("a", "<b>"),
        weights=weights,
        boxes=((0, 0, 1, 1), (0.5, 0.5, 1, 0.75)),
    )
    return attention.AttentionRecord(
        run="updown-mle-seed1",
        profile="quick",
        model="updown",
        objective="mle",
        seed=1,
        git_revision="0123456789abcdef+",
        trained="2026-01-02T03:04:05+00:00",
        checkpoint_sha256="feedbeef" * 8,
        examples=(example,),
    )


def test_picture_of_attention_shows_each_region_as_strongly_as_its_weight(
    smoke_home: Path,
) -> None:
    record = record_of(((0.8, 0.2), (0.4, 0.6)))
    text = attention_figure(record.examples[0], "key")
    assert "\n" not in text
    assert text.count("<svg") == 3
    assert text.count("<image ") == 1
    holes = re.findall(r'fill="#000" fill-opacity="([\d.]+)"', text)
    assert holes == ["1.00", "0.25", "0.50", "0.75"]
    assert "<b>&lt;b&gt;</b><small>60%</small>" in text
    assert "most weight, 60%, on a region at the middle right" in text
    ids = re.findall(r'id="([^"]+)"', text)
    assert len(set(ids)) == len(ids) == 3
    assert {f"#{name}" for name in ids} >= set(re.findall(r'href="(#[^"]+)"', text))


def test_a_page_says_which_run_or_how_to_make_one(smoke_home: Path, tmp_path: Path) -> None:
    kept = tmp_path / "kept"
    missing = attention_part("updown", kept)
    assert attention.command("updown") in missing
    assert attention_part("lstm_a3", kept) == ""
    write_record(kept, record_of(((0.8, 0.2), (0.4, 0.6))))
    text = attention_part("updown", kept)
    for fact in ("updown-mle-seed1", "2026-01-02", "01234567+", "feedbeef"):
        assert fact in text


def test_damaged_record_is_an_error_that_says_how_to_mend_it(smoke_home: Path) -> None:
    path = write_record(smoke_home, record_of(((0.8, 0.2), (0.4, 0.6))))
    path.write_text(path.read_text().replace("[ 0.4, 0.6 ]", "[ 0.4 ]"))
    with pytest.raises(DataError, match="not one weight for each of 2"):
        read_attention(smoke_home, "updown")
