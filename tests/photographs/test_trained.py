"""Retrieval models learnt from captions: they retrieve, and do not reward what they know."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from squares import Corpus, make_corpus

from gegcore.clip import ClipModel, load_clip
from gegcore.errors import ConfigError
from gegcore.materials import Materials
from gegcore.metrics.judged import load_judge
from gegcore.profiles import load_profile
from gegcore.rewards.inputs import RewardInputs
from gegcore.rewards.registry import build_rewards
from photographs import trained
from photographs.encoders import CONTEXT_LENGTH, EncoderSettings
from photographs.fit import recalls
from photographs.grids import half_of, pixels_digest

FAST: dict[str, Any] = {"width": 32, "word_width": 16, "batch": 8, "dropout": 0.0, "epochs": 6}
PROFILE = """
extends: flickr8k
data: {{kind: karpathy, json: {json}, images: {images}, image_px: 64}}
group_size: 3
"""


@pytest.fixture(scope="module")
def squares(tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    return make_corpus(tmp_path_factory.mktemp("squares"), {"train": 36, "val": 9, "test": 9})


@pytest.fixture(scope="module")
def materials(squares: Corpus) -> Any:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GEGCORE_HOME", str(squares.folder))
        for name in ("CLIP", "SIGLIP", "VSE"):
            given = getattr(trained, name).model_dump() | FAST
            patch.setattr(trained, name, EncoderSettings(**given))
        patch.setattr(trained, "_cached_weights", lambda: None)
        path = squares.folder / "squares.yaml"
        path.write_text(PROFILE.format(json=squares.json, images=squares.folder / "images"))
        yield Materials.of(load_profile(str(path)))


def _own(materials: Materials, split: str) -> dict[str, float]:
    table = materials.tables[split]
    return recalls(table.captions, table.images, table.caption_image)


def test_captions_of_new_pictures_retrieve_them(materials: Materials) -> None:
    """Every colour and pattern is once in the test split."""
    assert _own(materials, "test")["R@1"] > 60


@pytest.mark.parametrize("label", ["judge SigLIP", "VSE++"])
def test_so_do_those_of_the_judges(materials: Materials, label: str) -> None:
    judge, table = materials.judges("test")[label]
    assert recalls(table.captions, table.images, table.caption_image)["R@1"] > 40
    assert judge.digest != materials.clip.digest


def test_a_text_is_read_alike_alone_in_a_batch_and_from_word_ids(materials: Materials) -> None:
    clip, texts = materials.clip, ["a red plain square", "one", "", "blue " * 60]
    together = clip.encode_texts(texts)
    assert torch.isfinite(together).all() and together.shape == (4, FAST["width"])
    for text, row in zip(texts, together, strict=True):
        assert torch.allclose(clip.encode_texts([text])[0], row, atol=1e-5)
    assert clip.tokenizer(texts).shape[1] == CONTEXT_LENGTH
    words = materials.vocabulary
    said = torch.tensor([words.encode(f"one {colour} square") for colour in ("red", "blue")])
    given = RewardInputs(words, [], clip, together, None)  # type: ignore[arg-type]
    texts = ["one red square", "one blue square"]
    assert torch.allclose(given.encoder(said[:, None])[:, 0], clip.encode_texts(texts), atol=1e-5)


def test_pictures_are_embedded_by_the_half_that_has_not_seen_them(materials: Materials) -> None:
    train, cross = materials.data["train"], materials.clip.rewarding
    pictures = train.images(range(36))
    own = [half_of(pixels_digest(picture)) for picture in pictures]
    assert 8 < sum(own) < 28
    found = cross.encode_images(pictures).view(36, 2, -1)
    captions = cross.encode_texts([record.captions[0] for record in train.records])
    for i, half in enumerate(own):
        other: ClipModel = cross.halves[1 - half]
        assert not found[i, half].any()
        assert torch.allclose(found[i, 1 - half], other.encode_images(pictures[[i]])[0], atol=1e-5)
        text = other.encode_texts([train.records[i].captions[0]])[0]
        cosine = found[i, 1 - half] @ text
        assert float(found[i].flatten() @ captions[i]) == pytest.approx(float(cosine), abs=1e-4)


def test_each_half_learns_from_its_own_pictures_alone(materials: Materials) -> None:
    """Captions of the other half's pictures in the key would be other ones."""
    halves = materials.clip.rewarding.halves
    keys = [
        materials.folder / "retrieval" / f"clip-half{half}" / "manifest.json" for half in (0, 1)
    ]
    assert len({half.digest for half in (*halves, materials.clip)}) == 3
    assert len({key.read_text() for key in keys}) == 2


def test_groups_are_of_one_half_and_rewards_are_cosines(materials: Materials) -> None:
    train, table, groups = (
        x["train"] for x in (materials.data, materials.tables, materials.groups)
    )
    own = [half_of(pixels_digest(picture)) for picture in train.images(range(36))]
    for i, group in enumerate(groups.index.tolist()):
        assert {own[other] for other in group} == {own[i]}
    given = RewardInputs(
        materials.vocabulary,
        materials.references("train"),
        materials.clip.rewarding,
        table.images,
        groups,
    )
    said = torch.tensor([materials.vocabulary.encode("one red square")])[:, None]
    for name in ("similarity", "geg_avg", "geg_min"):
        reward = build_rewards({name: 1.0}, given)
        found = float(reward(said, torch.tensor([0])))
        other = materials.clip.rewarding.halves[1 - own[0]]
        text = other.encode_texts(["one red square"])[0]
        places = [0, *groups.index[0].tolist()]
        cosines = other.encode_images(train.images(places)) @ text
        mean, largest = cosines[1:].mean(), cosines[1:].max()
        expected = {"similarity": 0, "geg_avg": mean, "geg_min": largest}[name]
        assert found == pytest.approx(float(cosines[0] - expected), abs=1e-5), name


def test_models_are_kept_and_opened_again(materials: Materials) -> None:
    before = materials.clip.digest, materials.clip.rewarding.digest
    again = Materials.of(materials.profile)
    files = sorted((materials.folder / "retrieval").rglob("*.npy"))
    times = [file.stat().st_mtime_ns for file in files]
    assert (again.clip.digest, again.clip.rewarding.digest) == before
    assert [file.stat().st_mtime_ns for file in files] == times
    assert again.digests("train")["rewarding clip"] == before[1]


def test_training_gives_the_same_weights_again(materials: Materials, tmp_path: Path) -> None:
    other = Materials(materials.profile, tmp_path, materials.device)
    assert other.clip.digest == materials.clip.digest


def test_where_the_paper_s_clip_is_at_hand_it_is_used(
    materials: Materials, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = []
    monkeypatch.setattr(trained, "load_clip", lambda *given: asked.append(given) or "CLIP")
    monkeypatch.setattr(trained, "_cached_weights", lambda: "cache/model.safetensors")
    assert trained.trained_clip(materials) == "CLIP"
    assert asked == [("ViT-B-32-quickgelu", "cache/model.safetensors", materials.device)]
    assert "cache/model.safetensors" in capsys.readouterr().err


def test_without_a_profile_there_is_nothing_to_learn_from() -> None:
    with pytest.raises(ConfigError, match="learns from captions"):
        load_clip("trained")
    with pytest.raises(ConfigError, match="learns from captions"):
        load_judge("trained-vse")
