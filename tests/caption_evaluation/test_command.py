"""`gegcore evaluate` on thirty painted scenes: every output, every error, what is skipped."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from child_processes import wait_for
from PIL import Image
from safetensors.torch import load_file, save_file

from caption_evaluation.report import EvaluationReport
from emoji_scenes.clip.model import FOLDER, MODELS
from emoji_scenes.dataset import ScenesDataset
from gegcore.cli import main
from gegcore.clip import load_clip
from gegcore.groups import similar_groups
from gegcore.metrics import meteor
from gegcore.metrics.meteor import shared_meteor
from gegcore.metrics.presentation import LOWER
from gegcore.storage import sha256_file

COCO = Path(__file__).parents[3] / "shared" / "coco"
IMAGES = 30
GROUP_WORDS = ["CIDErBtw", "DisWordRate"]
LANGUAGE = ["CIDEr", "BLEU-1", "BLEU-2", "BLEU-3", "BLEU-4", "METEOR", "ROUGE-L"]
PICTURES = ["R@1", "R@5", "R@10", "GEG-Avg", "GEG-Min", "CLIPScore", "CIDErBtw", "DisWordRate"]

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture(scope="session")
def painted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Pictures under COCO's names, references as annotations, captions, others. Copy it."""
    home = tmp_path_factory.mktemp("evaluate")
    dataset = ScenesDataset("val", IMAGES)
    (home / "pictures").mkdir()
    ids = [record.image_id for record in dataset.records]
    for image, pixels in zip(ids, dataset.images(range(IMAGES)), strict=True):
        name = f"COCO_val2014_{image:012d}.png"
        Image.fromarray(pixels).save(home / "pictures" / name, compress_level=1)
    said = {record.image_id: record.captions for record in dataset.records}
    annotations = [{"image_id": i, "caption": text} for i in ids for text in said[i][1:]]
    write(home / "refs.json", {"annotations": annotations})
    results = [{"image_id": str(image), "caption": said[image][0]} for image in ids]
    write(home / "captions.json", results)
    write(home / "other.json", {image: f"a picture of {said[image][1]}" for image in reversed(ids)})
    return home


def write(path: Path, value: Any) -> None:
    path.write_text(json.dumps(value), encoding="utf-8")


