"""A CLIP's folder as `transformers` writes and reads it: tokenizer, weights, how pictures enter."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ediffi.core.errors import UserError
from ediffi.core.files import make_folder
from ediffi.encoders.spec import weights_hash
from ediffi.encoders.text import quiet_loading
from ediffi.train.clip_config import ClipConfig, Tower

START, END = "<|startoftext|>", "<|endoftext|>"
SUFFIX = "</w>"  # marks the last piece of a word in CLIP's format
ACTIVATION = "gelu"
TEXT = ("text_model.", "text_projection.")
PICTURES = ("vision_model.", "visual_projection.")
LOCAL = {"local_files_only": True}
PATCHES = "vision_model.embeddings.patch_embedding.weight"


def learn_tokenizer(texts: Iterable[str], config: ClipConfig) -> Any:
    """A `CLIPTokenizer` with byte pairs learned from texts: bytes, bytes that end a word, merged
    pieces, the two marks; so no text is unknown to it."""
    from tokenizers import pre_tokenizers, trainers
    from transformers import CLIPTokenizer

    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    ends = [letter + SUFFIX for letter in alphabet]
    empty = CLIPTokenizer(vocab={START: 0, END: 1}, merges=[])
    learner = empty.backend_tokenizer
    learner.train_from_iterator(
        texts,
        trainers.BpeTrainer(
            vocab_size=config.vocabulary - 2,
            # Numbered before any word is read, whose order is random: ties go by these numbers.
            special_tokens=ends,
            initial_alphabet=alphabet,
            end_of_word_suffix=SUFFIX,
            show_progress=False,
        ),
    )
    merges = _merges(learner)
    pieces = [*alphabet, *ends, *(first + second for first, second in merges)]
    names = [*dict.fromkeys(pieces), START, END]
    return CLIPTokenizer(
        vocab={name: number for number, name in enumerate(names)},
        merges=merges,
        model_max_length=config.positions,
    )


def _merges(learner: Any) -> list[tuple[str, str]]:
    return [tuple(pair) for pair in json.loads(learner.to_str())["model"]["merges"]]


def build_clip(config: ClipConfig, tokenizer: Any) -> Any:
    """A fresh `transformers.CLIPModel`; its weights come from torch's global generator."""
    from transformers import CLIPConfig, CLIPModel

    clip = CLIPModel(
        CLIPConfig(
            text_config={
                **_shape(config.text, config),
                "vocab_size": len(tokenizer),
                "max_position_embeddings": config.positions,
                "pad_token_id": tokenizer.pad_token_id,
                "bos_token_id": tokenizer.bos_token_id,
                "eos_token_id": tokenizer.eos_token_id,
            },
            vision_config={
                **_shape(config.image, config),
                "image_size": config.side,
                "patch_size": config.patch,
            },
            projection_dim=config.projection,
        )
    )
    clip.set_attn_implementation("eager")  # of few tokens twice as fast as the fused one on a CPU
    return clip


def _shape(tower: Tower, config: ClipConfig) -> dict[str, Any]:
    return {
        "hidden_size": tower.width,
        "intermediate_size": 4 * tower.width,
        "num_hidden_layers": tower.layers,
        "num_attention_heads": tower.heads,
        "projection_dim": config.projection,
        "hidden_act": ACTIVATION,
    }


