"""A report on one GPU: how fast the seven captioners train and decode at paper size.

    python -m benchmarks.gpu --json results/benchmarks/gpu.json

takes less than eight minutes and downloads nothing (random weights, see ``paper_size``). For each
captioner: images per second of an SCST+GEG step and of an MLE step, where the time of the former
goes, the share of the reward, peak memory, whether anything from the first word to backward made
the host wait for the device, and how long decoding takes in three ways: with rows shared and
dropped as captions differ and end, with constant shapes, and with these and a compiled step.
"""

from __future__ import annotations

import argparse
import platform
import statistics
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import open_clip
import torch
from torch import Tensor
from tqdm import tqdm

from benchmarks.paper_size import (
    REFERENCES,
    SAMPLES,
    VOCABULARY,
    Phases,
    captioner,
    pictures,
    references,
)
from gegcore.clip import ClipModel, WordToBpe
from gegcore.data.features import FeatureBatch
from gegcore.decoding import compiled_step, decode, said_mask, score
from gegcore.models import ARCHITECTURES, Captioner
from gegcore.models.captioner import MAX_LENGTH
from gegcore.provenance import git_revision
from gegcore.rewards import CiderD, GroupEmbeddingGapReward
from gegcore.rewards.encoder import CaptionEncoder
from gegcore.storage import write_json
from gegcore.training.scst import self_critical_advantage, self_critical_loss
from gegcore.training.xe import cross_entropy, teacher_forcing

CORPUS, GROUP = 2_000, 5
ALPHA, BETA = 0.1, 10.0


@dataclass(frozen=True)
class Stage:
    """What all captioners share: pictures, captions and rewards on the device."""

    device: torch.device
    features: FeatureBatch
    captions: Tensor
    cider: CiderD
    gap: GroupEmbeddingGapReward
    precision: torch.dtype
    waits: list[str] = field(default_factory=list)
    """Operations from the first word to backward that made the host wait."""

    @property
    def index(self) -> Tensor:
        return torch.arange(len(self.features), device=self.device)

    def autocast(self) -> torch.autocast:
        """Mixed precision, if asked for."""
        on = self.precision != torch.float32
        return torch.autocast(self.device.type, self.precision, enabled=on)

    @contextmanager
    def watch(self) -> Iterator[None]:
        """Note what synchronises the host with a CUDA device (torch's own debug mode)."""
        if self.device.type != "cuda":
            yield
            return
        torch.cuda.set_sync_debug_mode("warn")
        try:
            with warnings.catch_warnings(record=True) as caught:
                warnings.simplefilter("always")
                yield
        finally:
            torch.cuda.set_sync_debug_mode("default")
        self.waits.extend(f"{w.filename}:{w.lineno}: {w.message}" for w in caught)

    def clock(self) -> float:
        """Seconds, once the device has done all that it was given."""
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)
        return time.perf_counter()


def prepare(images: int, device: torch.device, precision: torch.dtype, clip: str) -> Stage:
    """Random pictures, captions and a CLIP text tower of the paper's size with random weights."""
    corpus = references(CORPUS, seed=0)
    g = torch.Generator().manual_seed(0)
    captions = torch.zeros(images, REFERENCES, MAX_LENGTH, dtype=torch.long)
    for i, group in enumerate(corpus[:images]):
        for j, words in enumerate(group):
            captions[i, j, : len(words)] = torch.tensor(words)
    tower = open_clip.create_model(clip, pretrained=None)
    tokenizer = open_clip.get_tokenizer(clip)
    model = ClipModel(clip, tower, tokenizer, lambda pictures: torch.empty(0)).to(device)
    encoder = CaptionEncoder(model, WordToBpe(vocabulary(tokenizer), tokenizer))
    width = model.encode_texts(["a dog"]).shape[-1]
    embeddings = torch.nn.functional.normalize(torch.randn(CORPUS, width, generator=g), dim=-1)
    groups = torch.randint(CORPUS, (CORPUS, GROUP), generator=g)
    return Stage(
        device,
        pictures(images, seed=0).to(device),
        captions.to(device),
        CiderD(corpus, VOCABULARY).to(device),
        GroupEmbeddingGapReward(encoder, embeddings, groups).to(device),
        precision,
    )


