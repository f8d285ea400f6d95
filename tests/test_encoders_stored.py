"""Stored embeddings: what they hold, what they refuse, and that training reads the same numbers."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from helpers.collections import good
from helpers.training import config
from safetensors import safe_open
from tiny_grid import STYLES, tiny_grid

from ediffi.cli.main import main
from ediffi.core.errors import UserError
from ediffi.core.types import Tokens
from ediffi.data import encoding
from ediffi.data.collection import Collection
from ediffi.data.encoding import encode_collection
from ediffi.data.heldout import is_held_out
from ediffi.data.importing import import_collection
from ediffi.data.readers import read
from ediffi.data.shard_set import ShardSet
from ediffi.encoders import CachedText, EncoderSpec, TextEncoder
from ediffi.encoders.spec import weights_hash
from ediffi.encoders.stored import StoredTokens, hashed, stored_roles
from ediffi.model import ModelFolder
from ediffi.pictogram.composer import Composer, SceneConfig
from ediffi.pictogram.scenes import Scenes
from ediffi.train.examples import Examples

COUNT = 10
OWN = {"data.scenes": None, "data.num_pictures": COUNT}


@pytest.fixture(scope="module")
def shards(tmp_path_factory: pytest.TempPathFactory) -> ShardSet:
    folder = tmp_path_factory.mktemp("mine")
    texts = ["a red fox", "a cat next to the blue rocket", "a tree in the light\na green tree"]
    for number in range(COUNT):
        good(folder / "in", number, texts[number % 3])
    import_collection(read(folder / "in"), folder / "out", source="mine", licence="CC0")
    return ShardSet(folder / "out")


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(encoding, "BLOCK", 4)
    yield


@pytest.fixture(scope="module")
def bert(bert_folder: Path) -> EncoderSpec:
    return EncoderSpec(kind="text", source=str(bert_folder))


@pytest.fixture(scope="module")
def clip(clip_folder: Path) -> EncoderSpec:
    return EncoderSpec(kind="clip_image", source=str(clip_folder))


def same(one: Tokens, two: Tokens) -> bool:
    pairs = [(one.states, two.states), (one.mask, two.mask), (one.pooled, two.pooled)]
    return all(torch.equal(a, b) for a, b in pairs)


def test_they_equal_what_the_encoder_gives_in_training(
    shards: ShardSet, bert: EncoderSpec, tmp_path: Path
) -> None:
    assert list(encode_collection(shards, COUNT, tmp_path, "t5", bert))[-1] == (3, 3)
    stored, live = StoredTokens(tmp_path, "t5"), CachedText(TextEncoder.load(bert))
    assert stored.width == live.width == 32
    for caption in ("a red fox next to a tree", "a fox " * 40):
        assert stored.offsets(caption) == live.offsets(caption)
    for size in (5, 20):
        settings = config(changes=OWN | {"schedule.batch_size": size})
        one, two = (
            Examples(settings, shards, {"t5": encoder}, folder=tmp_path / name)
            for name, encoder in (("stored", stored), ("live", live))
        )
        for start in (0, 5):
            a, b = one.batch(start), two.batch(start)
            assert same(a.cond.prompt.tokens["t5"], b.cond.prompt.tokens["t5"])
            assert torch.equal(a.clean, b.clean)


def test_files_hold_real_tokens_in_half_precision_and_say_by_whom(
    shards: ShardSet, bert: EncoderSpec, tmp_path: Path
) -> None:
    list(encode_collection(shards, COUNT, tmp_path, "t5", bert))
    encoder = TextEncoder.load(bert)
    with safe_open(tmp_path / "t5-000000.safetensors", "pt") as file:
        facts = json.loads(file.metadata()["embeddings"])
        tensors = {name: file.get_tensor(name) for name in file.keys()}
    captions = list(dict.fromkeys(c for n in range(4) for c in shards.captions(n)))
    real = sum(len(ids) for ids in encoder.tokenize(captions))
    assert tensors["states"].shape == (real, 32) and tensors["states"].dtype == torch.float16
    assert tensors["pooled"].shape == (len(captions), 32)
    assert tensors["keys"].tolist() == hashed(captions).tolist()
    spec = EncoderSpec.model_validate_json(facts["encoder"])
    assert spec.source == bert.source and spec.sha256 == weights_hash(Path(bert.source))
    assert facts["dtype"] == "float16" and facts["role"] == "t5"
    assert (facts["block"], facts["num_blocks"]) == ("0", "3")


def test_several_processes_and_an_interruption_give_the_same_files(
    shards: ShardSet, bert: EncoderSpec, tmp_path: Path
) -> None:
    list(encode_collection(shards, COUNT, tmp_path / "one", "t5", bert))
    two = tmp_path / "two"
    assert list(encode_collection(shards, COUNT, two, "t5", bert, rank=1, world_size=2))[-1][1] == 1
    with pytest.raises(UserError, match="not finished: 2 of 3 blocks of t5"):
        StoredTokens(two, "t5")
    for done, _ in encode_collection(shards, COUNT, two, "t5", bert, rank=0, world_size=2):
        if done == 1:
            break  # interrupted
    stamp = (two / "t5-000000.safetensors").stat().st_mtime_ns
    *_, last = encode_collection(shards, COUNT, two, "t5", bert)
    assert last == (3, 3) and (two / "t5-000000.safetensors").stat().st_mtime_ns == stamp
    for path in (tmp_path / "one").iterdir():
        assert path.read_bytes() == (two / path.name).read_bytes()


def test_mismatches_are_refused(
    shards: ShardSet, bert: EncoderSpec, t5_folder: Path, tmp_path: Path
) -> None:
    list(encode_collection(shards, COUNT, tmp_path, "t5", bert))
    other = EncoderSpec(kind="text", source=str(t5_folder))
    for spec in (other, bert.model_copy(update={"max_tokens": 4})):
        with pytest.raises(UserError, match=r"has other t5 embeddings already \(encoder: "):
            list(encode_collection(shards, COUNT, tmp_path, "t5", spec))
    with pytest.raises(UserError, match="has no t5 embedding of 'a dragon'"):
        StoredTokens(tmp_path, "t5").encode(["a red fox", "a dragon"])
    with pytest.raises(UserError, match="has no embeddings for clip_text"):
        StoredTokens(tmp_path, "clip_text")
    with pytest.raises(UserError, match="has no embeddings: write them"):
        stored_roles(tmp_path / "nowhere")
    elsewhere = tmp_path / "elsewhere"
    list(encode_collection(shards, COUNT, elsewhere, "t5", other))
    (elsewhere / "t5-000001.safetensors").rename(tmp_path / "t5-000001.safetensors")
    with pytest.raises(UserError, match=r"t5-000001.* do not belong together: encoder"):
        StoredTokens(tmp_path, "t5")
    (tmp_path / "t5-000001.safetensors").write_bytes(b"short")
    with pytest.raises(UserError, match="is damaged"):
        StoredTokens(tmp_path, "t5")


def test_pictures_of_every_collection_have_their_own_embeddings(
    shards: ShardSet, bert: EncoderSpec, clip: EncoderSpec, tmp_path: Path
) -> None:
    list(encode_collection(shards, COUNT, tmp_path, "t5", bert))
    list(encode_collection(shards, COUNT, tmp_path, "clip_image", clip))
    roles = stored_roles(tmp_path)
    assert list(roles) == ["t5", "clip_image"] and roles["clip_image"].width == 24
    settings = config(changes=OWN | {"data.dropout": {"t5": 0.0, "clip_image": 0.0}})
    reordered = ShardSet(shards.path, seed=5)
    examples = Examples(settings, reordered, roles, folder=tmp_path / "kept")
    tokens = examples.batch(0).cond.prompt.tokens["clip_image"]
    assert tokens.states.shape == (4, 1, 24) and tokens.mask.all()
    names = {shards.name(n): n for n in range(COUNT)}
    in_first_order = roles["clip_image"].encode([shards.name(n) for n in range(COUNT)])
    wanted = [names[reordered.name(n)] for n in range(4)]
    assert torch.equal(tokens.pooled, in_first_order.pooled[wanted])


def test_embeddings_of_scenes_are_of_nothing_held_out(bert: EncoderSpec, tmp_path: Path) -> None:
    scenes = Scenes(Composer(tiny_grid(tmp_path / "grid"), SceneConfig(styles=STYLES)))
    seen: list[int] = []

    class Watched(Scenes):
        def captions(self, index: int) -> tuple[str, ...]:
            seen.append(index)
            return tuple(super().captions(index))

    watched: Collection = Watched(scenes.composer)
    list(encode_collection(watched, 100, tmp_path / "out", "t5", bert))
    assert sorted(seen) == list(range(100))
    shown = {(i.hexcode, i.style) for n in seen for i in scenes.composer.scene(n).items}
    assert shown and not any(is_held_out(*cell) for cell in shown)
    # bat and leopard are in the grid, and no training caption names them
    stored = StoredTokens(tmp_path / "out", "t5")
    held_out = Composer(scenes.composer.grid, SceneConfig(styles=STYLES, split="held-out"))
    captions = [held_out.scene(n).captions[0].text for n in range(20)]
    bats = [caption for caption in captions if "bat" in caption]
    assert bats
    for caption in bats:
        with pytest.raises(UserError, match="has no t5 embedding"):
            stored.encode([caption])


def test_commands(
    shards: ShardSet, bert_folder: Path, clip_folder: Path, tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    """Encoded with two encoders, trained on without either, and not mixed up with a third."""
    data, out = ["--data", str(shards.path)], tmp_path / "out"
    command = ["encode", *data, "-o", str(out)]
    assert main([*command, "--encoder", str(bert_folder)]) == 0
    assert main([*command, "--encoder", str(clip_folder), "--role", "clip_image"]) == 0
    assert main([*command, "--role", "clip_text"]) == 2
    assert main([*command, "--rank", "2", "--world-size", "2"]) == 2
    capsys.readouterr()
    model = tmp_path / "model"
    train = ["train", "base", "--preset", "tiny", *data, "--num-images", "8", "--model", str(model)]
    assert main([*train, "--embeddings", str(out), "--run", str(tmp_path / "run")]) == 0
    saved = ModelFolder(model).config
    assert saved.encoders["t5"].source == str(bert_folder)
    assert saved.encoders["clip_image"].sha256 == weights_hash(clip_folder)
    assert saved.stages[0].network.roles["clip_image"] == 24
    # the same model with MiniLM's embeddings
    other = tmp_path / "other"
    assert main(["encode", *data, "-o", str(other)]) == 0
    capsys.readouterr()
    assert main([*train, "--embeddings", str(other), "--run", str(tmp_path / "run2")]) == 2
    assert "encode with that one" in capsys.readouterr().err
