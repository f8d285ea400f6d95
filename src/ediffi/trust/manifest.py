"""C2PA manifests: what is signed about a picture, by whom, and what is found when it is read.

Specification: C2PA 2.4 (spec.c2pa.org); the library is c2pa-python.
"""

from __future__ import annotations

import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal

from ediffi.core.errors import UserError
from ediffi.trust.keys import Keys

Relation = Literal["parentOf", "inputTo"]
GENERATED = "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia"
EDITED = "http://cv.iptc.org/newscodes/digitalsourcetype/compositeWithTrainedAlgorithmicMedia"
SETTINGS_LABEL = "org.ediffi.settings"
WATERMARK_ALGORITHM = "org.ediffi.watermark.1"
SOFTWARE = {"name": "ediffi", "version": version("ediffi")}
# what is left out unless the user agrees to tell the prompt
PRIVATE = ("prompt", "regions")


@dataclass(frozen=True)
class Ingredient:
    """A file that a picture was made from. relation: "parentOf" for the picture that was enlarged,
    "inputTo" for references and maps."""

    data: bytes
    title: str
    relation: Relation = "inputTo"

    @classmethod
    def read(cls, path: Path, relation: Relation = "inputTo") -> Ingredient:
        """Raises UserError: it cannot be read."""
        try:
            return cls(path.read_bytes(), path.name, relation)
        except OSError as error:
            raise UserError(f"cannot read {path}: {error.strerror}") from error


def installed() -> bool:
    """Whether the extra `trust` is."""
    return all(find_spec(name) is not None for name in ("c2pa", "cryptography"))


def source_type(ingredients: Sequence[Ingredient]) -> str:
    """IPTC's digital source type of a picture made from these."""
    return EDITED if any(i.relation == "parentOf" for i in ingredients) else GENERATED


def sign(
    data: bytes,
    mime: str,
    keys: Keys,
    parameters: Mapping[str, Any],
    *,
    title: str = "",
    ingredients: Sequence[Ingredient] = (),
    prompts: bool = False,
    watermark: str | None = None,
) -> bytes:
    """A PNG, JPEG or WebP with its manifest, to be written as it is: any later change is seen.

    parameters: how it was made, see `save_picture`; prompts: whether the manifest tells the prompt;
    watermark: what the mark in the pixels says.

    Raises:
        UserError: it cannot be signed.
    """
    import c2pa

    claim = _claim(parameters, title, ingredients, prompts, watermark)
    out = io.BytesIO()
    try:
        with c2pa.Builder(json.dumps(claim), context=context([keys.root])) as builder:
            for ingredient in ingredients:
                _add(builder, ingredient)
            builder.sign(signer(keys), mime, io.BytesIO(data), out)
    except c2pa.C2paError as error:
        raise UserError(f"the picture cannot be signed: {error}") from error
    return out.getvalue()


def claim_of_model(facts: Mapping[str, Any], title: str) -> dict[str, Any]:
    """What is signed about weights."""
    data = "http://c2pa.org/digitalsourcetype/trainedAlgorithmicData"
    made = {"action": "c2pa.created", "digitalSourceType": data, "when": _now()}
    actions = {"actions": [made], "allActionsIncluded": True}
    return {
        "title": title,
        "claim_generator_info": [SOFTWARE],
        "assertions": [
            {"label": "c2pa.actions.v2", "data": actions},
            {"label": SETTINGS_LABEL, "data": dict(facts)},
        ],
    }


def _claim(
    parameters: Mapping[str, Any],
    title: str,
    ingredients: Sequence[Ingredient],
    prompts: bool,
    watermark: str | None,
) -> dict[str, Any]:
    told = {n: v for n, v in parameters.items() if v is not None and (prompts or n not in PRIVATE)}
    model = {"modelType": "c2pa.types.model", "modelName": str(parameters.get("model", "unknown"))}
    if "model_hash" in parameters:
        model["modelIdentifier"] = f"sha256:{parameters['model_hash']}"
    oversight = {"contentProfile": {"humanOversightLevel": "prompt_guided"}}
    assertions = [
        {"label": "c2pa.actions.v2", "data": _actions(ingredients, watermark)},
        {"label": "c2pa.ai-disclosure", "data": model | oversight},
        {"label": SETTINGS_LABEL, "data": told},
    ]
    if watermark is not None:
        block = {"scope": {}, "value": watermark}
        data = {"alg": WATERMARK_ALGORITHM, "blocks": [block]}
        assertions.append({"label": "c2pa.soft-binding", "data": data})
    return {"title": title, "claim_generator_info": [SOFTWARE], "assertions": assertions}


def _actions(ingredients: Sequence[Ingredient], watermark: str | None) -> dict[str, Any]:
    parents = [_label(i) for i in ingredients if i.relation == "parentOf"]
    actions: list[dict[str, Any]] = []
    if parents:
        actions.append({"action": "c2pa.opened", "parameters": {"ingredientIds": parents}})
    made: dict[str, Any] = {
        "action": "c2pa.edited" if parents else "c2pa.created",
        "digitalSourceType": source_type(ingredients),
    }
    others = [_label(i) for i in ingredients if i.relation != "parentOf"]
    if others:
        made["parameters"] = {"ingredientIds": others}
    actions.append(made)
    if watermark is not None:
        actions.append({"action": "c2pa.watermarked.bound"})
    return {"actions": [a | {"when": _now()} for a in actions], "allActionsIncluded": True}


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


def _label(ingredient: Ingredient) -> str:
    return f"{ingredient.relation}:{ingredient.title}"


def _add(builder: Any, ingredient: Ingredient) -> None:
    """With the manifest that the file has itself, if any."""
    about = {"title": ingredient.title, "relationship": ingredient.relation}
    kind, data = mime_of(ingredient.data), io.BytesIO(ingredient.data)
    builder.add_ingredient(about | {"label": _label(ingredient)}, kind, data)


def mime_of(data: bytes) -> str:
    """Of a file's first bytes; "application/octet-stream" if it is none of the known ones."""
    if data.startswith(b"\x89PNG\r\n\x1a\n"):
        return "image/png"
    if data.startswith(b"\xff\xd8\xff"):
        return "image/jpeg"
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "image/webp"
    if data.startswith((b"GIF87a", b"GIF89a")):
        return "image/gif"
    return "application/octet-stream"


def signer(keys: Keys) -> Any:
    """The library's, of these keys."""
    import c2pa

    # ta_url=None: no timestamp, since that would ask a server (an empty string fails)
    info = c2pa.C2paSignerInfo(
        alg=keys.algorithm.encode(),
        sign_cert=keys.chain.encode(),
        private_key=keys.key.encode(),
        ta_url=None,
    )
    return c2pa.Signer.from_info(info)


def context(anchors: Sequence[str]) -> Any:
    """anchors: PEM of the roots that are trusted. Nothing is ever fetched; no thumbnails, which
    would add a quarter of a megabyte."""
    import c2pa

    settings: dict[str, Any] = {
        "verify": {
            "verify_trust": True,
            "verify_after_sign": False,
            "remote_manifest_fetch": False,
            "ocsp_fetch": False,
        },
        "builder": {"thumbnail": {"enabled": False}},
    }
    if anchors:
        settings["trust"] = {"user_anchors": "\n".join(anchors)}
    return c2pa.Context.from_dict(settings)