def vocabulary(tokenizer: Any) -> list[str]:
    """Words of one BPE piece, and one in twenty of two, as rare words have."""
    whole = [piece[:-4] for piece in tokenizer.encoder if piece.endswith("</w>")]
    whole = [word for word in whole if word.isalpha() and word.isascii()]
    rare = (VOCABULARY - 1) // 20
    common = whole[: VOCABULARY - 1 - rare]
    pairs = (a + b for a, b in zip(common[:rare], common[rare:], strict=False))
    return list(dict.fromkeys([*common, *pairs]))


Step = Callable[[Phases], None]


def scst_geg(model: Captioner, stage: Stage, optimiser: torch.optim.Optimizer) -> Step:
    """A step of +SCST+GEG (Eq. 5-7), as ``gegcore.training.objectives`` takes it."""
    images = len(stage.features)
    shape = (images, SAMPLES, MAX_LENGTH)
    noise = torch.rand(shape, dtype=torch.float64, device=stage.device)

    def step(phase: Phases) -> None:
        model.eval()
        with phase("encode"), stage.autocast():
            memory = model.encode(stage.features)
        with stage.watch():
            with phase("decode"), stage.autocast():
                tokens = decode(model, memory, samples=SAMPLES, greedy=True, noise=noise).tokens
            after_sampling(phase, memory, tokens)
        with phase("optimiser"):
            optimiser.step()

    def after_sampling(phase: Phases, memory: Any, tokens: Tensor) -> None:
        with phase("reward: CIDEr-D"):
            language = stage.cider(tokens, stage.index)
        with phase("reward: GEG"):
            reward = ALPHA * language + BETA * stage.gap(tokens, stage.index)
            advantage = self_critical_advantage(reward[:, 1:], reward[:, 0], "greedy")
        with phase("score"), stage.autocast():
            samples = tokens[:, 1:]
            log_probs = score(model, memory, samples)
            loss = self_critical_loss(log_probs, advantage, said_mask(samples))
        with phase("backward"):
            optimiser.zero_grad()
            loss.backward()

    return step


def mle(model: Captioner, stage: Stage, optimiser: torch.optim.Optimizer) -> Step:
    """A step of imitation: five captions a picture."""
    inputs, targets = teacher_forcing(stage.captions)

    def step(phase: Phases) -> None:
        model.train()
        with phase("forward"), stage.autocast():
            loss = cross_entropy(model(stage.features, inputs), targets, 0.1)
        with phase("backward"):
            optimiser.zero_grad()
            loss.backward()
        with phase("optimiser"):
            optimiser.step()

    return step


def decoding_seconds(model: Captioner, stage: Stage, compiles: bool) -> dict[str, float]:
    """Median seconds of decoding 5 samples and the greedy caption, in each way."""
    model.eval()
    with torch.no_grad(), stage.autocast():
        memory = model.encode(stage.features)
    ways: dict[str, dict[str, Any]] = {
        "shared rows": {"in_place": False},
        "constant shapes": {"in_place": True},
    }
    if compiles:
        ways["compiled"] = {"step": compiled_step(model)}
    found = {}
    for name, options in ways.items():
        seconds = []
        for _ in range(7):
            g = torch.Generator(stage.device).manual_seed(0)
            start = stage.clock()
            with stage.autocast():
                decode(model, memory, SAMPLES, generator=g, **options)
            seconds.append(stage.clock() - start)
        found[name] = statistics.median(seconds[2:])  # the first ones warm up, or compile
    return found


def measure(name: str, stage: Stage, seconds: float, compiles: bool) -> dict[str, Any]:
    """Speed, phases and memory of one captioner."""
    if stage.device.type == "cuda":
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats(stage.device)
    model = captioner(name, seed=0).to(stage.device)
    optimiser = torch.optim.Adam(model.parameters(), lr=1e-6)
    stage.waits.clear()
    reinforce, imitate = (make(model, stage, optimiser) for make in (scst_geg, mle))
    rate = steps_per_second(reinforce, stage, seconds)
    waits = sorted(set(stage.waits)) if stage.device.type == "cuda" else None
    phases = seconds_by_phase(reinforce, stage)
    rewards = sum(value for key, value in phases.items() if key.startswith("reward"))
    images = len(stage.features)
    cuda = stage.device.type == "cuda"
    return {
        "model": name,
        "parameters": sum(p.numel() for p in model.parameters()),
        "scst_geg_images_per_second": images * rate,
        "mle_images_per_second": images * steps_per_second(imitate, stage, seconds),
        "phases": phases,
        "decoding_seconds": decoding_seconds(model, stage, compiles),
        "reward_share": rewards / sum(phases.values()),
        "host_waits": waits,
        "peak_memory_gib": torch.cuda.max_memory_allocated(stage.device) / 2**30 if cuda else None,
    }