def read(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


@pytest.fixture
def home(painted: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    shutil.copytree(painted, tmp_path / "here")
    monkeypatch.chdir(tmp_path / "here")
    monkeypatch.setenv("GEGCORE_CACHE", str(painted / "cache"))
    return tmp_path / "here"


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    def command(*more: str, images: bool = True, captions: str = "captions.json") -> Any:
        arguments = [
            "evaluate",
            captions,
            "--references",
            "refs.json",
            "--no-spice",
            "--resamples=200",
        ]
        if images:
            arguments += ["--images", "pictures", "--clip", "scenes-clip"]
        status = main([*arguments, *more])
        return status, *capsys.readouterr()

    return command


def test_every_metric_in_every_format(home: Path, run: Run) -> None:
    outputs = [part for name in ("json", "md", "html") for part in ("-o", f"report.{name}")]
    status, said, _ = run("--compare", "other.json", *outputs)
    assert status == 0
    stored = read(home / "report.json")
    assert {*LANGUAGE, *PICTURES} <= set(stored["metrics"])
    assert stored["missing"] == {"SPICE": "it was not asked for"}
    page, text = (home / "report.html").read_text(), (home / "report.md").read_text()
    for name, metric in stored["metrics"].items():
        low, high = metric["ci95"]
        assert low <= high and metric["n"] == IMAGES
        decimals = 4 if name.startswith("GEG") else 0 if name == "vocabulary" else 1
        shown = f"{metric['value']:.{decimals}f}"
        assert re.search(rf"^{name}( \(lower is better\))? +{re.escape(shown)} ", said, re.M)
        shown = shown.replace("-", "\N{MINUS SIGN}")
        assert re.search(rf"^\| {name}( {LOWER})? \| {shown} \|", text, re.M)
        assert re.search(rf'<th scope="row">{name}( {LOWER})?</th><td>{shown}<', page)
        assert metric["signature"] in text
        other = stored["compared_metrics"][name]
        difference = stored["differences"][name]
        assert difference["value"] == pytest.approx(metric["value"] - other["value"], abs=1e-9)
        assert 0 < difference["p_value"] <= 1
    assert "clip:scenes-clip@" in stored["metrics"]["GEG-Avg"]["signature"]
    assert "|K:5|N:30|refs:" in stored["metrics"]["GEG-Avg"]["signature"]
    rows = stored["per_caption"]
    assert (
        len(rows) == IMAGES
        and rows[0]["image_id"] == read(home / "refs.json")["annotations"][0]["image_id"]
    )
    assert sum(row["rank"] == 0 for row in rows) / IMAGES * 100 == pytest.approx(
        stored["metrics"]["R@1"]["value"]
    )
    assert stored["files"]["captions"]["sha256"] == sha256_file("captions.json")


def test_page_is_one_file_with_pictures(home: Path, run: Run) -> None:
    assert run("-o", "report.html")[0] == 0
    page = (home / "report.html").read_text()
    assert page.count('src="data:image/png;base64,') == 12
    assert not re.search(r"(?:src|href)=[\"'](?!data:)", page) and "<script" not in page
    assert "width=device-width" in page


def test_pictures_are_upright_and_8_bit_in_scores_and_report(home: Path, run: Run) -> None:
    run("-o", "before.json", "-o", "before.html")
    paths = sorted((home / "pictures").iterdir())
    for path in paths[:15]:
        exif = Image.Exif()
        exif[274] = 6
        Image.open(path).transpose(Image.Transpose.ROTATE_90).save(path, exif=exif)
    (home / "linked").mkdir()
    for path in paths[15:]:
        path.rename(home / "linked" / path.name)
    (home / "pictures" / "elsewhere").symlink_to("../linked")
    assert run("-o", "after.json", "-o", "after.html")[0] == 0
    before, after = (read(home / f"{name}.json")["metrics"] for name in ("before", "after"))
    for name in PICTURES:
        assert after[name]["value"] == pytest.approx(before[name]["value"], abs=1e-4)
    assert "|pictures:8-bit RGB, upright|clip:" in after["R@1"]["signature"]
    shown = [
        re.findall('src="(.*?)"', (home / f"{x}.html").read_text()) for x in ("before", "after")
    ]
    assert shown[0] == shown[1]


def test_captions_references_and_pictures_of_different_folders_are_refused(
    home: Path, run: Run
) -> None:
    references = read(home / "refs.json")["annotations"]
    said = {f"video2/{x['image_id']}.png": [x["caption"]] for x in references}
    write(home / "refs.json", said)
    change("captions.json", lambda rows: {f"video3/{x['image_id']}": x["caption"] for x in rows})
    status, _, err = run()
    assert status == 1 and "captions of images without references (30)" in err
    change("captions.json", lambda said: {k.replace("3/", "2/"): v for k, v in said.items()})
    assert run()[0] == 0  # The pictures are in no folder.
    (home / "pictures").rename(home / "video1")
    (home / "pictures").mkdir()
    (home / "video1").rename(home / "pictures" / "video1")
    status, _, err = run()
    assert status == 1 and "images without a picture (30): 'video2/" in err


def test_second_call_embeds_nothing_and_says_the_same(
    home: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    run("-o", "first.json")

    def refuse(*_: Any) -> None:
        raise AssertionError("a picture was embedded twice")

    monkeypatch.setattr("gegcore.clip.ClipModel.encode_images", refuse)
    assert run("-o", "second.json")[0] == 0
    assert (home / "first.json").read_bytes() == (home / "second.json").read_bytes()


def test_without_pictures_language_only(home: Path, run: Run) -> None:
    status, said, _ = run("-o", "report.json", images=False)
    assert status == 0
    stored = read(home / "report.json")
    assert set(LANGUAGE) <= set(stored["metrics"]) and set(PICTURES) <= set(stored["missing"])
    assert not set(stored["metrics"]) & set(stored["missing"])
    assert re.search(r"^R@1 +n/a$", said, re.M) and "pictures were not given, --images DIR" in said


def change(path: str, edit: Callable[[Any], Any]) -> None:
    value = read(Path(path))
    changed = edit(value)
    write(Path(path), value if changed is None else changed)


def no_references(home: Path) -> None:
    change("captions.json", lambda rows: rows.append({"image_id": 7, "caption": "a dog"}))


def twice(home: Path) -> None:
    change("captions.json", lambda rows: rows.append(rows[0]))


def no_text(home: Path) -> None:
    change("captions.json", lambda rows: rows[0].update(caption=None))


def broken_picture(home: Path) -> None:
    path = sorted((home / "pictures").iterdir())[3]
    path.write_bytes(path.read_bytes()[:200])


def runaway(home: Path) -> None:
    change("captions.json", lambda rows: rows[0].update(caption="a " * 20_000))


def dropped(home: Path) -> None:
    bold = {"image_id": 1000000, "caption": "\U0001d41a \U0001d41d\U0001d428\U0001d420"}
    change(
        "refs.json",
        lambda refs: {
            "annotations": [bold, *(x for x in refs["annotations"] if x["image_id"] != 1000000)]
        },
    )


def no_picture(home: Path) -> None:
    sorted((home / "pictures").iterdir())[3].unlink()


BAD: dict[str, tuple[Callable[[Path], None], str, int]] = {
    "no references": (no_references, "captions of images without references (1): 7", 30),
    "twice": (twice, "two captions (1): 1000000 in entry 1 and entry 31", 30),
    "no text": (no_text, "entry 1 (image 1000000: null)", 29),
    "broken picture": (broken_picture, "000001000003.png does not open as a picture", 29),
    "runaway": (runaway, "5,000 characters (1): entry 1 (image 1000000: 20,000 words", 29),
    "dropped": (dropped, "refs.json: images whose captions hold no word: the tokenizer drops", 29),
    "no picture": (no_picture, "images without a picture (1): 1000003", 29),
}


@pytest.mark.parametrize("kind", BAD)
def test_bad_input_is_an_error_or_skipped_and_reported(home: Path, run: Run, kind: str) -> None:
    damage, said, left = BAD[kind]
    damage(home)
    status, out, err = run()
    assert status == 1 and said in err and "--skip-bad" in err and out == ""
    status, out, err = run(
        "--skip-bad", "-o", "report.json", "-o", "report.md", "-o", "report.html"
    )
    assert status == 0 and "Left out" in out
    stored = read(home / "report.json")
    assert stored["metrics"]["R@1"]["n"] == stored["metrics"]["CIDEr"]["n"] == left
    assert any(said in f"{x['reason']} ({x['count']}): {x['items'][0]}" for x in stored["skipped"])
    assert "<h2>Left out</h2>" in (home / "report.html").read_text()
    assert "Left out, " in (home / "report.md").read_text()


def test_the_captions_file_decides_which_images_count(home: Path, run: Run) -> None:
    """References of a whole set, captions of a part of it: the usual pair."""
    change("captions.json", lambda rows: rows[:-9])
    status, said, _ = run(images=False)
    assert status == 0
    assert "refs.json: references of 9 images without captions were not needed." in said
    few = {int(row["image_id"]) for row in read(Path("captions.json"))}
    kept = [x for x in read(Path("refs.json"))["annotations"] if x["image_id"] in few]
    write(home / "refs.json", {"annotations": kept})
    again = [line for line in run(images=False)[1].splitlines() if line]
    assert again == [line for line in said.splitlines() if line and "not needed" not in line]


def _group_words(said: str) -> list[str]:
    lines = (" ".join(line.split()) for line in said.splitlines())
    return [line for line in lines if line.startswith(tuple(GROUP_WORDS))]


def test_groups_of_a_file_need_no_pictures(home: Path, run: Run) -> None:
    """Those of CLIP, written down, give the same numbers; the signature tells them apart."""
    assert all("n/a" in line for line in _group_words(run(images=False)[1]))
    status, said, _ = run("-o", "report.json", "--groups", "3")
    expected = {name: read(home / "report.json")["metrics"][name] for name in GROUP_WORDS}
    dataset = ScenesDataset("val", IMAGES)
    known = read(home / "refs.json")["annotations"]
    texts = [[x["caption"] for x in known if x["image_id"] == r.image_id] for r in dataset.records]
    clip = load_clip("scenes-clip")
    table = clip.encode_texts([text for each in texts for text in each])
    owner = torch.arange(IMAGES).repeat_interleave(4)
    groups = similar_groups(clip.encode_images(dataset.images(range(IMAGES))), table, owner, 3)
    ids = [str(record.image_id) for record in dataset.records]
    sets = {ids[i]: [ids[j] for j in group] for i, group in enumerate(groups.index.tolist())}
    write(home / "sets.json", {**sets, "5": ["6", "7", "8"]})  # One of another split.
    status, again, _ = run("-o", "report.json", "--groups", "sets.json", images=False)
    assert status == 0 and _group_words(again) == _group_words(said)
    for name, found in expected.items():
        stored = read(home / "report.json")["metrics"][name]
        assert stored["value"] == found["value"]
        assert f"|groups:K = 3, Eq. 2 by scenes-clip@{clip.digest}|" in found["signature"]
        sha = sha256_file(home / "sets.json")[:16]
        assert f"|groups:K = 3, of sets.json@{sha}|" in stored["signature"]


def test_groups_by_cider_need_no_pictures(home: Path, run: Run) -> None:
    status, said, _ = run("-o", "report.json", "--groups-by", "cider", images=False)
    assert status == 0 and not any("n/a" in line for line in _group_words(said))
    signature = read(home / "report.json")["metrics"]["CIDErBtw"]["signature"]
    assert "|groups:K = 5, K images whose references have the highest CIDEr" in signature


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda sets: [], "sets.json holds no groups"),
        (lambda sets: {**sets, "1000000": 5}, "the group of '1000000' is no list of ids"),
        (lambda sets: {**sets, "1000000": [1000001, 1000001]}, "has ids twice"),
        (lambda sets: {**sets, "1000000": [1000001]}, "different sizes, or empty ones: 29 of 2"),
        (lambda sets: {**sets, "1000000": [1000001, 9]}, "1 images that are not scored: 9"),
        (lambda sets: {**sets, "1000000": [1000000, 1000001]}, "in their own group: 1000000"),
        (lambda sets: dict([*sets.items()][1:]), "has no group of 1 images: 1000000"),
    ],
)
def test_faults_of_a_groups_file_are_named(home: Path, run: Run, change: Any, said: str) -> None:
    ids = [1_000_000 + i for i in range(IMAGES)]
    sets = {str(x): [ids[(i + 1) % IMAGES], ids[(i + 2) % IMAGES]] for i, x in enumerate(ids)}
    write(home / "sets.json", change(sets))
    status, _, err = run("--groups", "sets.json", images=False)
    assert status == 1 and said in err and ("similar" in err or "caption all" in err)


