"""The manifest of a file, read and checked; nothing is ever fetched for it."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from ediffi.trust.manifest import SETTINGS_LABEL, context, mime_of

Status = Literal["trusted", "valid", "altered", "invalid", "absent"]
# failures that mean that bytes or claims are not what was signed
CHANGED = ("mismatch", "dataHash", "hashedURI", "missing", "malformed", "multiple")
UNTRUSTED = "signingCredential.untrusted"


@dataclass(frozen=True)
class IngredientFound:
    """A file that the picture was made from. status: of its own manifest, when it was used."""

    title: str
    relation: str
    status: Status


@dataclass(frozen=True)
class ManifestFound:
    """status: "trusted" and unchanged; "valid" and unchanged, but of a signer that nobody vouches
    for; "altered" since it was signed, or damaged; "invalid": signed with a certificate that does
    not count; "absent". reasons: C2PA's codes of what is wrong. All else as the manifest says it.
    """

    status: Status
    reasons: tuple[str, ...] = ()
    signer: str | None = None
    issuer: str | None = None
    made: str | None = None
    software: str | None = None
    source_type: str | None = None
    model: str | None = None
    model_hash: str | None = None
    settings: Mapping[str, Any] | None = None
    watermark: str | None = None
    ingredients: tuple[IngredientFound, ...] = ()


def read_manifest(
    data: bytes, anchors: Sequence[str] = (), *, store: bytes | None = None
) -> ManifestFound:
    """What a file's manifest says and whether it still holds.

    anchors: PEM of the roots that are trusted, beside none; store: the manifest, where it is not in
    the file.
    """
    import c2pa

    try:
        with c2pa.Reader(mime_of(data), io.BytesIO(data), store, context=context(anchors)) as found:
            return _found(json.loads(found.json()))
    except c2pa.C2paError.ManifestNotFound:
        return ManifestFound("absent")
    except (c2pa.C2paError, ValueError, KeyError, TypeError, AttributeError) as error:
        if not store and b"c2pa" not in data:
            return ManifestFound("absent")
        return ManifestFound("altered", (f"unreadable: {str(error)[:200]}",))


def _found(report: Mapping[str, Any]) -> ManifestFound:
    active = report["manifests"][report["active_manifest"]]
    results = report.get("validation_results", {}).get("activeManifest", {})
    reasons = _failures(results)
    by_label = {a["label"].split("__")[0]: a["data"] for a in active.get("assertions", ())}
    actions = by_label.get("c2pa.actions.v2", by_label.get("c2pa.actions", {})).get("actions", [])
    signature = active.get("signature_info", {})
    disclosure = by_label.get("c2pa.ai-disclosure", {})
    software = (active.get("claim_generator_info") or [{}])[0]
    blocks = by_label.get("c2pa.soft-binding", {}).get("blocks", [])
    return ManifestFound(
        status=_status(report["validation_state"], reasons),
        reasons=reasons,
        signer=signature.get("common_name"),
        issuer=signature.get("issuer"),
        made=_first(actions, "when"),
        software=" ".join(str(software[n]) for n in ("name", "version") if n in software) or None,
        source_type=_first(actions, "digitalSourceType"),
        model=disclosure.get("modelName"),
        model_hash=disclosure.get("modelIdentifier", "").removeprefix("sha256:") or None,
        settings=by_label.get(SETTINGS_LABEL),
        watermark=blocks[0].get("value") if blocks else None,
        ingredients=tuple(_ingredient(i) for i in active.get("ingredients", ())),
    )


def _ingredient(found: Mapping[str, Any]) -> IngredientFound:
    status: Status = "absent"
    if "active_manifest" in found:
        results = found.get("validation_results", {}).get("activeManifest", {})
        reasons = _failures(results)
        state = "Invalid" if set(reasons) - {UNTRUSTED} else "Valid" if reasons else "Trusted"
        status = _status(state, reasons)
    return IngredientFound(str(found.get("title", "")), str(found.get("relationship", "")), status)


def _failures(results: Mapping[str, Any]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(failure["code"] for failure in results.get("failure", ())))


def _status(state: str, reasons: Sequence[str]) -> Status:
    if state == "Trusted":
        return "trusted"
    if state == "Valid":
        return "valid"
    changed = any(part in reason for reason in reasons for part in CHANGED)
    return "altered" if changed or not reasons else "invalid"


def _first(actions: Sequence[Mapping[str, Any]], name: str) -> Any:
    return next((action[name] for action in actions if name in action), None)
