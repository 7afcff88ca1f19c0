"""How fast captions are decoded: beam search against re-running the prefix, samples against greedy.

One run, one table; see ``benchmarks/README.md``.
"""

from __future__ import annotations

import argparse
import platform
import statistics
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import torch
from torch import Tensor

from gegcore.data.features import FeatureBatch, InputSizes
from gegcore.decoding import Decoded, beam_search, decode, log_policy
from gegcore.models import Captioner, Memory, State
from gegcore.models.captioner import END, MAX_LENGTH
from gegcore.models.transformer import Transformer, TransformerConfig
from gegcore.models.transformer_decoder import KeyValueState
from gegcore.profiles import load_profile
from gegcore.storage import write_json

REGIONS, REGION_WIDTH, VOCABULARY = 12, 256, 722  # of the quick profile's test split
SAMPLES, BEAM = 5, 3


GAINS = {"SCST": 32.0, "MLE": 13.0}
"""Factor of the output layer: more makes the policy surer of its words. These give about 0.3 and
0.9 nats per word, as the quick profile's captioners have after SCST and after MLE."""


class Talker(Transformer):
    """A Transformer of random weights whose captions have realistic lengths and entropy.

    The end token's bias grows with the position, so that captions have about 10 words; the output
    layer is multiplied by ``gain``. Neither costs time while decoding.
    """

    def __init__(self, gain: float, config: TransformerConfig, seed: int) -> None:
        torch.manual_seed(seed)
        super().__init__(VOCABULARY, InputSizes(REGION_WIDTH), config)
        self.ramp = gain * (-0.2 + 0.2 * torch.arange(MAX_LENGTH))
        with torch.no_grad():
            self.output.weight.mul_(gain)
            self.output.bias.zero_()
        self.requires_grad_(False).eval()

    def step(self, tokens: Tensor, state: State) -> tuple[Tensor, KeyValueState]:
        assert isinstance(state, KeyValueState)
        self.output.bias[END] = self.ramp[state.position]
        return super().step(tokens, state)

    def decode_teacher_forced(self, memory: Memory, tokens: Tensor) -> Tensor:
        self.output.bias[END] = 0.0
        logits = super().decode_teacher_forced(memory, tokens)
        logits[..., END] += self.ramp[: tokens.shape[-1]]
        return logits


@torch.no_grad()
def naive_beam_search(model: Captioner, features: FeatureBatch, size: int) -> Decoded:
    """Beam search that re-runs all words so far of every beam at every step.

    All images and beams in one batch, each image encoded once: naive only in having no cache. It
    stops with the last caption.
    """
    memory = model.encode(features)
    images = memory.batch_size
    tokens = torch.zeros(images, size, 1, dtype=torch.long)  # the start token first
    log_probs = torch.zeros(images, size, 0)
    finished = torch.zeros(images, size, dtype=torch.bool)
    for t in range(MAX_LENGTH):
        log_p = log_policy(model.decode_teacher_forced(memory, tokens)[:, :, -1])
        log_p = log_p.masked_fill(finished.unsqueeze(-1), float("-inf"))
        log_p[..., END] = log_p[..., END].masked_fill(finished, 0.0)
        if t == 0:
            log_p[:, 1:] = float("-inf")
        best = (log_probs.sum(-1, keepdim=True) + log_p).flatten(1).topk(size).indices
        parent, words = best // VOCABULARY, best % VOCABULARY
        said = log_p.flatten(1).gather(1, best)
        rows = parent.unsqueeze(-1)
        tokens = torch.cat([tokens.gather(1, rows.expand_as(tokens)), words.unsqueeze(-1)], -1)
        log_probs = log_probs.gather(1, rows.expand_as(log_probs))
        log_probs = torch.cat([log_probs, said.unsqueeze(-1)], -1)
        finished = finished.gather(1, parent) | (words == END)
        if finished.all():
            break
    return Decoded(tokens[..., 1:], log_probs)


def random_features(images: int, seed: int) -> FeatureBatch:
    """Features of the quick profile's shapes; every picture has all its regions."""
    g = torch.Generator().manual_seed(seed)
    regions = torch.randn(images, REGIONS, REGION_WIDTH, generator=g)
    corners = torch.rand(images, REGIONS, 4, generator=g)
    mask = torch.ones(images, REGIONS, dtype=torch.bool)
    return FeatureBatch(regions.mean(1), None, regions, corners, None, mask)


def padded(tokens: Tensor) -> Tensor:
    """To MAX_LENGTH columns."""
    return torch.nn.functional.pad(tokens, (0, MAX_LENGTH - tokens.shape[-1]))


Contender = Callable[[FeatureBatch], Decoded]
Clock = Callable[[], float]


def contenders(config: TransformerConfig, seed: int) -> dict[str, Contender]:
    """What is measured, by name."""
    models = {name: Talker(gain, config, seed) for name, gain in GAINS.items()}
    generator = torch.Generator().manual_seed(seed)
    chosen: dict[str, Contender] = {}
    for name, model in models.items():
        chosen[f"greedy, {name}"] = partial(decode, model)
        chosen[f"samples + greedy, {name}"] = partial(
            decode, model, samples=SAMPLES, generator=generator
        )
    chosen["beam, prefix re-run"] = partial(naive_beam_search, models["SCST"], size=BEAM)
    chosen["beam"] = partial(beam_search, models["SCST"], size=BEAM)
    return chosen


