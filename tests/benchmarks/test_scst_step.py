"""The benchmark's two ways to take an SCST step lead to the same place."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from benchmarks import scst_step
from benchmarks.dictionary_cider import DictionaryCiderD
from benchmarks.paper_size import SAMPLES, Phases, make_talk, references
from benchmarks.xmodaler_step import XmodalerStep
from gegcore.data.features import FeatureBatch, InputSizes
from gegcore.decoding import decode
from gegcore.models.captioner import MAX_LENGTH
from gegcore.models.transformer import Transformer, TransformerConfig
from gegcore.rewards import CiderD

IMAGES, WIDTH = 3, 12
CORPUS = references(40, seed=1)
VOCABULARY = 1 + max(word for image in CORPUS for caption in image for word in caption)


def small_model() -> Transformer:
    torch.manual_seed(0)
    config = TransformerConfig(width=16, heads=2, encoder_layers=1, decoder_layers=2, ffn_width=16)
    model = make_talk(Transformer(VOCABULARY, InputSizes(WIDTH), config)).eval()
    assert isinstance(model, Transformer)
    return model


def pictures() -> FeatureBatch:
    regions = torch.randn(IMAGES, 4, WIDTH, generator=torch.Generator().manual_seed(0))
    mask = torch.ones(IMAGES, 4, dtype=torch.bool)
    return FeatureBatch(regions.mean(1), None, regions, torch.zeros(IMAGES, 4, 4), None, mask)


def gradient(model: Transformer) -> Tensor:
    return torch.cat([p.grad.flatten() for p in model.parameters() if p.grad is not None])


def test_both_schemes_sample_alike_and_have_one_gradient() -> None:
    model, features = small_model(), pictures()
    noise = torch.rand(IMAGES, SAMPLES, MAX_LENGTH, dtype=torch.float64)
    ours, theirs = Phases(), Phases()
    loss = scst_step.our_step(model, features, CiderD(CORPUS, VOCABULARY), noise, ours)
    our_gradient = gradient(model)
    their_loss = XmodalerStep(CORPUS, SAMPLES).step(model, features, noise, theirs)
    scst_step.check(loss, their_loss, our_gradient, gradient(model))
    assert our_gradient.norm() > 0
    assert set(ours.seconds) == {"encode", "decode", "reward", "score", "backward"}
    assert set(theirs.seconds) == {"greedy", "sample", "reward", "backward"}
    with pytest.raises(SystemExit, match="disagree"):
        scst_step.check(loss, their_loss, our_gradient, 1.1 * our_gradient)


def test_a_word_on_a_near_tie_is_no_disagreement(monkeypatch: pytest.MonkeyPatch) -> None:
    """Another machine, or more threads, round otherwise: here one step has slightly other noise."""
    model, features = small_model(), pictures()
    noise = torch.rand(IMAGES, SAMPLES, MAX_LENGTH, dtype=torch.float64)
    scorer, peer = CiderD(CORPUS, VOCABULARY), XmodalerStep(CORPUS, SAMPLES)
    with torch.no_grad():
        said = decode(model, model.encode(features), SAMPLES, greedy=True, noise=noise).tokens
    loss = scst_step.our_step(model, features, scorer, noise, Phases(), said)
    ours = gradient(model)
    noise[0, 0, 3] = 1 - noise[0, 0, 3]
    their_loss = peer.step(model, features, noise, Phases(), said)
    assert 0.98 < peer.alike < 1
    scst_step.check(loss, their_loss, ours, gradient(model), peer.alike)
    peer.step(model, features, 1 - noise, Phases(), said)
    with pytest.raises(SystemExit, match="of the words alike"):
        scst_step.check(loss, their_loss, ours, ours, peer.alike)


def test_dictionaries_score_as_tensors_do() -> None:
    captions = [CORPUS[0][0], CORPUS[1][2][:5], [3, 3, 3, 3], []]
    tokens = torch.zeros(len(captions), 1, MAX_LENGTH, dtype=torch.long)
    for row, words in enumerate(captions):
        tokens[row, 0, : len(words)] = torch.tensor(words)
    scores = CiderD(CORPUS, VOCABULARY)(tokens, torch.arange(len(captions)))[:, 0]
    for keep in (False, True):
        peer = DictionaryCiderD(CORPUS, keep)
        expected = [peer([*words, 0], image) for image, words in enumerate(captions)]
        torch.testing.assert_close(scores, torch.tensor(expected), rtol=0, atol=1e-5)
    assert scores[0] > 1
