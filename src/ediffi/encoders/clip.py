"""CLIP's two towers as encoders, for the `clip_text` and `clip_image` roles.

Both read a `CLIPModel` folder saved by `transformers`, or a folder with that tower alone.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from tokenizers import Tokenizer
from torch import Tensor

from ediffi.core.types import Tokens
from ediffi.encoders.spec import EncoderSpec, resolve
from ediffi.encoders.text import TextEncoder, quiet_loading


class ClipTextEncoder(TextEncoder):
    """States: the last hidden layer; pooled: the text embedding of CLIP's joint space.

    A bare `CLIPTextModel` has no joint space; its pooled vector is the end token's state.
    """

    def __init__(self, model: Any, tokenizer: Tokenizer, *, max_tokens: int, name: str) -> None:
        positions = model.config.max_position_embeddings
        super().__init__(model, tokenizer, max_tokens=min(max_tokens, positions), name=name)

    @staticmethod
    def _read(folder: Path, dtype: torch.dtype) -> Any:
        from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection

        saved = json.loads((folder / "config.json").read_text())
        alone = "CLIPTextModel" in (saved.get("architectures") or [])
        kind = CLIPTextModel if alone else CLIPTextModelWithProjection
        with quiet_loading(folder):
            return kind.from_pretrained(
                folder,
                config=_tower_config(CLIPTextConfig, folder, saved),
                dtype=dtype,
                local_files_only=True,
                use_safetensors=True,
            )

    def _outputs(self, ids: Tensor, mask: Tensor) -> tuple[Tensor, Tensor | None]:
        out = self.model(input_ids=ids, attention_mask=mask.long())
        pooled = out.text_embeds if hasattr(out, "text_embeds") else out.pooler_output
        return out.last_hidden_state, pooled


class ClipImageEncoder:
    """A picture as one token: its embedding in CLIP's joint space, pooled the same."""

    def __init__(self, model: Any, processor: Any, *, name: str) -> None:
        self.model = model.eval().requires_grad_(False)
        self.processor = processor
        self.name = name

    @classmethod
    def load(
        cls,
        spec: EncoderSpec,
        *,
        root: Path | None = None,
        device: str = "cpu",
        dtype: torch.dtype = torch.float32,
    ) -> ClipImageEncoder:
        """Read the encoder that `spec` names; pictures are prepared as its folder says, or to
        its own input size where the folder does not say."""
        from transformers import CLIPVisionConfig, CLIPVisionModelWithProjection
        from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil

        folder = resolve(spec, root=root)
        with quiet_loading(folder):
            saved = json.loads((folder / "config.json").read_text())
            model = CLIPVisionModelWithProjection.from_pretrained(
                folder,
                config=_tower_config(CLIPVisionConfig, folder, saved),
                dtype=dtype,
                local_files_only=True,
                use_safetensors=True,
            ).to(device)
            if (folder / "preprocessor_config.json").is_file():
                processor = CLIPImageProcessorPil.from_pretrained(folder, local_files_only=True)
            else:
                side = model.config.image_size
                processor = CLIPImageProcessorPil(
                    size={"shortest_edge": side}, crop_size={"height": side, "width": side}
                )
        return cls(model, processor, name=spec.source)

    @property
    def width(self) -> int:
        """D, the width of the embedding."""
        return int(self.model.config.projection_dim)

    @property
    def side(self) -> int:
        """Side of the pictures its model sees, pixels."""
        return int(self.model.config.image_size)

    @torch.no_grad()
    def encode(self, images: Sequence[Image.Image]) -> Tokens:
        """states (B, 1, D), mask (B, 1), pooled (B, D), float32 on the CPU."""
        pictures = [image.convert("RGB") for image in images]
        pixels = self.processor(pictures, return_tensors="pt")["pixel_values"]
        pixels = pixels.to(self.model.device, self.model.dtype)
        embeds = self.model(pixel_values=pixels).image_embeds.float().cpu()
        return Tokens(embeds[:, None], torch.ones(len(embeds), 1, dtype=torch.bool), embeds)


def _tower_config(kind: Any, folder: Path, saved: dict[str, Any]) -> Any:
    """A tower's configuration. The width of the joint space is the whole CLIP's, where there is
    one: the tower's own entry is ignored by CLIPModel and may be a stale default."""
    config = kind.from_pretrained(folder, local_files_only=True)
    if saved.get("model_type") == "clip":
        config.projection_dim = saved["projection_dim"]
    return config