COMPARISONS = {
    "samples + greedy, SCST": ("greedy, SCST", 2.0),
    "samples + greedy, MLE": ("greedy, MLE", None),
    "beam": ("beam, prefix re-run", 0.2),
}
"""Measured against what, and the most it may take of its time."""


def measure(
    chosen: dict[str, Contender], batches: list[FeatureBatch], repeat: int, clock: Clock
) -> tuple[dict[str, list[float]], dict[str, list[Decoded]]]:
    """Seconds of every repeat, and the captions of the last one.

    Contenders take turns within a repeat and one goes first in each: what else the machine does
    hits all alike. One batch each, before, warms up.
    """
    seconds: dict[str, list[float]] = {name: [] for name in chosen}
    captions: dict[str, list[Decoded]] = {}
    for contender in chosen.values():
        contender(batches[0])
    for turn in range(repeat):
        names = list(chosen)
        for name in names[turn % len(names) :] + names[: turn % len(names)]:
            start = clock()
            captions[name] = [chosen[name](batch) for batch in batches]
            seconds[name].append(clock() - start)
    return seconds, captions


def check_beams(ours: list[Decoded], naive: list[Decoded]) -> float:
    """Share of captions that both searches say alike; on a near tie they need not.

    Rounding then keeps another beam, whose captions may end with any score.

    Raises:
        SystemExit: a caption's scores differ by more than rounding, or a hundredth of the captions.
    """
    mine = torch.cat([d.log_probs.sum(-1) for d in ours])
    theirs = torch.cat([d.log_probs.sum(-1) for d in naive])
    said, naively = (torch.cat([padded(d.tokens) for d in part]) for part in (ours, naive))
    same = (said == naively).all(-1)
    share = same.float().mean().item()
    if not torch.allclose(mine[same], theirs[same], rtol=1e-4, atol=1e-2) or share < 0.99:
        worst = (mine - theirs)[same].abs().max().item() if same.any() else float("nan")
        raise SystemExit(f"searches disagree: {share:.2%} captions alike, scores {worst:.1e} apart")
    return share


def rows(
    seconds: dict[str, list[float]], captions: dict[str, list[Decoded]]
) -> list[dict[str, str | float | None]]:
    """The table: medians, and medians of the ratios within a repeat."""
    table: list[dict[str, str | float | None]] = []
    for name, times in seconds.items():
        against, target = COMPARISONS.get(name, (None, None))
        pairs = zip(times, seconds[against], strict=True) if against else ()
        ratio = statistics.median(a / b for a, b in pairs) if against else None
        said = [batch.tokens > END for batch in captions[name]]
        words = sum(m.sum().item() for m in said)
        count = sum(m[..., 0].numel() for m in said)
        bits = -sum(batch.log_probs.sum().item() for batch in captions[name])
        table.append(
            {
                "decoding": name,
                "seconds": statistics.median(times),
                "ratio": ratio,
                "to": against,
                "target": target,
                "words": words / count,
                "nats per word": bits / (words + count),
            }
        )
    return table


def show(table: list[dict[str, str | float | None]]) -> None:
    print(f"{'decoding':24}{'seconds':>8}{'ratio':>7}{'target':>8}{'words':>7}{'nats/word':>11}")
    for row in table:
        ratio = "" if row["ratio"] is None else f"{row['ratio']:.2f}"
        target = "" if row["target"] is None else f"<= {row['target']:g}"
        print(
            f"{row['decoding']:24}{row['seconds']:8.2f}{ratio:>7}{target:>8}"
            f"{row['words']:7.1f}{row['nats per word']:11.2f}"
        )


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--images", type=int, default=1000, help="default: 1000")
    parser.add_argument("--batch", type=int, default=128, help="images at a time (default: 128)")
    parser.add_argument("--repeat", type=int, default=5, help="interleaved runs (default: 5)")
    parser.add_argument("--threads", type=int, help="of torch (default: its own choice)")
    parser.add_argument(
        "--cpu-time", action="store_true", help="processor time: fairer on a busy machine"
    )
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the numbers here")
    chosen = parser.parse_args()
    if min(chosen.images, chosen.batch, chosen.repeat) < 1:
        parser.error("--images, --batch and --repeat must be at least 1")
    return chosen


def main() -> None:
    args = arguments()
    if args.threads:
        torch.set_num_threads(args.threads)
    config = TransformerConfig(**load_profile("quick").models["transformer"])
    features = random_features(args.images, args.seed)
    starts = range(0, args.images, args.batch)
    batches = [features.select(range(i, min(i + args.batch, args.images))) for i in starts]
    clock = time.process_time if args.cpu_time else time.perf_counter
    seconds, captions = measure(contenders(config, args.seed), batches, args.repeat, clock)
    share = check_beams(captions["beam"], captions["beam, prefix re-run"])
    table = rows(seconds, captions)
    setting = {
        "images": args.images,
        "batch": args.batch,
        "repeat": args.repeat,
        "clock": clock.__name__,
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
        "machine": platform.machine(),
    }
    print(", ".join(f"{name} {value}" for name, value in setting.items()))
    show(table)
    print(f"beams: {share:.2%} of the captions equal those of re-running the prefix")
    if args.json:
        result = {"setting": setting, "equal_beams": share, "rows": table, "runs": seconds}
        write_json(args.json, result)


if __name__ == "__main__":
    main()