def steps_per_second(step: Step, stage: Stage, seconds: float) -> float:
    """Steps queued one after the other for about so many seconds, after two that warm up."""
    for _ in range(2):
        step(Phases())
    start, count = stage.clock(), 0
    while time.perf_counter() - start < seconds:
        step(Phases())
        count += 1
    return count / (stage.clock() - start)


def seconds_by_phase(step: Step, stage: Stage, repeat: int = 5) -> dict[str, float]:
    """Median seconds of each phase; the device finishes one before the next begins."""
    runs = []
    for _ in range(repeat):
        phases = Phases(stage.clock)
        step(phases)
        runs.append(phases.seconds)
    return {key: statistics.median(run[key] for run in runs) for key in runs[0]}


def show(rows: list[dict[str, Any]]) -> None:
    ways = list(rows[0]["decoding_seconds"])
    heads = "".join(f"{way:>17}" for way in ways)
    print(f"{'captioner':16}{'SCST+GEG':>12}{'MLE':>12}{'reward':>9}{'GiB':>7}  waits{heads}")
    for row in rows:
        memory = "" if row["peak_memory_gib"] is None else f"{row['peak_memory_gib']:.1f}"
        waits = "" if row["host_waits"] is None else f"{len(row['host_waits'])}"
        print(
            f"{row['model']:16}{row['scst_geg_images_per_second']:8.1f} i/s"
            f"{row['mle_images_per_second']:8.1f} i/s{row['reward_share']:9.1%}"
            f"{memory:>7}  {waits:5}"
            + "".join(f"{1e3 * row['decoding_seconds'][way]:14.1f} ms" for way in ways)
        )


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--device", default="cuda", help="default: cuda")
    parser.add_argument("--models", nargs="+", choices=list(ARCHITECTURES), metavar="MODEL")
    parser.add_argument("--images", type=int, default=16, help="per step (default: 16)")
    parser.add_argument("--seconds", type=float, default=10, help="of each speed (default: 10)")
    parser.add_argument("--precision", choices=("float32", "bfloat16"), default="bfloat16")
    parser.add_argument("--clip", default="ViT-B-32-quickgelu", help="open_clip architecture")
    parser.add_argument("--no-compile", action="store_true", help="leave torch.compile out")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the numbers here")
    chosen = parser.parse_args()
    if chosen.device.startswith("cuda") and not torch.cuda.is_available():
        parser.error("no CUDA device is available; --device cpu runs the same, slowly")
    if min(chosen.images, chosen.seconds) <= 0:
        parser.error("--images and --seconds must be positive")
    return chosen


def main() -> None:
    args = arguments()
    device = torch.device(args.device)
    stage = prepare(args.images, device, getattr(torch, args.precision), args.clip)
    cuda = device.type == "cuda"
    setting = {
        "device": torch.cuda.get_device_name(device) if cuda else platform.machine(),
        "torch": torch.__version__,
        "revision": git_revision(),
        "images": args.images,
        "samples": SAMPLES,
        "steps": MAX_LENGTH,
        "vocabulary": VOCABULARY,
        "precision": args.precision,
        "clip": args.clip,
    }
    print(", ".join(f"{name} {value}" for name, value in setting.items()))
    names = args.models or list(ARCHITECTURES)
    rows = [
        measure(name, stage, args.seconds, not args.no_compile)
        for name in tqdm(names, desc="captioners")
    ]
    show(rows)
    if args.json:
        report = {"setting": setting, "rows": rows}
        write_json(args.json, report)


if __name__ == "__main__":
    main()
