"""A whole step of SCST+GEG on a GPU that is not there: right devices, and nothing waits for it.

Fake tensors have a device and a shape but no values: an operation that mixes devices raises, and
so does one for which the host would have to know a value. From the first word to the loss; for
backward, autograd wants a real GPU.
"""

from __future__ import annotations

import pytest
import torch
from tiny_training import IMAGES, MAX_LEN, VOCAB, Features, small_model
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode

from gegcore.clip import WordToBpe, load_clip
from gegcore.models import ARCHITECTURES, Captioner
from gegcore.rewards import CaptionEncoder, CiderD, GroupEmbeddingGapReward, WeightedReward
from gegcore.training.config import ObjectiveConfig
from gegcore.training.objectives import SelfCriticalObjective

GPU = torch.device("cuda")
INDEX = torch.arange(IMAGES)
MODELS = sorted(set(ARCHITECTURES) & {"transformer", "updown", "xlan", "lstm_a3"})


def on_gpu(module: nn.Module) -> nn.Module:
    """The module with fake parameters and buffers on a GPU."""
    for part in module.modules():
        for name, value in part._parameters.items():
            if value is not None:
                fake = torch.empty_like(value, device=GPU)
                part._parameters[name] = nn.Parameter(fake, requires_grad=value.requires_grad)
        for name, buffer in part._buffers.items():
            if buffer is not None:
                part._buffers[name] = torch.empty_like(buffer, device=GPU)
    return module


def rewards() -> WeightedReward:
    """0.1 CIDEr-D + 10 GEG-Avg, as in the paper."""
    clip = load_clip("scenes-clip")
    words = [f"w{i}" for i in range(1, VOCAB)]
    embeddings = torch.randn(IMAGES, clip.encode_texts(["a"]).shape[-1])
    groups = (INDEX[:, None] + torch.tensor([1, 3])) % IMAGES
    encoder = CaptionEncoder(clip, WordToBpe(words, clip.tokenizer))
    cider = CiderD([[[1, 2, 3], [4, 5]] for _ in range(IMAGES)], VOCAB)
    gap = GroupEmbeddingGapReward(encoder, embeddings, groups)
    return WeightedReward({"cider": (0.1, cider), "geg_avg": (10.0, gap)})


def step(model: Captioner, baseline: str, device: torch.device, reward: WeightedReward) -> Tensor:
    config = ObjectiveConfig(loss="self_critical", samples=3, baseline=baseline)  # type: ignore[arg-type]
    endings = torch.tensor([2], device=device)
    objective = SelfCriticalObjective(
        Features(), reward, config, MAX_LEN, (VOCAB - 1,), device, bad_endings=endings
    )
    return objective.step(model, INDEX, NOISE).total


NOISE = torch.rand(IMAGES, 3, MAX_LEN, dtype=torch.float64)


@pytest.mark.parametrize("name", MODELS)
def test_from_the_first_word_to_the_loss(name: str) -> None:
    reward, model = rewards(), small_model(name)
    with FakeTensorMode(allow_non_fake_inputs=True):
        for _, term in reward.weighted.values():
            assert isinstance(term, nn.Module)
            on_gpu(term)
        on_gpu(model)
        for baseline in ("greedy", "mean_of_others"):
            assert step(model, baseline, GPU, reward).device.type == "cuda"
    assert step(small_model(name), "greedy", torch.device("cpu"), rewards()).isfinite()
