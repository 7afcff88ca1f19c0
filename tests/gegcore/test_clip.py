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
from gegcore.errors import ChecksumError, ConfigError, DataError, MissingDependencyError

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
    "tiny-clip-quickgelu": {**CONFIG, "quick_gelu": True},
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
    assert clip.any_size  # its transform resizes and crops as it was trained
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


def openai_archive(folder: Path, name: str = "tiny-clip-quickgelu") -> tuple[Path, Any]:
    """As OpenAI publishes its weights: TorchScript, half precision, three numbers beside them."""
    torch.manual_seed(0)
    model = open_clip.create_model(name).eval()
    numbers = {"input_resolution": 32, "context_length": 16, "vocab_size": 49408}
    for key, value in numbers.items():
        if hasattr(model, key):
            delattr(model, key)
        model.register_buffer(key, torch.tensor(value))
    inputs = torch.rand(1, 3, 32, 32), torch.ones(1, 16, dtype=torch.long)
    traced = torch.jit.trace(model, inputs, strict=False, check_trace=False).half()
    path = folder / "ViT-B-32.pt"
    traced.save(str(path))
    return path, {k: t.half() for k, t in model.state_dict().items() if k not in numbers}


@pytest.mark.usefixtures("offline")
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("architecture", ["tiny-clip-quickgelu", "tiny-custom"])
def test_openais_own_archive_loads(tmp_path: Path, architecture: str) -> None:
    path, state = openai_archive(tmp_path, "tiny-clip-quickgelu")
    torch.save(state, tmp_path / "plain.pt")
    clip = load_clip(architecture, path)
    plain = load_clip(architecture, tmp_path / "plain.pt")
    assert clip.digest == plain.digest and clip.name == f"{architecture}/ViT-B-32.pt"
    weight = clip.model.state_dict()["visual.proj"]
    assert weight.dtype == torch.float32 and torch.equal(weight, state["visual.proj"].float())


@pytest.mark.filterwarnings("ignore")
def test_openais_archive_needs_openais_activation(tmp_path: Path) -> None:
    path, state = openai_archive(tmp_path)
    torch.save(state | {"input_resolution": torch.tensor(224)}, tmp_path / "state.pt")
    for file in (path, tmp_path / "state.pt"):
        with pytest.raises(ConfigError, match="differ in QuickGELU") as raised:
            load_clip("tiny-clip", file)
        assert "tiny-clip-quickgelu" in raised.value.fix


WRAPPERS: dict[str, Any] = {
    "bare": lambda state: state,
    "state_dict": lambda state: {"epoch": 3, "state_dict": state, "optimizer": {"state": {}}},
    "distributed": lambda state: {"state_dict": {f"module.{k}": t for k, t in state.items()}},
    "model": lambda state: {"model": state, "score": np.float64(1.13)},
    "compiled": lambda state: {f"_orig_mod.{k}": t for k, t in state.items()},
    "lightning": lambda state: {"state_dict": {f"net.clip.{k}": t for k, t in state.items()}},
    "half": lambda state: {k: t.half() for k, t in state.items()},
    "1-d scale": lambda state: state | {"logit_scale": state["logit_scale"][None]},
}


@pytest.mark.usefixtures("offline")
@pytest.mark.parametrize("kind", WRAPPERS)
@pytest.mark.parametrize("architecture", ["tiny-clip", "tiny-custom"])
def test_wrapped_weights_load(kind: str, architecture: str, tmp_path: Path) -> None:
    torch.manual_seed(3)
    state = open_clip.create_model(architecture).state_dict()
    if kind == "half":  # so that nothing is lost in it
        state = {k: t.half().float() for k, t in state.items()}
    torch.save(state, tmp_path / "plain.pt")
    torch.save(WRAPPERS[kind](state), tmp_path / "wrapped.pt")
    found = load_clip(architecture, tmp_path / "wrapped.pt").model.state_dict()
    assert all(torch.equal(found[key], tensor) for key, tensor in state.items())
    assert found.keys() == state.keys()
    assert load_clip(architecture, tmp_path / "plain.pt").digest


@pytest.mark.usefixtures("offline")
def test_weights_are_found_in_folders_of_the_hub_cache(weights: Path, tmp_path: Path) -> None:
    snapshot = tmp_path / "models--laion--tiny" / "snapshots" / "0a1b"
    blobs = tmp_path / "models--laion--tiny" / "blobs"
    for folder in (snapshot, blobs):
        folder.mkdir(parents=True)
    (blobs / "00ff").write_bytes(weights.read_bytes())
    (snapshot / "open_clip_model.safetensors").symlink_to(blobs / "00ff")
    (snapshot / "model.safetensors").write_bytes(b"of transformers")
    expected = load_clip("tiny-clip", weights).digest
    for place in (snapshot, snapshot.parents[1], blobs / "00ff"):
        assert load_clip("tiny-clip", place).digest == expected
    with pytest.raises(DataError, match="is a folder without open_clip_model"):
        load_clip("tiny-clip", tmp_path)
    (snapshot.parent / "2c").mkdir()
    (snapshot.parent / "2c" / "open_clip_model.safetensors").symlink_to(blobs / "00ff")
    with pytest.raises(DataError, match="several files"):
        load_clip("tiny-clip", snapshot.parents[1])


