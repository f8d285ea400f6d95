"""Training on pictures of one's own: in shards, with no places of words, into a model."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from helpers.training import bert_text, config, equal, final, run
from PIL import Image

from ediffi.cli.main import main
from ediffi.core.errors import UserError
from ediffi.data.importing import encoded
from ediffi.data.readers import Record
from ediffi.data.shard_set import ShardSet
from ediffi.data.shards import ShardWriter
from ediffi.model import ModelFolder
from ediffi.train.examples import Examples

OWN = {"data.scenes": None, "data.num_pictures": 10, "schedule.num_images": 24}


@pytest.fixture(scope="module")
def mine(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Ten pictures as shards, the last with three captions."""
    folder = tmp_path_factory.mktemp("mine") / "shards"
    with ShardWriter(folder) as shards:
        for number in range(10):
            said = ("a red fox", "a tree", "a rocket") if number == 9 else (f"cat {number}",)
            image = Image.effect_noise((80, 80), 20 + 10 * number).convert("RGB")
            shards.add(Record(f"{number}", b"", said, "mine", "CC0"), encoded(image))
    return folder


def test_a_run_on_shards_resumes_exactly(mine: Path, bert_folder: Path, tmp_path: Path) -> None:
    def fresh() -> tuple[ShardSet, dict[str, Any]]:
        return ShardSet(mine, min_size=64), bert_text(bert_folder)

    run(config(changes=OWN), tmp_path / "whole", *fresh())
    run(config(changes=OWN), tmp_path / "resumed", *fresh(), stop=20)
    run(config(changes=OWN), tmp_path / "resumed", *fresh())
    assert equal(final(tmp_path / "whole"), final(tmp_path / "resumed"))


def test_captions_of_a_picture_take_turns(mine: Path, bert_folder: Path, tmp_path: Path) -> None:
    shards, text = ShardSet(mine), bert_text(bert_folder)
    place = next(i for i in range(10) if len(shards.captions(i)) == 3)
    settings = config(changes=OWN | {"schedule.batch_size": 10})
    examples = Examples(settings, shards, text, folder=tmp_path)
    seen = []
    for batch in (examples.batch(10 * turn) for turn in range(4)):
        row = [torch.equal(examples.kept[place].pixels / 127.5 - 1, c) for c in batch.clean]
        seen.append(batch.cond.prompt.tokens["t5"].pooled[row.index(True)])
    said = text["t5"].encode(["a red fox", "a tree", "a rocket", "a red fox"]).pooled
    assert all(bool((a == b).all()) for a, b in zip(seen, said, strict=True))


def test_nothing_held_out_is_trained_on(bert_folder: Path, tmp_path: Path) -> None:
    """Shards that somebody else made of a held-out scene."""
    record = Record("bat", b"", ("a bat",), "me", "CC0", (("1F987", "noto"),))
    with ShardWriter(tmp_path / "shards") as shards:
        shards.add(record, encoded(Image.effect_noise((64, 64), 50).convert("RGB")))
    settings = config(changes=OWN | {"data.num_pictures": 1})
    examples = Examples(
        settings, ShardSet(tmp_path / "shards"), bert_text(bert_folder), folder=tmp_path / "kept"
    )
    with pytest.raises(UserError, match=r"never trained on \(bat\)"):
        examples.batch(0)


def test_commands(
    mine: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Own pictures to a model whose record says where they came from."""
    monkeypatch.setenv("EDIFFI_CACHE", str(tmp_path))
    command = ["train", "base", "--preset", "tiny", "--num-images", "16", "--data", str(mine)]
    assert main([*command, "--model", str(tmp_path / "model"), "--run", str(tmp_path / "run")]) == 0
    model = ModelFolder(tmp_path / "model").config
    assert [s.model_dump() for s in model.data] == [
        {"source": "mine", "licence": "CC0", "pictures": 10}
    ]
    assert model.vocabulary == {} and model.stages[0].images_seen == 16
    saved = json.loads((tmp_path / "run" / "config.json").read_text())
    assert saved["data"]["num_pictures"] == 10 and saved["data"]["scenes"] is None
    assert saved["sigma_data"] == model.stages[0].sigma_data != 0.55  # as measured
    capsys.readouterr()
    assert main([*command, "--styles", "noto", "--run", str(tmp_path / "x")]) == 2
    assert "not with --data" in capsys.readouterr().err
    assert main(["train", "sr256", "--preset", "tiny", "--data", str(mine)]) == 2
    assert "no picture of at least 256" in capsys.readouterr().err
