"""The forward passes of BERT and of CLIP's text tower, without `transformers`, whose import takes
longer than a picture. They stand in for its models: same calls, same numbers.

Shape legend: B texts, L tokens, D token width, H heads.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import MISSING, dataclass, fields, replace
from pathlib import Path
from typing import Any, NamedTuple, Self

import safetensors
import torch
import torch.nn.functional as F
from torch import Tensor, nn

WEIGHTS = "model.safetensors"
OLD_END = 2  # the end token in configurations of CLIP that mean another; `transformers` knows


def quick_gelu(x: Tensor) -> Tensor:
    """The activation of OpenAI's CLIP."""
    return x * torch.sigmoid(1.702 * x)


ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {"gelu": F.gelu, "quick_gelu": quick_gelu}

# Parts of names in the files -> of names here.
BERT_NAMES = {
    "bert.": "",
    "embeddings.word_embeddings": "words",
    "embeddings.position_embeddings": "positions",
    "embeddings.token_type_embeddings": "types",
    "embeddings.LayerNorm": "norm",
    "encoder.layer.": "layers.",
    "attention.self.": "",
    "attention.output.dense": "out",
    "attention.output.LayerNorm": "norm1",
    "intermediate.dense": "up",
    "output.dense": "down",
    "output.LayerNorm": "norm2",
}
CLIP_NAMES = {
    "text_model.": "",
    "embeddings.token_embedding": "words",
    "embeddings.position_embedding": "positions",
    "final_layer_norm": "norm",
    "text_projection": "projection",
    "encoder.": "",
    "self_attn.q_proj": "query",
    "self_attn.k_proj": "key",
    "self_attn.v_proj": "value",
    "self_attn.out_proj": "out",
    "layer_norm": "norm",
    "mlp.fc1": "up",
    "mlp.fc2": "down",
}


@dataclass(frozen=True)
class TowerConfig:
    """What of a configuration of `transformers` a tower is built from, in its names.

    eos_token_id: CLIP's, whose state is the pooled one; projection_dim: of its joint space, 0 for
    none; type_vocab_size: of BERT's two kinds of sentence.
    """

    hidden_size: int
    intermediate_size: int
    num_hidden_layers: int
    num_attention_heads: int
    max_position_embeddings: int
    vocab_size: int
    layer_norm_eps: float
    hidden_act: str
    pad_token_id: int
    eos_token_id: int = 0
    projection_dim: int = 0
    type_vocab_size: int = 0

    @classmethod
    def of(cls, saved: Mapping[str, Any]) -> Self | None:
        """None where something is left to the defaults of `transformers`, or is not built here."""
        needed = {field.name for field in fields(cls) if field.default is MISSING}
        if not needed <= saved.keys() or saved["hidden_act"] not in ACTIVATIONS:
            return None
        return cls(
            **{field.name: saved[field.name] for field in fields(cls) if field.name in saved}
        )


class Linear(nn.Linear):
    """Its weights are read, never drawn: that would take longer than reading."""

    def reset_parameters(self) -> None:
        pass


class Embedding(nn.Embedding):
    """Likewise."""

    def reset_parameters(self) -> None:
        pass


class Layer(nn.Module):
    """Attention and a two-layer perceptron; normalised before each (CLIP) or behind (BERT)."""

    def __init__(self, config: TowerConfig, *, norm_first: bool) -> None:
        super().__init__()
        width, hidden = config.hidden_size, config.intermediate_size
        self.heads, self.norm_first = config.num_attention_heads, norm_first
        self.activation = ACTIVATIONS[config.hidden_act]
        self.query, self.key = Linear(width, width), Linear(width, width)
        self.value, self.out = Linear(width, width), Linear(width, width)
        self.up, self.down = Linear(width, hidden), Linear(hidden, width)
        self.norm1 = nn.LayerNorm(width, config.layer_norm_eps)
        self.norm2 = nn.LayerNorm(width, config.layer_norm_eps)

    def forward(self, x: Tensor, mask: Tensor | None, causal: bool) -> Tensor:
        if self.norm_first:
            x = x + self._attend(self.norm1(x), mask, causal)
            return x + self._think(self.norm2(x))
        x = self.norm1(self._attend(x, mask, causal) + x)
        return self.norm2(self._think(x) + x)

    def _attend(self, x: Tensor, mask: Tensor | None, causal: bool) -> Tensor:
        query, key, value = (
            linear(x).unflatten(-1, (self.heads, -1)).transpose(1, 2)  # (B, H, L, D / H)
            for linear in (self.query, self.key, self.value)
        )
        seen = F.scaled_dot_product_attention(query, key, value, attn_mask=mask, is_causal=causal)
        return self.out(seen.transpose(1, 2).flatten(2))

    def _think(self, x: Tensor) -> Tensor:
        return self.down(self.activation(self.up(x)))


