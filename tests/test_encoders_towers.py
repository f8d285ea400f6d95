"""Our forward passes of BERT and CLIP's text tower against those of `transformers`."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from tokenizers import Tokenizer
from torch import Tensor

from ediffi.encoders import DEFAULT_TEXT, load_encoder
from ediffi.encoders.spec import resolve
from ediffi.encoders.tokens import cut, read_tokenizer
from ediffi.encoders.towers import Bert, ClipText, read_tower
from ediffi.model import locate

TOWER = {
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "vocab_size": 20,
    "max_position_embeddings": 16,
}
END = 5
ODD = [
    "a fox",
    "A  naïve CAFÉ, x² and ½ \N{ZERO WIDTH SPACE}!",
    "[MASK] [CLS] <|endoftext|> it's a dog's",
    "红色背景上的一只狐狸 🦊\N{ZERO WIDTH JOINER}",
    "fox " * 200,
]


def bert(folder: Path) -> Any:
    from transformers import BertConfig, BertModel

    BertModel(BertConfig(**TOWER)).save_pretrained(folder)
    return BertModel.from_pretrained(folder, add_pooling_layer=False)


def whole_clip(folder: Path) -> Any:
    from transformers import CLIPConfig, CLIPModel, CLIPTextModelWithProjection

    text = TOWER | {"eos_token_id": END, "pad_token_id": 0, "hidden_act": "quick_gelu"}
    vision = {"hidden_size": 32, "intermediate_size": 48, "num_attention_heads": 2}
    vision |= {"num_hidden_layers": 1, "image_size": 28, "patch_size": 14}
    config = CLIPConfig(text_config=text, vision_config=vision, projection_dim=24)
    CLIPModel(config).save_pretrained(folder)
    config.text_config.projection_dim = 24
    return CLIPTextModelWithProjection.from_pretrained(folder, config=config.text_config)


def clip_tower(folder: Path) -> Any:
    from transformers import CLIPTextConfig, CLIPTextModel

    config = CLIPTextConfig(**TOWER, eos_token_id=END, pad_token_id=0)
    CLIPTextModel(config).save_pretrained(folder)
    return CLIPTextModel.from_pretrained(folder)


@pytest.mark.parametrize("save", [bert, whole_clip, clip_tower])
def test_the_same_numbers_as_transformers(save: Callable[[Path], Any], tmp_path: Path) -> None:
    torch.manual_seed(0)
    theirs = save(tmp_path).eval()
    ours = read_tower(tmp_path, torch.float32)
    assert isinstance(ours, Bert if save is bert else ClipText)
    ids = torch.randint(6, 20, (3, 9))
    lengths = torch.tensor([9, 4, 6])
    ids[torch.arange(3), lengths - 1] = END
    mask = torch.arange(9) < lengths[:, None]
    for some, seen in ((ids, mask), (ids[:1], mask[:1])):  # with padding and without
        out = theirs(input_ids=some, attention_mask=seen.long())
        got = ours.eval()(some, seen)
        assert got.last_hidden_state[seen].equal(out.last_hidden_state[seen])
        if save is not bert:
            pooled: Tensor = out.text_embeds if save is whole_clip else out.pooler_output
            assert got.text_embeds is not None and got.text_embeds.equal(pooled)


def test_other_forms_are_left_to_transformers(t5_folder: Path, tmp_path: Path) -> None:
    assert read_tower(t5_folder, torch.float32) is None
    bert(tmp_path)
    saved = json.loads((tmp_path / "config.json").read_text())
    for changed in ({"hidden_act": "relu"}, {"model_type": "roberta"}, {"vocab_size": None}):
        kept = {key: value for key, value in (saved | changed).items() if value is not None}
        (tmp_path / "config.json").write_text(json.dumps(kept))
        assert read_tower(tmp_path, torch.float32) is None


@pytest.mark.parametrize("folder", [resolve(DEFAULT_TEXT), locate("pictogram") / "clip"])
def test_the_same_tokens_as_transformers(folder: Path) -> None:
    from transformers import AutoTokenizer

    theirs, ours = AutoTokenizer.from_pretrained(folder), read_tokenizer(folder)
    assert isinstance(ours, Tokenizer)
    for text in ODD:
        read = theirs(text, truncation=True, max_length=96, return_offsets_mapping=True)
        got = cut(ours, text, 96)
        assert got.ids == read["input_ids"]
        assert got.offsets == [tuple(place) for place in read["offset_mapping"]]


def test_the_default_models_words_need_no_transformers() -> None:
    code = """
import sys
from ediffi.model import Cascade
cascade = Cascade.from_pretrained("pictogram")
cascade.load(stages=[], roles=["t5", "clip_text"])
cascade.encoder("t5").encode(["a fox"])
assert "transformers" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", code], check=True)


def test_weights_stay_in_their_file(tmp_path: Path) -> None:
    """In the dtype asked for, and learned by nobody."""
    torch.manual_seed(0)
    bert(tmp_path)
    half = read_tower(tmp_path, torch.bfloat16)
    assert half is not None and {p.dtype for p in half.parameters()} == {torch.bfloat16}
    encoder = load_encoder(DEFAULT_TEXT)
    assert not any(p.requires_grad for p in encoder.model.parameters())
