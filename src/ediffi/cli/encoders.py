"""The encoders of a training run, and how often each is dropped."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ediffi.core.errors import UserError

if TYPE_CHECKING:
    from ediffi.encoders import EncoderSpec

    Chosen = tuple[dict[str, Any], dict[str, EncoderSpec], Path | None]


def training_encoders(
    embeddings: Path | None, clip: Path | None, start: str | None, model: Path | None
) -> Chosen:
    """Encoders by role, their specs, and the CLIP that is to come with the model, if any.

    That is the default text encoder, with `clip` or the CLIP of one of the models beside it; or
    what is stored in `embeddings`. start, model: what the run starts from and adds to; the stages
    of `model` must have been trained with the same encoders, and `start` too, unless `clip` names
    another: a run can learn to hear a new CLIP.
    """
    from ediffi.encoders import DEFAULT_TEXT, CachedText, TextEncoder
    from ediffi.encoders.stored import stored_roles

    opened = _opened([m for m in (start, model) if m])
    if embeddings is not None:
        if clip is not None:
            raise UserError("--clip and --embeddings: encode with that CLIP, or leave one out")
        stored = stored_roles(embeddings)
        specs = {role: tokens.spec for role, tokens in stored.items()}
        _check_same(specs, opened, f"{embeddings} was encoded by")
        return dict(stored), specs, None
    encoders: dict[str, Any] = {"t5": CachedText(TextEncoder.load(DEFAULT_TEXT))}
    specs = {"t5": DEFAULT_TEXT}
    folder = clip or _their_clip(opened)
    if folder is not None:
        more, more_specs = _read_clip(folder)
        encoders, specs = encoders | more, specs | more_specs
        kept = {name: m for name, m in opened.items() if clip is None or name == str(model)}
        _check_same(specs, kept, f"--clip {folder} is")
    return encoders, specs, folder


def dropout_of(roles: Collection[str], asked: str | None) -> dict[str, float]:
    """How often each role is dropped: t5 alone as in the presets, several as in the paper."""
    from ediffi.train.config import PAPER_DROPOUT, DataConfig

    alone: dict[str, float] = DataConfig.model_fields["dropout"].default
    rates = (
        {r: PAPER_DROPOUT[r] for r in roles} if len(roles) > 1 else {r: alone["t5"] for r in roles}
    )
    for part in asked.split(",") if asked else []:
        role, _, share = part.strip().partition("=")
        if role not in rates:
            raise UserError(f"--dropout {part}: this run has {', '.join(rates)}")
        try:
            rates[role] = float(share)
        except ValueError as error:
            raise UserError(f"--dropout {part}: write it as {role}=0.25") from error
        if not 0 <= rates[role] <= 1:
            raise UserError(f"--dropout {part}: a share is between 0 and 1")
    return rates


def _opened(models: Sequence[str | Path]) -> dict[str, Any]:
    from ediffi.model import ModelFolder, locate

    return {
        str(model): ModelFolder(locate(model))
        for model in models
        if not isinstance(model, Path) or (model / "manifest.json").is_file()  # else a new one
    }


def _check_same(specs: dict[str, EncoderSpec], models: dict[str, Any], ours: str) -> None:
    for name, folder in models.items():
        theirs = folder.config.encoders
        for role in specs.keys() & theirs.keys():
            if specs[role].sha256 != theirs[role].sha256:
                raise UserError(
                    f"{ours} {specs[role].source} ({specs[role].sha256}), but the {role} role of "
                    f"{name} is {theirs[role].source} ({theirs[role].sha256}): encode with that one"
                )


def _their_clip(models: dict[str, Any]) -> Path | None:
    from ediffi.encoders.spec import resolve

    for folder in models.values():
        for role in ("clip_text", "clip_image"):
            if role in folder.config.encoders:
                return resolve(folder.config.encoders[role], root=folder.path)
    return None


def _read_clip(folder: Path) -> tuple[dict[str, Any], dict[str, EncoderSpec]]:
    from ediffi.encoders import CachedText, EncoderSpec, load_encoder
    from ediffi.encoders.spec import weights_hash

    if not (folder / "config.json").is_file():
        raise UserError(f"{folder} is no CLIP folder: train one with `ediffi train clip`")
    found = {"source": str(folder), "sha256": weights_hash(folder)}
    specs = {
        "clip_text": EncoderSpec(kind="clip_text", **found),
        "clip_image": EncoderSpec(kind="clip_image", **found),
    }
    text: Any = load_encoder(specs["clip_text"])
    picture = load_encoder(specs["clip_image"])
    if text.width != picture.width:
        raise UserError(
            f"{folder}: text states are {text.width} wide and the joint space {picture.width}; "
            "networks read both through one projection, so they must agree"
        )
    return {"clip_text": CachedText(text), "clip_image": picture}, specs
