"""The GPU report's steps run, and train, where there is no GPU."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from benchmarks import gpu
from benchmarks.paper_size import make_talk, references
from gegcore.clip import WordToBpe, load_clip
from gegcore.data.features import FeatureBatch, InputSizes
from gegcore.models import Captioner, build_captioner
from gegcore.models.captioner import MAX_LENGTH
from gegcore.rewards import CiderD, GroupEmbeddingGapReward
from gegcore.rewards.encoder import CaptionEncoder

IMAGES, WORDS, WIDTH = 3, 200, 12


def small_model() -> Captioner:
    torch.manual_seed(0)
    sizes = {"width": 16, "heads": 2, "encoder_layers": 1, "decoder_layers": 1, "ffn_width": 16}
    return make_talk(build_captioner("transformer", WORDS, InputSizes(WIDTH), **sizes))


def small_stage() -> gpu.Stage:
    clip = load_clip("scenes-clip")
    encoder = CaptionEncoder(clip, WordToBpe([f"w{i}" for i in range(1, WORDS)], clip.tokenizer))
    corpus = [
        [[1 + word % (WORDS - 1) for word in caption] for caption in image]
        for image in references(20, seed=0)
    ]
    g = torch.Generator().manual_seed(0)
    images = torch.nn.functional.normalize(torch.randn(20, clip_width(clip), generator=g), dim=-1)
    regions = torch.randn(IMAGES, 4, WIDTH, generator=g)
    mask = torch.ones(IMAGES, 4, dtype=torch.bool)
    return gpu.Stage(
        torch.device("cpu"),
        FeatureBatch(regions.mean(1), None, regions, torch.zeros(IMAGES, 4, 4), None, mask),
        torch.randint(1, WORDS, (IMAGES, 5, MAX_LENGTH), generator=g),
        CiderD(corpus, WORDS),
        GroupEmbeddingGapReward(encoder, images, torch.randint(20, (20, 5), generator=g)),
        torch.float32,
    )


def clip_width(clip: Any) -> int:
    return int(clip.encode_texts(["a dog"]).shape[-1])


def weights(model: Captioner) -> Tensor:
    return torch.cat([p.detach().flatten() for p in model.parameters()])


@pytest.mark.parametrize("make", [gpu.scst_geg, gpu.mle])
def test_steps_train(make: Any) -> None:
    model, stage = small_model(), small_stage()
    step = make(model, stage, torch.optim.Adam(model.parameters(), lr=1e-3))
    before = weights(model)
    phases = gpu.seconds_by_phase(step, stage, repeat=2)
    assert (weights(model) != before).any() and weights(model).isfinite().all()
    assert {"backward", "optimiser"} <= set(phases) and min(phases.values()) >= 0
    assert gpu.steps_per_second(step, stage, seconds=0.01) > 0
    assert stage.waits == []


def test_decoding_is_timed_in_each_way() -> None:
    found = gpu.decoding_seconds(small_model(), small_stage(), compiles=False)
    assert list(found) == ["shared rows", "constant shapes"] and min(found.values()) > 0


def test_no_gpu_is_an_error_that_says_what_to_do(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["gpu"])
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(SystemExit):
        gpu.arguments()
    assert "--device cpu" in capsys.readouterr().err


def test_words_have_one_or_two_pieces() -> None:
    tokenizer = load_clip("scenes-clip").tokenizer
    words = gpu.vocabulary(tokenizer)
    assert len(words) == len(set(words))
    assert {len(tokenizer.encode(word)) for word in words[:20]} == {1}