@pytest.mark.skipif(not COCO.is_dir(), reason="needs ../shared/coco, which is not distributed")
def test_published_captioners_in_published_groups(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A captioner trained against a discriminator, whose CIDErBtw is known to be 55 to 56."""
    files = "systems_2015_2017/Shetty2017.json", "--references", "references_karpathy_test.json"
    monkeypatch.chdir(COCO)
    options = ["--no-spice", "--resamples=100", "--groups", "similar_sets_k5.json"]
    assert main(["evaluate", *files, *options]) == 0
    (line,) = (x for x in capsys.readouterr().out.splitlines() if x.startswith("CIDErBtw"))
    assert 55 <= float(line.split("better)")[1].split()[0]) <= 57


def test_two_files_of_different_images_are_an_error_or_cut(home: Path, run: Run) -> None:
    change("captions.json", lambda rows: rows[:-1])
    status, _, err = run("--compare", "other.json", images=False)
    assert status == 1
    assert "captions.json: images that only another file has captions of (1): 1000029" in err
    status, said, _ = run("--compare", "other.json", "--skip-bad", images=False)
    assert status == 0 and "29 captions" in said


def fewer(home: Path) -> None:
    change("captions.json", lambda rows: rows[:5])
    kept = {int(row["image_id"]) for row in read(Path("captions.json"))}
    change(
        "refs.json",
        lambda refs: {"annotations": [x for x in refs["annotations"] if x["image_id"] in kept]},
    )


def test_too_few_images_for_groups(home: Path, run: Run) -> None:
    fewer(home)
    status, _, err = run()
    assert status == 1 and "K = 5 similar images need at least 6 images, here are 5" in err
    assert "--groups 4" in err
    assert run("--groups", "4")[0] == 0


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--groups", "0"], "--groups 0 is not positive"),
        (["--resamples", "0"], "--resamples 0 is not"),
        (["--batch-size", "0"], "--batch-size 0 is not"),
        (["--device", "abacus"], "device 'abacus' cannot be used"),
        (["--clip", "scenes-clop"], "unknown CLIP architecture 'scenes-clop'"),
        (["--compare", "none.json"], "none.json does not exist"),
        (["--seed", "-1"], "--seed -1 is negative"),
        (["--seed", str(2**63)], f"--seed {2**63} is too large"),
        (["--resamples", "-5"], "--resamples -5 is not positive"),
        (["--resamples", str(10**12)], "--resamples 1000000000000 is too large"),
        (["--timeout", "-5"], "--timeout -5 is no number of seconds to wait"),
        (["--timeout", "0"], "--timeout 0 is no"),
        (["--timeout", "nan"], "--timeout nan is no"),
        (["--timeout", "inf"], "--timeout inf is no"),
        (["--timeout", "1e300"], "--timeout 1e+300 is no"),
        (["--groups", str(10**30)], "is too large"),
        (["--groups", "30"], "K = 30 similar images need at least 31 images, here are 30"),
        (["--batch-size", str(10**30)], "is too large"),
        (["-o", "captions.json"], "captions.json would replace the captions"),
        (["-o", "./refs.json"], "refs.json would replace the references"),
        (["-o", "note.md"], "note.md exists and is no report of gegcore"),
        (["-o", "a.json", "-o", "./a.json"], "a.json is named twice"),
        (["-o", "report.pdf"], "report.pdf has none of the endings of a report"),
        (["-o", "pictures.html/report.json"], "pictures.html/report.json cannot be written"),
    ],
)
def test_wrong_options_are_refused_before_the_work(
    home: Path, run: Run, arguments: list[str], said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    (home / "pictures.html").write_text("not a folder")
    (home / "note.md").write_text("mine")
    before = {path: path.read_bytes() for path in home.iterdir() if path.is_file()}
    monkeypatch.setattr("caption_evaluation.files.evaluate_captions", None)
    status, _, err = run(*arguments)
    assert status == 1 and said in err and "->" in err
    assert {path: path.read_bytes() for path in home.iterdir() if path.is_file()} == before


@pytest.mark.parametrize("command", ["run --objective mle", "import-xmodaler a b --model aoanet"])
@pytest.mark.parametrize("seed", [-1, 2**63])
def test_seeds_of_other_commands(
    command: str, seed: int, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*command.split(), "--profile", "smoke", "--seed", str(seed)]) == 1
    assert f"--seed {seed} is " in capsys.readouterr().err


def test_special_tokens_are_scored_and_said(home: Path, run: Run) -> None:
    ends = ["<|endoftext|>", "<pad>", "</s>", "[SEP]", "endseq", "<end_of_turn>"]
    change(
        "captions.json",
        lambda rows: [
            {**row, "caption": f"{row['caption']} {end}"}
            for row, end in zip(rows, ends * 5, strict=True)
        ],
    )
    names = [f"report.{ending}" for ending in ("json", "md", "html")]
    status, said, _ = run(*(part for name in names for part in ("-o", name)), images=False)
    hint = "captions.json: 30 of 30 texts hold special tokens"
    assert status == 0 and hint in said and "5 <|endoftext|>" in said
    assert "refs.json: " not in said and said.count("special tokens") == 1
    assert read(home / "report.json")["hints"][0].startswith(hint)
    assert all("hold special tokens" in (home / name).read_text() for name in names)
    assert run("-o", "plain.json", images=False, captions="other.json")[0] == 0
    assert read(home / "plain.json")["hints"] == []


def test_captions_without_a_word_or_longer_than_clip_reads_are_said(home: Path, run: Run) -> None:
    """The CLIP of this world reads 48 tokens, start and end included."""

    def damage(rows: list[dict[str, Any]]) -> None:
        rows[0]["caption"], rows[1]["caption"] = "", " . "
        rows[2]["caption"], rows[3]["caption"] = "dog " * 46, "dog " * 47

    change("captions.json", damage)
    _, said, _ = run()
    assert "captions.json: 2 of 30 texts hold no word." in said
    assert "captions.json: 1 of 30 texts are longer than CLIP reads (48 tokens" in said
    assert "were cut" not in run(images=False)[1]
    assert "Words: PTBTokenizer, Stanford CoreNLP 3.4.1, lower case, no punctuation." in said


def test_a_program_that_fails_costs_its_own_metric_alone(
    home: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """METEOR says nothing: the rest is scored, reported and written, and the exit status tells."""
    silent = [sys.executable, "-c", "import time; time.sleep(60)"]
    shared_meteor().close()
    monkeypatch.setattr(meteor, "java_command", lambda _: silent)
    started = time.monotonic()
    status, said, err = run("--timeout", "1.5", "--compare", "other.json", "-o", "report.json")
    shared_meteor().close()
    assert status == 1 and time.monotonic() - started < 50
    assert "METEOR gave no answer for 1.5 s at line 1 of 30" in err and "--timeout" in err
    stored = read(home / "report.json")
    assert {*LANGUAGE, *PICTURES} - {*stored["metrics"]} == {"METEOR"}
    assert {*stored["differences"]} >= {"CIDEr", "R@1"}
    assert "METEOR gave no answer" in stored["missing"]["METEOR"]
    assert "n/a, METEOR: METEOR gave no answer for 1.5 s" in " ".join(said.split())


def test_the_checksum_of_a_pipe_is_of_what_was_read(home: Path, run: Run) -> None:
    pipes = {name: home / f"pipe-{name}" for name in ("captions.json", "refs.json", "other.json")}
    for name, pipe in pipes.items():
        os.mkfifo(pipe)
        if os.fork() == 0:
            pipe.write_bytes((home / name).read_bytes())
            os._exit(0)
    options = ("--references", "pipe-refs.json", "--compare", "pipe-other.json", "-o", "r.json")
    assert run(*options, images=False, captions="pipe-captions.json")[0] == 0
    stored = read(home / "r.json")["files"].values()
    assert [about["sha256"] for about in stored] == [*map(sha256_file, pipes)]


HANGING = """
import signal, subprocess, sys, time
from gegcore import cli
signal.signal(signal.SIGHUP, signal.SIG_DFL)  # nohup pytest ignores it, and is obeyed
from gegcore.metrics import meteor, ptb
slow = float(sys.argv[2])
waits = "sys.stdin.read()" if slow else "time.sleep(600)"  # What ends it: no input, or a kill.
program = f"import os, sys, time; open(sys.argv[1], 'w').write(str(os.getpid())); {waits}"
meteor.java_command = lambda _: [sys.executable, "-c", program, sys.argv[1]]
ptb.java_problem = lambda *_: "not now"
class Slow(subprocess.Popen):
    def __init__(self, *command, **options):
        super().__init__(*command, **options)
        time.sleep(slow)
subprocess.Popen = Slow
options = ["--references", "refs.json", "--no-spice", "-o", "report.json"]
sys.exit(cli.main(["evaluate", "captions.json", *options]))
"""


@pytest.mark.parametrize(
    ("number", "start"), [(signal.SIGTERM, 0.0), (signal.SIGHUP, 0.0), (signal.SIGTERM, 3.0)]
)
def test_a_signal_ends_java_and_leaves_nothing(
    home: Path, number: signal.Signals, start: float
) -> None:
    """Also one that comes while Java starts, for `start` seconds."""
    folder, noted = home / "temporary", home / "pid"
    folder.mkdir()
    process = subprocess.Popen(
        [sys.executable, "-c", HANGING, str(noted), str(start)],
        env=os.environ | {"TMPDIR": str(folder), "PYTHONPATH": os.pathsep.join(sys.path)},
        stderr=subprocess.PIPE,
        text=True,
    )
    wait_for(lambda: noted.exists() and noted.read_text() != "")
    assert list(folder.glob("gegcore-java-*"))
    process.send_signal(number)
    _, err = process.communicate(timeout=60)  # Far less than METEOR's time-out.
    assert process.returncode == 128 + number and "interrupted" in err and "Traceback" not in err
    wait_for(lambda: not Path(f"/proc/{noted.read_text()}").exists(), 10)
    assert not list(folder.glob("gegcore-java-*")) and not (home / "report.json").exists()


def test_handlers_of_signals_come_back_and_nohup_is_kept(home: Path, run: Run) -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        assert main(["profiles"]) == 0
        assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
        assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
    finally:
        signal.signal(signal.SIGHUP, before)


def test_weights_with_nan_are_noticed(home: Path, run: Run, tmp_path: Path) -> None:
    stem = MODELS["scenes-clip"]
    for path in FOLDER.glob(f"{stem}*"):
        shutil.copy(path, tmp_path)
    weights = tmp_path / f"{stem}.safetensors"
    tensors = {name: value * float("nan") for name, value in load_file(weights).items()}
    save_file(tensors, weights)
    about = tmp_path / f"{stem}.json"
    old = sha256_file(FOLDER / weights.name)
    about.write_text(about.read_text().replace(old, sha256_file(weights)))
    status, _, err = run("--pretrained", str(weights))
    assert status == 1 and "NaN or infinite" in err


def test_library_call_returns_what_the_command_prints(home: Path) -> None:
    from caption_evaluation.files import EvaluationSettings, evaluate_files

    settings = EvaluationSettings(resamples=50, spice=False)
    report = evaluate_files("captions.json", "refs.json", settings=settings)
    assert isinstance(report, EvaluationReport) and not report.skipped
    assert list(report.evaluation.metrics)[:7] == LANGUAGE
