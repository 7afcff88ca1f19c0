"""Similar-image groups from a thousand images to all of MSCOCO's, and beyond by an index.

    python -m benchmarks.groups --json results/benchmarks/groups.json

Exact groups (Eq. 2) of generated embeddings, five captions an image, as `gegcore prepare` makes
them: seconds, and memory beside the embeddings. Beside it what nobody who is exact can do without,
the products of all images and captions alone. FAISS is asked for the same groups: its flat index is
exact, its inverted lists are not, and their recall is the share of an image's K that they find. Of
splits larger than `--most` rows so many are computed, and the time of all is that of these, scaled.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import time
from pathlib import Path
from typing import Any

import faiss
import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import normalize
from tqdm import tqdm

from gegcore.groups import similar_groups
from gegcore.provenance import git_revision
from gegcore.storage import write_json

CAPTIONS, WIDTH, K = 5, 512, 5
SIZES = (1_000, 5_000, 20_000, 50_000, 113_287)
_TOPICS, _QUERIES, _PROBES = 2_000, 1_000, (1, 8, 32)
_PRODUCTS = 8
"""Blocks whose products are timed alone."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--sizes", nargs="+", type=int, default=SIZES)
    parser.add_argument("--most", type=int, default=10**9, help="rows computed of a split")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the report here, too")
    arguments = parser.parse_args()
    device = torch.device(arguments.device)
    rows = [measure(size, arguments.most, device) for size in arguments.sizes]
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else platform.machine()
    setting = {
        "captions of an image": CAPTIONS,
        "width": WIDTH,
        "K": K,
        "device": name,
        "threads": torch.get_num_threads(),
        "load before": round(os.getloadavg()[0], 1),
        "revision": git_revision(),
    }
    report = {"setting": setting, "sizes": rows}
    print(json.dumps(report, indent=1))
    if arguments.json:
        write_json(arguments.json, report)


def measure(images: int, most: int, device: torch.device) -> dict[str, Any]:
    """Exact groups, the products alone, and FAISS, of so many images."""
    image, caption = embeddings(images, device)
    owner = torch.arange(images, device=device).repeat_interleave(CAPTIONS)
    asked = range(min(images, most))
    before = _start_counting(device)
    began = _clock(device)
    groups = similar_groups(image, caption, owner, K, rows=asked)
    seconds = (_clock(device) - began) * images / len(asked)
    extra = _highest(device) - before
    products = _products(image, caption, device)
    return {
        "images": images,
        "rows computed": len(asked),
        "seconds": round(seconds, 2),
        "seconds of the products alone": round(products, 2),
        "ratio": round(seconds / products, 2),
        "GB of embeddings": round((image.nbytes + caption.nbytes) / 1e9, 3),
        "GB beside them": round(extra / 1e9, 3),
        "indices": _indices(image, caption, groups.index, asked),
    }


def embeddings(images: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """Images about topics, and captions about images: near ones there are, as CLIP's have."""
    g = torch.Generator().manual_seed(images)
    topic = torch.randn(_TOPICS, WIDTH, generator=g)
    about = torch.randint(_TOPICS, (images,), generator=g)
    image = topic[about] + 0.8 * torch.randn(images, WIDTH, generator=g)
    caption = image.repeat_interleave(CAPTIONS, 0)
    for rows in caption.split(1 << 16):  # in place: 1 GB at full size
        rows.add_(torch.randn(rows.shape, generator=g), alpha=0.8)
    return normalize(image, dim=-1).to(device), normalize(caption, dim=-1).to(device)


def _products(image: Tensor, caption: Tensor, device: torch.device) -> float:
    """Seconds of all products, from some blocks of the size that `similar_groups` takes."""
    size = max(1, (1 << 26) // len(caption))
    blocks = [image[start : start + size] for start in range(0, len(image), size)][:_PRODUCTS]
    torch.mm(blocks[0], caption.T)  # warm
    began = _clock(device)
    for block in blocks:
        torch.mm(block, caption.T)
    return (_clock(device) - began) * len(image) / sum(map(len, blocks))


def _indices(image: Tensor, caption: Tensor, exact: Tensor, asked: range) -> list[dict[str, Any]]:
    """FAISS's flat index and inverted lists: time of all groups, and recall of the exact ones."""
    vectors, total = caption.cpu().numpy(), len(image)
    queries = np.linspace(0, len(asked) - 1, min(_QUERIES, len(asked))).astype(int)
    wanted, targets = exact[queries], image[queries].cpu().numpy()
    lists = max(1, round(4 * len(vectors) ** 0.5))
    flat = faiss.IndexFlatIP(WIDTH)
    flat.add(vectors)
    found = [{"index": "flat", **_searched(flat, targets, queries, wanted, total)}]
    coarse = faiss.IndexFlatIP(WIDTH)
    inverted = faiss.IndexIVFFlat(coarse, WIDTH, lists, faiss.METRIC_INNER_PRODUCT)
    began = time.perf_counter()
    inverted.train(vectors[:: max(1, len(vectors) // (40 * lists))])
    inverted.add(vectors)
    building = time.perf_counter() - began
    for probes in tqdm([p for p in _PROBES if p <= lists], "inverted lists", leave=False):
        inverted.nprobe = probes
        about = {"index": "inverted lists", "lists": lists, "probed": probes}
        about["seconds of building"] = round(building, 2)
        found.append({**about, **_searched(inverted, targets, queries, wanted, total)})
    return found


def _searched(
    index: Any, targets: np.ndarray, queries: np.ndarray, wanted: Tensor, total: int
) -> dict[str, float]:
    nearest = CAPTIONS * (K + 1)
    began = time.perf_counter()
    _, rows = index.search(targets, nearest)
    seconds = (time.perf_counter() - began) * total / len(queries)
    hits = 0
    for own, captions, group in zip(queries, rows, wanted.tolist(), strict=True):
        images = [image for image in captions[captions >= 0] // CAPTIONS if image != own]
        hits += len({*dict.fromkeys(images)} & {*group})
    return {"seconds": round(seconds, 2), "recall": round(hits / wanted.numel(), 4)}


def _clock(device: torch.device) -> float:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter()


def _start_counting(device: torch.device) -> float:
    """Forget the highest use of memory so far; bytes that are in use now."""
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
        return float(torch.cuda.memory_allocated(device))
    Path("/proc/self/clear_refs").write_text("5")  # Linux
    return _status("VmRSS")


def _highest(device: torch.device) -> float:
    """Bytes at most since then: of a GPU what tensors took, else of the process."""
    if device.type == "cuda":
        return float(torch.cuda.max_memory_allocated(device))
    return _status("VmHWM")


def _status(field: str) -> float:
    lines = Path("/proc/self/status").read_text().splitlines()
    return 1024.0 * float(next(line.split()[1] for line in lines if line.startswith(field)))


if __name__ == "__main__":
    main()
