"""The CLIP interface on small random open_clip models: no downloads, no shipped weights."""

from __future__ import annotations

import json
import socket
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import open_clip
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

from gegcore.clip import ClipModel, embed_dataset, load_clip, similarity
from gegcore.data.dataset import ImageRecord
from gegcore.embeddings import EmbeddingTable
from gegcore.errors import ChecksumError, ConfigError, DataError

TEXT = {"context_length": 16, "vocab_size": 49408, "width": 16, "heads": 2, "layers": 2}
CONFIG = {
    "embed_dim": 8,
    "vision_cfg": {
        "image_size": 32, "patch_size": 16, "width": 16, "layers": 1, "head_width": 8
    },
    "text_cfg": TEXT,
}  # fmt: skip
VARIANTS: dict[str, dict[str, Any]] = {
    "tiny-clip": CONFIG,
    "tiny-custom": {**CONFIG, "custom_text": True},
    "tiny-eos": {**CONFIG, "text_cfg": {**TEXT, "pool_type": "eos", "eos_id": 49407}},
    "tiny-bidirectional": {
        **CONFIG, "custom_text": True, "text_cfg": {**TEXT, "no_causal_mask": True}
    },
}  # fmt: skip
CAPTIONS = [
    "a dog",
    "two surfers carrying unbelievably red surfboards!",
    "it's a man's best friend",
    "",
    "a tired " + "very " * 40 + "old horse",
]


@pytest.fixture(scope="module", autouse=True)
def configs(tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("configs")
    for name, config in VARIANTS.items():
        (folder / f"{name}.json").write_text(json.dumps(config))
    open_clip.add_model_config(folder)


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    torch.manual_seed(0)
    path = tmp_path / "tiny.safetensors"
    save_file(open_clip.create_model("tiny-clip").state_dict(), str(path))
    return path


@pytest.fixture
def offline(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_args: Any, **_kwargs: Any) -> None:
        raise AssertionError("a network connection was opened")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)


def random_clip(name: str = "tiny-clip") -> ClipModel:
    torch.manual_seed(1)
    model = open_clip.create_model(name)
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.3)  # strong enough that every token matters

    def prepare(images: Any) -> torch.Tensor:
        return torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2).float() / 255

    return ClipModel(name, model, open_clip.get_tokenizer(name), prepare)