def test_a_folder_named_like_a_tag_is_no_weights(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "openai").mkdir()
    with pytest.raises(ConfigError, match="QuickGELU"):
        load_clip("ViT-B-32", "openai")


def test_a_clip_of_transformers_is_recognised(tmp_path: Path) -> None:
    names = ("logit_scale", "visual_projection.weight", "text_model.final_layer_norm.weight")
    torch.save({name: torch.ones(()) for name in names}, tmp_path / "pytorch_model.bin")
    with pytest.raises(DataError, match="CLIP of Hugging Face transformers") as raised:
        load_clip("tiny-clip", tmp_path / "pytorch_model.bin")
    assert "open_clip_model.safetensors" in raised.value.fix


def test_weights_that_do_not_fit_are_told_by_name(weights: Path, tmp_path: Path) -> None:
    state = open_clip.create_model("tiny-clip").state_dict()
    del state["ln_final.bias"]
    state |= {"extra": torch.ones(1), "visual.proj": torch.ones(2, 2)}
    torch.save(state, tmp_path / "other.pt")
    with pytest.raises(DataError, match="does not hold weights of tiny-clip") as raised:
        load_clip("tiny-clip", tmp_path / "other.pt")
    for said in ("missing: ln_final.bias", "unknown: extra", "visual.proj is 2 x 2, not 16 x 8"):
        assert said in raised.value.what


def test_clip_weights_that_are_not_finite_are_named(tmp_path: Path) -> None:
    state = open_clip.create_model("tiny-clip").state_dict()
    state["visual.proj"][0, 0] = float("nan")
    torch.save({"state_dict": state, "note": np.float32(1)}, tmp_path / "a.pt")
    with pytest.raises(DataError, match=r"NaN or infinite values in visual\.proj"):
        load_clip("tiny-clip", tmp_path / "a.pt")


@pytest.mark.usefixtures("offline")
@pytest.mark.parametrize(
    ("architecture", "repository"),
    [
        ("ViT-B-16-SigLIP", "timm/ViT-B-16-SigLIP"),
        ("ViT-B-16-SigLIP2-256", "timm/ViT-B-16-SigLIP2-256"),
        ("roberta-ViT-B-32", "roberta-base"),
        ("coca_roberta-ViT-B-32", "roberta-base"),
        ("ViT-H-14-CLIPA", "bert-base-uncased"),
        ("nllb-clip-base", "facebook/nllb-200-distilled-600M"),
    ],
)
def test_files_of_a_text_tower_that_are_not_here_are_named(
    architecture: str, repository: str, weights: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At once: no network is asked when the weights are a file."""
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(weights.parent / "hub"))
    with pytest.raises(MissingDependencyError, match=repository) as raised:
        load_clip(architecture, weights)
    folder = f"models--{repository.replace('/', '--')}"
    assert f"hf download {repository}" in raised.value.fix
    assert f"{folder} into {weights.parent / 'hub'}" in raised.value.fix


def test_weights_that_cannot_be_had_name_field_and_option(monkeypatch: pytest.MonkeyPatch) -> None:
    """And the reason in whole words."""
    words = " ".join(f"word{number}" for number in range(100))

    def failing(*_: Any, **__: Any) -> None:
        raise OSError(f"no network:\n{words}")

    monkeypatch.setattr(open_clip, "create_model_and_transforms", failing)
    with pytest.raises(MissingDependencyError, match="'openai' of ViT-B-32-quickgelu") as raised:
        load_clip("ViT-B-32-quickgelu")
    reason, end = raised.value.what.partition("no network: ")[2].rsplit(" ", 1)
    assert end == "..." and words.startswith(f"{reason} ")
    assert "`clip_pretrained`" in raised.value.fix and "`--pretrained`" in raised.value.fix


def text_files(folder: Path) -> None:
    """A BERT of Hugging Face with two tiny layers, without weights, and its tokenizer."""
    transformers = pytest.importorskip("transformers", reason="the text tower is transformers'")
    sizes = {"hidden_size": 8, "num_hidden_layers": 2, "num_attention_heads": 2}
    config = transformers.BertConfig(vocab_size=9, intermediate_size=8, **sizes)
    config.save_pretrained(folder)
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a", "dog", "red", "car"]
    (folder / "vocab.txt").write_text("\n".join(words))
    (folder / "tokenizer_config.json").write_text('{"tokenizer_class": "BertTokenizer"}')


@pytest.mark.usefixtures("offline")
def test_a_text_tower_of_hugging_face_loads_from_files(tmp_path: Path) -> None:
    text_files(tmp_path)
    text = {key: str(tmp_path) for key in ("hf_model_name", "hf_tokenizer_name")}
    text |= {"hf_proj_type": "mlp", "hf_pooler_type": "mean_pooler"}
    config = CONFIG | {"text_cfg": {**text, "context_length": 8}}
    (tmp_path / "tiny-hf.json").write_text(json.dumps(config))
    open_clip.add_model_config(tmp_path / "tiny-hf.json")
    made = open_clip.create_model("tiny-hf", pretrained_text=False)
    torch.save({"state_dict": made.state_dict()}, tmp_path / "weights.pt")
    clip = load_clip("tiny-hf", tmp_path / "weights.pt")
    assert clip.encode_texts(["a dog", "red car"]).shape == (2, 8)


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
