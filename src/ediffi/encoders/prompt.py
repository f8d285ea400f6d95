"""From words (and, where the model reads them, pictures) to a `Prompt`."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Protocol

import torch

from ediffi.core.errors import UserError
from ediffi.core.types import ROLES, Prompt, Tokens
from ediffi.encoders.clip import ClipImageEncoder, ClipTextEncoder
from ediffi.encoders.spec import EncoderSpec
from ediffi.encoders.style import Style, encode_styles
from ediffi.encoders.text import TextEncoder, check_prompt


class EncodesText(Protocol):
    """`TextEncoder`, `CachedText`, or anything that turns texts into tokens."""

    def encode(self, texts: Sequence[str]) -> Tokens: ...

    def offsets(self, text: str) -> list[tuple[int, int]]: ...


Encoder = EncodesText | ClipImageEncoder


def load_encoder(
    spec: EncoderSpec,
    *,
    root: Path | None = None,
    device: str = "cpu",
    dtype: torch.dtype = torch.float32,
) -> TextEncoder | ClipImageEncoder:
    """The encoder that `spec` describes. `root`: the model folder, for relative sources."""
    kinds: dict[str, type[TextEncoder] | type[ClipImageEncoder]] = {
        "text": TextEncoder,
        "clip_text": ClipTextEncoder,
        "clip_image": ClipImageEncoder,
    }
    return kinds[spec.kind].load(spec, root=root, device=device, dtype=dtype)


def make_prompt(
    encoders: Mapping[str, Encoder],
    texts: Sequence[str] | None,
    *,
    styles: Sequence[Style | None] | None = None,
    use: Collection[str] | None = None,
) -> Prompt:
    """Encode B texts, and B references where given, into what the networks read.

    encoders: by role. A role without an encoder, the text roles without texts (None),
    `clip_image` without a reference, and roles not in `use` (None: all) have `keep` False: the
    networks then read their null token.

    Raises:
        UserError: a bad text, an unknown role in `use`, or one this model does not have.
    """
    check_use(use, encoders)
    if texts is not None:
        texts = [check_prompt(text) for text in texts]
    referred = torch.tensor([style is not None for style in styles or ()], dtype=torch.bool)
    tokens: dict[str, Tokens] = {}
    for role, encoder in encoders.items():
        if use is not None and role not in use:
            continue
        if isinstance(encoder, ClipImageEncoder):
            if styles is not None and referred.any():
                tokens[role] = encode_styles(encoder, styles)
        elif texts is not None:
            tokens[role] = encoder.encode(texts)
    size = len(referred if texts is None else texts)
    keep = {role: torch.full((size,), role in tokens) for role in ROLES}
    if "clip_image" in tokens:
        keep["clip_image"] = referred
    return Prompt(tokens, keep)


def check_use(use: Collection[str] | None, available: Collection[str]) -> None:
    """Refuse roles that do not exist (`UserError`), or that the model has no encoder for."""
    for role in use or ():
        if role not in ROLES:
            raise UserError(f"unknown role {role!r} to use: choose from {', '.join(ROLES)}")
        if role not in available:
            raise UserError(f"this model has no {role} encoder, only {', '.join(available)}")