@pytest.mark.parametrize("name", VARIANTS)
def test_cropped_text_has_the_embedding_of_the_padded_one(name: str) -> None:
    clip = random_clip(name)
    bpe = clip.tokenizer(CAPTIONS[:4])
    model: Any = clip.model
    with torch.no_grad():
        expected = torch.nn.functional.normalize(model.encode_text(bpe), dim=-1)
    torch.testing.assert_close(clip.encode_tokens(bpe), expected, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(clip.encode_texts(CAPTIONS[:4]), expected, atol=1e-5, rtol=1e-5)
    longest = int((bpe == clip.tokenizer.eot_token_id).int().argmax(1).max()) + 1
    assert longest < bpe.shape[1]
    torch.testing.assert_close(clip.encode_tokens(bpe[:, :longest]), expected, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("precision", [torch.bfloat16, torch.float16])
@pytest.mark.parametrize("name", ["tiny-clip", "tiny-bidirectional"])
def test_mixed_precision_is_close_and_float32_stays_exact(
    name: str, precision: torch.dtype
) -> None:
    clip = random_clip(name)
    bpe = clip.tokenizer(CAPTIONS)
    exact, mixed = clip.encode_tokens(bpe), clip.encode_tokens(bpe, precision)
    assert mixed.dtype == torch.float32 and not torch.equal(mixed, exact)
    assert float((1 - torch.linalg.vecdot(mixed, exact)).max()) < 1e-3
    torch.testing.assert_close(mixed.norm(dim=-1), torch.ones(len(bpe)))
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(clip.encode_tokens(bpe), exact)


def test_similarity_is_the_cosine() -> None:
    image, text = torch.tensor([[3.0, 0.0], [1.0, 1.0]]), torch.tensor([[2.0, 0.0], [0.0, 5.0]])
    torch.testing.assert_close(similarity(image, text), torch.tensor([1.0, 0.5**0.5]))
    assert similarity(image.half(), text.half()).dtype == torch.float32


def test_overlong_captions_keep_their_end_token() -> None:
    clip = random_clip()
    bpe = clip.tokenizer([CAPTIONS[-1]])
    assert bpe.shape == (1, 16) and int(bpe[0, -1]) == clip.tokenizer.eot_token_id
    other = clip.encode_texts(["a lively " + "very " * 40 + "old horse"])
    assert not torch.allclose(clip.encode_texts([CAPTIONS[-1]]), other, atol=1e-3)


def test_embeddings_are_normalised_and_frozen() -> None:
    clip = random_clip()
    clip.train()
    assert not any(module.training for module in clip.modules())
    assert not any(parameter.requires_grad for parameter in clip.parameters())
    images = np.random.default_rng(0).integers(0, 256, (3, 32, 32, 3), dtype=np.uint8)
    for embeddings in (clip.encode_images(images), clip.encode_texts(CAPTIONS)):
        assert embeddings.dtype == torch.float32 and not embeddings.requires_grad
        torch.testing.assert_close(embeddings.norm(dim=-1), torch.ones(len(embeddings)))


def test_bad_input_is_named() -> None:
    clip = random_clip()
    with pytest.raises(DataError, match="no captions"):
        clip.encode_texts([])
    with pytest.raises(DataError, match="one string"):
        clip.encode_texts("a dog")
    with pytest.raises(DataError, match="no images"):
        clip.encode_images(np.zeros((0, 32, 32, 3), dtype=np.uint8))
    with pytest.raises(DataError, match="float"):
        clip.encode_images(np.zeros((1, 32, 32, 3)))


@pytest.mark.usefixtures("offline")
def test_local_weights_need_no_network(weights: Path) -> None:
    clip = load_clip("tiny-clip", weights)
    again = load_clip("tiny-clip", str(weights))
    assert clip.digest == again.digest and len(clip.digest) == 16
    assert clip.name == "tiny-clip/tiny.safetensors"
    picture = Image.new("RGB", (60, 40), "red")
    from_pil = clip.encode_images([picture])
    torch.testing.assert_close(from_pil, clip.encode_images(np.asarray(picture)[None]))
    assert random_clip().digest != clip.digest


@pytest.mark.usefixtures("offline")
def test_unusable_weights_are_refused_before_any_download(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="QuickGELU") as quick:
        load_clip("ViT-B-32", "openai")
    assert "ViT-B-32-quickgelu" in quick.value.fix
    with pytest.raises(ConfigError, match="neither a weights file nor a tag"):
        load_clip("ViT-B-32-quickgelu", "laion2b_s34b_b79k")
    with pytest.raises(ConfigError, match="unknown CLIP architecture 'ViT-B32'") as unknown:
        load_clip("ViT-B32")
    assert "ViT-B-32" in unknown.value.fix
    with pytest.raises(ConfigError, match="neither a weights file nor a tag") as tag:
        load_clip("ViT-B-32-quickgelu", tmp_path / "absent.pt")
    assert "openai" in tag.value.fix
    broken = tmp_path / "broken.safetensors"
    broken.write_bytes(b"not weights")
    with pytest.raises(DataError, match="does not hold weights"):
        load_clip("tiny-clip", broken)


def test_weights_of_another_architecture_are_refused(weights: Path) -> None:
    with pytest.raises(DataError, match="does not hold weights of RN50"):
        load_clip("RN50", weights)


class Pictures:
    """Three plain pictures with one or two captions each."""

    name, split = "plain", "val"

    def __init__(self, first: str = "a red square") -> None:
        captions = [(first, "red"), ("a green square",), ("a blue square", "blue")]
        self.records = [ImageRecord(i, texts) for i, texts in enumerate(captions)]

    def images(self, indices: Sequence[int]) -> np.ndarray:
        pictures = np.zeros((3, 32, 32, 3), dtype=np.uint8)
        for i in range(3):
            pictures[i, :, :, i] = 255
        return pictures[list(indices)]


def test_embedding_table_is_stored_and_reused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clip = random_clip()
    table = embed_dataset(clip, Pictures(), tmp_path)
    assert table.caption_image.tolist() == [0, 0, 1, 2, 2]
    torch.testing.assert_close(table.images, clip.encode_images(Pictures().images(range(3))))
    texts = ["a red square", "red", "a green square", "a blue square", "blue"]
    torch.testing.assert_close(table.captions, clip.encode_texts(texts), atol=1e-6, rtol=1e-5)

    def refuse(*_args: Any) -> None:
        raise AssertionError("embedded again")

    monkeypatch.setattr(ClipModel, "encode_images", refuse)
    again = embed_dataset(clip, Pictures(), tmp_path)
    assert torch.equal(again.images, table.images) and again.key == table.key
    assert again.key["clip_digest"] == clip.digest
    with pytest.raises(AssertionError, match="embedded again"):
        embed_dataset(clip, Pictures("a crimson square"), tmp_path)


def test_damaged_tables_are_noticed(tmp_path: Path) -> None:
    embed_dataset(random_clip(), Pictures(), tmp_path)
    (tmp_path / "captions.npy").write_bytes(b"short")
    with pytest.raises(ChecksumError, match=r"captions\.npy"):
        EmbeddingTable.open(tmp_path)


def test_a_split_without_captions_is_refused() -> None:
    empty = Pictures()
    empty.records = [ImageRecord(0, ())]
    with pytest.raises(DataError, match="no captions"):
        embed_dataset(random_clip(), empty)
