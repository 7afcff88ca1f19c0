"""How long one SCST step takes: ours against the scheme of X-modaler, whose checkpoints we read.

One run, one table; see ``benchmarks/README.md``. Sizes are those of the paper: the Transformer at
published size, ten pictures of 36 regions, five samples each and the greedy caption, CIDEr-D.
"""

from __future__ import annotations

import argparse
import platform
import statistics
import time
from pathlib import Path

import torch
from torch import Tensor

from benchmarks.paper_size import (
    REGIONS,
    SAMPLES,
    VOCABULARY,
    Clock,
    Phases,
    captioner,
    pictures,
    references,
)
from benchmarks.xmodaler_step import XmodalerStep
from gegcore.data.features import FeatureBatch
from gegcore.decoding import decode, said_mask, score
from gegcore.models import Captioner
from gegcore.models.captioner import MAX_LENGTH
from gegcore.models.transformer import Transformer
from gegcore.rewards import CiderD
from gegcore.storage import write_json
from gegcore.training.scst import self_critical_advantage, self_critical_loss

IMAGES = 10
CORPUS = 2_000
"""Images whose references give the document frequencies."""


def our_step(
    model: Captioner,
    features: FeatureBatch,
    scorer: CiderD,
    noise: Tensor,
    phase: Phases,
    said: Tensor | None = None,
) -> Tensor:
    """As in ``gegcore.training.objectives``: encode once, sample from the cache, score once.

    Args:
        said: (B, 1 + S, T), the captions that the loss is of, instead of those that are decoded.
    """
    index = torch.arange(len(features))
    with phase("encode"):
        memory = model.encode(features)
    with phase("decode"):
        tokens = decode(model, memory, samples=SAMPLES, greedy=True, noise=noise).tokens
    tokens = tokens if said is None else said
    with phase("reward"):
        reward = scorer(tokens, index)
        advantage = self_critical_advantage(reward[:, 1:], reward[:, 0], "greedy")
    with phase("score"):
        samples = tokens[:, 1:]
        loss = self_critical_loss(score(model, memory, samples), advantage, said_mask(samples))
    with phase("backward"):
        model.zero_grad()
        loss.backward()
    return loss.detach()


def measure(repeat: int, seed: int, clock: Clock) -> dict[str, list[dict[str, float]]]:
    """Seconds by phase of every repeat of both schemes, which take turns.

    Dropout is off in both, so that they can be compared number by number (X-modaler samples with
    dropout on, which costs it a little more than what is measured here). Each decodes by itself,
    but the loss of both is that of captions which are decoded beforehand.

    Raises:
        SystemExit: losses or gradients differ.
    """
    model = captioner("transformer", seed).eval()
    assert isinstance(model, Transformer)
    features, corpus = pictures(IMAGES, seed), references(CORPUS, seed)
    scorer, peer = CiderD(corpus, VOCABULARY), XmodalerStep(corpus, SAMPLES)
    generator = torch.Generator().manual_seed(seed)
    noise = torch.rand(IMAGES, SAMPLES, MAX_LENGTH, dtype=torch.float64, generator=generator)
    with torch.no_grad():
        memory = model.encode(features)
        said = decode(model, memory, samples=SAMPLES, greedy=True, noise=noise).tokens
    said = torch.nn.functional.pad(said, (0, MAX_LENGTH - said.shape[-1]))
    taken: dict[str, list[dict[str, float]]] = {"X-modaler's scheme": [], "gegcore": []}
    for turn in range(repeat + 1):  # the first warms up
        phases = {name: Phases(clock) for name in taken}
        losses = our_step(model, features, scorer, noise, phases["gegcore"], said)
        ours = torch.cat([p.grad.flatten() for p in model.parameters() if p.grad is not None])
        theirs_loss = peer.step(model, features, noise, phases["X-modaler's scheme"], said)
        theirs = torch.cat([p.grad.flatten() for p in model.parameters() if p.grad is not None])
        check(losses, theirs_loss, ours, theirs, peer.alike)
        if turn:
            for name, phase in phases.items():
                taken[name].append(phase.seconds)
    return taken


def check(
    our_loss: Tensor, their_loss: Tensor, ours: Tensor, theirs: Tensor, alike: float = 1.0
) -> None:
    """Both schemes must draw the same words, but for a few near ties, and have one gradient."""
    apart = ((ours - theirs).norm() / theirs.norm()).item()  # not a number if there is no gradient
    close = torch.allclose(our_loss, their_loss, rtol=1e-3, atol=1e-6) and apart < 1e-3
    if not close or alike < 0.98:
        raise SystemExit(
            f"the schemes disagree: losses {our_loss:.6g} and {their_loss:.6g}, "
            f"gradients {apart:.1e} apart, {alike:.1%} of the words alike"
        )


def rows(taken: dict[str, list[dict[str, float]]]) -> list[dict[str, object]]:
    """Median seconds by phase, and the ratio of the whole steps within a repeat."""
    peer = [sum(phase.values()) for phase in taken["X-modaler's scheme"]]
    table: list[dict[str, object]] = []
    for name, runs in taken.items():
        whole = [sum(phase.values()) for phase in runs]
        table.append(
            {
                "scheme": name,
                "seconds": statistics.median(whole),
                "faster": statistics.median(a / b for a, b in zip(peer, whole, strict=True)),
                "phases": {key: statistics.median(run[key] for run in runs) for key in runs[0]},
            }
        )
    return table


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--repeat", type=int, default=3, help="interleaved steps (default: 3)")
    parser.add_argument("--threads", type=int, help="of torch (default: its own choice)")
    parser.add_argument(
        "--cpu-time", action="store_true", help="processor time: fairer on a busy machine"
    )
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the numbers here")
    chosen = parser.parse_args()
    if chosen.repeat < 1:
        parser.error("--repeat must be at least 1")
    return chosen


def main() -> None:
    args = arguments()
    if args.threads:
        torch.set_num_threads(args.threads)
    clock = time.process_time if args.cpu_time else time.perf_counter
    taken = measure(args.repeat, args.seed, clock)
    table = rows(taken)
    setting = {
        "images": IMAGES,
        "samples": SAMPLES,
        "regions": REGIONS,
        "vocabulary": VOCABULARY,
        "steps": MAX_LENGTH,
        "repeat": args.repeat,
        "clock": clock.__name__,
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
        "machine": platform.machine(),
    }
    print(", ".join(f"{name} {value}" for name, value in setting.items()))
    for row in table:
        phases = "  ".join(f"{key} {value:.2f}" for key, value in row["phases"].items())  # type: ignore[attr-defined]
        print(f"{row['scheme']:20}{row['seconds']:7.2f} s {row['faster']:6.1f} x   {phases}")
    if args.json:
        result = {"setting": setting, "rows": table, "runs": taken}
        write_json(args.json, result)


if __name__ == "__main__":
    main()