class TowerOutput(NamedTuple):
    """last_hidden_state (B, L, D); text_embeds: (B, D'), None of a BERT."""

    last_hidden_state: Tensor
    text_embeds: Tensor | None


class Bert(nn.Module):
    """Devlin et al. 2018, as `transformers.BertModel` without its pooler."""

    def __init__(self, config: TowerConfig) -> None:
        super().__init__()
        self.config = config
        self.words = Embedding(config.vocab_size, config.hidden_size)
        self.positions = Embedding(config.max_position_embeddings, config.hidden_size)
        self.types = Embedding(config.type_vocab_size, config.hidden_size)
        self.norm = nn.LayerNorm(config.hidden_size, config.layer_norm_eps)
        num = config.num_hidden_layers
        self.layers = nn.ModuleList(Layer(config, norm_first=False) for _ in range(num))

    @property
    def device(self) -> torch.device:
        return self.words.weight.device

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> TowerOutput:
        """input_ids, attention_mask: (B, L)."""
        places = torch.arange(input_ids.shape[1], device=input_ids.device)
        x = self.words(input_ids) + self.types.weight[0] + self.positions(places)
        x = self.norm(x)
        seen = attention_mask.bool()
        mask = None if seen.all() else seen[:, None, None]
        for layer in self.layers:
            x = layer(x, mask, False)
        return TowerOutput(x, None)


class ClipText(nn.Module):
    """The text tower of Radford et al. 2021, as `transformers.CLIPTextModelWithProjection`; without
    a projection as `CLIPTextModel`."""

    def __init__(self, config: TowerConfig) -> None:
        super().__init__()
        self.config = config
        self.words = Embedding(config.vocab_size, config.hidden_size)
        self.positions = Embedding(config.max_position_embeddings, config.hidden_size)
        num = config.num_hidden_layers
        self.layers = nn.ModuleList(Layer(config, norm_first=True) for _ in range(num))
        self.norm = nn.LayerNorm(config.hidden_size, config.layer_norm_eps)
        joint = config.projection_dim
        self.projection = Linear(config.hidden_size, joint, bias=False) if joint else None

    @property
    def device(self) -> torch.device:
        return self.words.weight.device

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> TowerOutput:
        """input_ids, attention_mask: (B, L)."""
        places = torch.arange(input_ids.shape[1], device=input_ids.device)
        x = self.words(input_ids) + self.positions(places)
        seen = attention_mask.bool()
        before = torch.ones(len(places), len(places), dtype=torch.bool, device=x.device).tril()
        mask = None if seen.all() else before & seen[:, None, None]
        for layer in self.layers:
            x = layer(x, mask, mask is None)
        x = self.norm(x)
        end = (input_ids == self.config.eos_token_id).int().argmax(1)
        pooled = x[torch.arange(len(x), device=x.device), end]
        return TowerOutput(x, pooled if self.projection is None else self.projection(pooled))


def read_tower(folder: Path, dtype: torch.dtype) -> Bert | ClipText | None:
    """The text model in a folder of `transformers`; None where it is of another form than is built
    here. Weights of that dtype are mapped from their file, not copied."""
    saved = json.loads((folder / "config.json").read_text())
    config = TowerConfig.of(saved | saved.get("text_config", {}))
    kind = saved.get("model_type")
    if config is None or "text_config_dict" in saved or not (folder / WEIGHTS).is_file():
        return None
    tower: Bert | ClipText
    if kind == "bert" and saved.get("position_embedding_type", "absolute") == "absolute":
        tower, names = Bert(config), BERT_NAMES
    elif kind in ("clip", "clip_text_model") and config.eos_token_id != OLD_END:
        # The joint space is the whole CLIP's: the tower's own entry may be a stale default.
        alone = "CLIPTextModel" in (saved.get("architectures") or ())
        joint = 0 if alone else saved["projection_dim"]
        tower, names = ClipText(replace(config, projection_dim=joint)), CLIP_NAMES
    else:
        return None
    weights = {}
    with safetensors.safe_open(folder / WEIGHTS, "pt") as file:
        for name in file.keys():
            ours = name
            for theirs, part in names.items():
                ours = ours.replace(theirs, part)
            weights[ours] = file.get_tensor(name).to(dtype)
    tower.load_state_dict({name: weights[name] for name in tower.state_dict()}, assign=True)
    return tower
