"""How fast CIDEr-D is: as a tensor operation against scoring with dictionaries.

One run, one table; see ``benchmarks/README.md``.
"""

from __future__ import annotations

import argparse
import math
import platform
import statistics
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import torch
from torch import Tensor

from benchmarks.dictionary_cider import DictionaryCiderD
from gegcore.rewards.cider import CiderD, cider_d
from gegcore.storage import write_json

IMAGES, SAMPLES, REFERENCES = 50, 6, 5  # 300 captions: five samples and the greedy one, each image
SHORTEST, LONGEST, STEPS = 8, 14, 20


def random_corpus(images: int, vocabulary: int, seed: int) -> list[list[list[int]]]:
    """Captions of words of Zipf's frequencies; those of an image share half of their words."""
    g = torch.Generator().manual_seed(seed)
    each = REFERENCES + SAMPLES
    chances = 1 / torch.arange(1, vocabulary, dtype=torch.float64)

    def draw(*shape: int) -> Tensor:
        flat = torch.multinomial(chances, math.prod(shape), replacement=True, generator=g)
        return flat.view(shape) + 1

    shared, own = draw(images, 1, LONGEST), draw(images, each, LONGEST)
    phrases = torch.rand(images, each, LONGEST // 2, generator=g) < 0.5  # two words at a time
    words = torch.where(phrases.repeat_interleave(2, -1), shared, own).tolist()
    lengths = torch.randint(SHORTEST, LONGEST + 1, (images, each), generator=g).tolist()
    return [
        [caption[:n] for caption, n in zip(captions, sizes, strict=True)]
        for captions, sizes in zip(words, lengths, strict=True)
    ]


def tensor_of(samples: list[list[list[int]]]) -> Tensor:
    """`(B, S, STEPS)`, as the decoder returns them."""
    tokens = torch.zeros(len(samples), len(samples[0]), STEPS, dtype=torch.long)
    for i, captions in enumerate(samples):
        for j, words in enumerate(captions):
            tokens[i, j, : len(words)] = torch.tensor(words)
    return tokens


def by_dictionary(peer: DictionaryCiderD, samples: list[list[list[int]]]) -> Tensor:
    """`(B, S)` scores, the end token counted."""
    scores = [[peer([*words, 0], i) for words in image] for i, image in enumerate(samples)]
    return torch.tensor(scores, dtype=torch.float64)


def on_threads(count: int, function: Callable[[], Tensor]) -> Tensor:
    torch.set_num_threads(count)
    return function()


Contender = Callable[[], Tensor]
BASELINE = "dictionaries, references each time"


def contenders(args: argparse.Namespace) -> dict[str, Contender]:
    """What is measured, by name."""
    corpus = random_corpus(args.images, args.vocabulary, args.seed)
    references = [captions[:REFERENCES] for captions in corpus]
    samples = [captions[REFERENCES:] for captions in corpus[:IMAGES]]
    tokens, index = tensor_of(samples), torch.arange(IMAGES)
    batch, ours = references[:IMAGES], CiderD(references, args.vocabulary)
    chosen: dict[str, Contender] = {
        BASELINE: partial(by_dictionary, DictionaryCiderD(references), samples),
        "dictionaries, references kept": partial(
            by_dictionary, DictionaryCiderD(references, keep=True), samples
        ),
    }
    for threads in args.threads:
        name = f"{threads} thread" + "s" * (threads > 1)
        chosen[f"cider_d, {name}"] = partial(
            on_threads, threads, lambda: cider_d(tokens, batch, ours.frequency)
        )
        chosen[f"CiderD, {name}"] = partial(on_threads, threads, lambda: ours(tokens, index))
    return chosen


def measure(
    chosen: dict[str, Contender], repeat: int
) -> tuple[dict[str, list[float]], dict[str, Tensor]]:
    """Seconds of every repeat, and the scores.

    Contenders take turns within a repeat and another goes first in each: what else the machine
    does hits all alike. One call each, before, warms up.
    """
    seconds: dict[str, list[float]] = {name: [] for name in chosen}
    scores = {name: contender() for name, contender in chosen.items()}
    for turn in range(repeat):
        names = list(chosen)
        first = turn % len(names)
        for name in names[first:] + names[:first]:
            start = time.perf_counter()
            chosen[name]()
            seconds[name].append(time.perf_counter() - start)
    return seconds, scores


def check_scores(scores: dict[str, Tensor]) -> float:
    """Largest difference of any two scores.

    Raises:
        SystemExit: it is more than rounding, or the captions score nothing.
    """
    expected = scores[BASELINE]
    worst = max((x.double() - expected).abs().max().item() for x in scores.values())
    if worst > 1e-5 or expected.mean().item() < 0.1:
        raise SystemExit(f"scores differ by {worst:.1e}, their mean is {expected.mean():.2f}")
    return worst


def rows(seconds: dict[str, list[float]]) -> list[dict[str, str | float]]:
    """The table: medians, and medians of the ratios within a repeat."""
    baseline = seconds[BASELINE]
    return [
        {
            "scorer": name,
            "ms": 1000 * statistics.median(times),
            "fastest ms": 1000 * min(times),
            "times faster": statistics.median(b / s for b, s in zip(baseline, times, strict=True)),
        }
        for name, times in seconds.items()
    ]


def show(table: list[dict[str, str | float]]) -> None:
    print(f"{'scorer':36}{'ms':>8}{'fastest':>9}{'times faster':>14}")
    for row in table:
        print(
            f"{row['scorer']:36}{row['ms']:8.2f}{row['fastest ms']:9.2f}{row['times faster']:14.1f}"
        )


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--images", type=int, default=4000, help="of the corpus (default: 4000)")
    parser.add_argument("--vocabulary", type=int, default=10_000, help="default: 10000")
    parser.add_argument("--repeat", type=int, default=25, help="interleaved runs (default: 25)")
    parser.add_argument(
        "--threads", type=int, nargs="+", default=[1, 2], help="of torch (default: 1 2)"
    )
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the numbers here")
    chosen = parser.parse_args()
    if chosen.images < IMAGES or min(chosen.repeat, *chosen.threads) < 1:
        parser.error(f"--images must be at least {IMAGES}, --repeat and --threads at least 1")
    return chosen


def main() -> None:
    args = arguments()
    seconds, scores = measure(contenders(args), args.repeat)
    worst = check_scores(scores)
    table = rows(seconds)
    setting = {
        "captions": IMAGES * SAMPLES,
        "references": REFERENCES,
        "corpus": args.images,
        "vocabulary": args.vocabulary,
        "repeat": args.repeat,
        "torch": torch.__version__,
        "machine": platform.machine(),
    }
    print(", ".join(f"{name} {value}" for name, value in setting.items()))
    show(table)
    print(f"mean score {scores[BASELINE].mean():.3f}, largest difference {worst:.1e}")
    if args.json:
        result = {"setting": setting, "difference": worst, "rows": table, "runs": seconds}
        write_json(args.json, result)


if __name__ == "__main__":
    main()