@dataclass(frozen=True)
class GivenClip:
    """A CLIP that is there, of which another takes a tower. grid: patches on a picture's side;
    patch: their size in pixels; sha256: of its weights."""

    tokenizer: Any
    weights: dict[str, Tensor]
    text: Tower
    image: Tower
    projection: int
    positions: int
    patch: int
    grid: int
    sha256: str

    @classmethod
    def read(cls, folder: Path) -> GivenClip:
        """Raises UserError: `folder` holds no CLIP, it cannot be read, or its towers are none that
        `build_clip` builds."""
        from transformers import CLIPModel, CLIPTokenizer

        sha256 = weights_hash(folder)
        with quiet_loading(folder):
            clip: Any = CLIPModel.from_pretrained(
                folder, dtype=torch.float32, local_files_only=True
            )
            tokenizer = CLIPTokenizer.from_pretrained(folder, local_files_only=True)
        text, image = clip.config.text_config, clip.config.vision_config
        return cls(
            tokenizer,
            clip.state_dict(),
            _tower(text, folder),
            _tower(image, folder),
            clip.config.projection_dim,
            text.max_position_embeddings,
            image.patch_size,
            image.image_size // image.patch_size,
            sha256,
        )

    def keep_text(self, config: ClipConfig) -> ClipConfig:
        """The run's config with this text tower, which `lock` puts in."""
        fields = {"text": self.text, "projection": self.projection, "positions": self.positions}
        return config.model_copy(update=fields | {"kept_text": self.sha256})

    def lock(self, clip: Any) -> None:
        """Put the text tower into another CLIP, where it no longer learns."""
        clip.load_state_dict(self._part(TEXT), strict=False)
        for name, parameter in clip.named_parameters():
            if name.startswith(TEXT):
                parameter.requires_grad_(False)

    def give_pictures(self, config: ClipConfig) -> ClipConfig:
        """The run's config with this picture tower, which `start` puts in.

        Raises:
            UserError: it has another number of patches, or patches that are not whole parts of the
                run's, or another joint space.
        """
        grid = config.side // config.patch
        if grid != self.grid or config.patch % self.patch or config.projection != self.projection:
            raise UserError(
                f"--from has {self.grid} x {self.grid} patches of {self.patch} px and a joint "
                f"space of {self.projection}; this run has {grid} x {grid} of {config.patch} px "
                f"and {config.projection}"
            )
        return config.model_copy(update={"image": self.image, "given_pictures": self.sha256})

    def start(self, clip: Any) -> None:
        """Put the picture tower into another CLIP.

        Larger patches see at first the means of k x k pixels, so that the tower says of a picture
        what it said of that picture at 1 / k of the size.
        """
        weights = self._part(PICTURES)
        times = clip.config.vision_config.patch_size // self.patch
        spread = weights[PATCHES].repeat_interleave(times, 2).repeat_interleave(times, 3)
        clip.load_state_dict(weights | {PATCHES: spread / times**2}, strict=False)

    def _part(self, names: tuple[str, ...]) -> dict[str, Tensor]:
        return {n: t for n, t in self.weights.items() if n.startswith(names)}


def _tower(shape: Any, folder: Path) -> Tower:
    """What a tower's config of transformers says, if it is one that `build_clip` can build."""
    tower = Tower(width=shape.hidden_size, layers=shape.num_hidden_layers)
    ours = (tower.heads, 4 * tower.width, ACTIVATION)
    if (shape.num_attention_heads, shape.intermediate_size, shape.hidden_act) != ours:
        raise UserError(
            f"{folder} holds a CLIP of other towers than `ediffi train clip` builds: it has "
            f"{shape.num_attention_heads} heads, MLPs {shape.intermediate_size} wide and "
            f"{shape.hidden_act}, where {ours[0]}, {ours[1]} and {ours[2]} are known"
        )
    return tower


def save_clip(folder: Path, model: Any, tokenizer: Any) -> None:
    """Write the folder in bf16: whole, or not at all.

    Raises:
        UserError: something else is there, or it cannot be written.
    """
    from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil
    from transformers.utils import logging

    check_output(folder)
    side = model.config.vision_config.image_size
    processor = CLIPImageProcessorPil(
        size={"shortest_edge": side},
        crop_size={"height": side, "width": side},
        image_mean=[0.5] * 3,  # pixels in [-1, 1], as everywhere in this package
        image_std=[0.5] * 3,
    )
    part = folder.with_name(f".{folder.name}.{os.getpid()}.part")
    make_folder(part)
    before, bars = next(model.parameters()).dtype, logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    try:
        model.to(torch.bfloat16).save_pretrained(part)
        # safetensors lets only its owner read what it writes
        (part / "model.safetensors").chmod((part / "config.json").stat().st_mode)
        tokenizer.save_pretrained(part)
        processor.save_pretrained(part)
        # vocab.json and merges.txt beside tokenizer.json, for readers of CLIP's first format
        tokenizer.backend_tokenizer.model.save(str(part))
        if folder.exists():
            shutil.rmtree(folder)
        part.replace(folder)
    except OSError as error:
        raise UserError(f"cannot write {folder}: {error.strerror}") from error
    finally:
        model.to(before)
        if bars:
            logging.enable_progress_bar()
        shutil.rmtree(part, ignore_errors=True)


def check_output(folder: Path) -> None:
    """Raises UserError: the folder is there and is no CLIP's, so it is not ours to replace."""
    if folder.exists() and not (folder / "preprocessor_config.json").is_file():
        if not folder.is_dir() or any(folder.iterdir()):
            raise UserError(f"{folder} is there and holds no CLIP: choose another --output")
