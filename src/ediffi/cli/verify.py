"""`ediffi verify`: where picture files come from, as far as they tell."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ediffi.core.errors import UserError

if TYPE_CHECKING:
    from ediffi.trust.verify import Verified

# exit codes, the gravest first: that of several files is the gravest of theirs
CODES = {
    "altered": 1,
    "error": 2,
    "invalid": 1,
    "unknown": 5,
    "told": 4,
    "marked": 4,
    "valid": 3,
    "trusted": 0,
}


def verify(
    files: Annotated[list[Path], typer.Argument(help="Pictures: PNG, JPEG, WebP and others.")],
    as_json: Annotated[bool, typer.Option("--json", help="For programs.")] = False,
    trust: Annotated[
        list[Path] | None,
        typer.Option(help="PEM file of a root whose signatures count, beside your own."),
    ] = None,
    quick: Annotated[
        bool,
        typer.Option(
            "--quick", help="Do not search for the mark of crops of any size, no detector."
        ),
    ] = False,
) -> None:
    """Tell where pictures come from: signed manifest (C2PA), mark in the pixels, metadata.

    Exit code: 0 signed by somebody trusted and unchanged; 3 unchanged, but the signer is unknown;
    4 no signature, but a watermark or metadata; 5 nothing found, which proves nothing; 1 changed
    since it was signed; 2 no picture. Of several files: the gravest, in the order 1, 2, 5, 4, 3, 0.
    Examples:

    ediffi verify fox.png

    ediffi verify fox.png --trust friend-root.pem

    ediffi verify pictures/*.png --json
    """
    from ediffi.trust.manifest import installed
    from ediffi.trust.verify import ABSENCE, trusted_roots
    from ediffi.trust.verify import verify as look

    roots = trusted_roots(trust or ())
    results: list[dict[str, Any]] = []
    for path in files:
        try:
            found = look(path, roots, thorough=not quick)
        except UserError as error:
            results.append({"file": str(path), "verdict": "error", "error": str(error)})
        else:
            results.append(found.described())
        if not as_json:
            typer.echo(results[-1].get("error") or readable(found), err="error" in results[-1])
    if as_json:
        typer.echo(json.dumps(results, indent=2, ensure_ascii=False))
    elif any(result["verdict"] in ("unknown", "told", "marked") for result in results):
        typer.echo(ABSENCE)
    if not installed():
        typer.echo("note: signatures are not looked at: pip install 'ediffi[trust]'", err=True)
    verdicts = [result["verdict"] for result in results]
    code = CODES[min(verdicts, key=list(CODES).index)]
    if code:
        raise typer.Exit(code)


def readable(found: Verified) -> str:
    """What a person is told of one file."""
    from ediffi.trust.verify import WORDS

    lines = [f"{found.file}: {found.verdict.upper()}: {WORDS[found.verdict]}"]
    lines += [f"  manifest: {line}" for line in _manifest(found)]
    lines.append(f"  watermark: {_watermark(found)}")
    lines.append(f"  metadata: {_metadata(found)}")
    if found.looks_drawn is not None:
        lines.append(f"  detector: {_looks(found.looks_drawn)}")
    lines.append(f"  the verdict rests on the {found.rests_on}" if found.rests_on else "")
    return "\n".join(line for line in lines if line)


def _manifest(found: Verified) -> list[str]:
    manifest = found.manifest
    if manifest is None:
        return ["not looked at"]
    if manifest.status == "absent":
        return ["none"]
    lines = [f"{manifest.status}" + _listed(manifest.reasons)]
    if manifest.signer:
        issuer = f" ({manifest.issuer})" if manifest.issuer else ""
        lines.append(f"signed by {manifest.signer}{issuer}")
    by = " and ".join(part for part in (manifest.model, manifest.software) if part)
    if by or manifest.made:
        lines.append("made" + (f" by {by}" if by else "") + (f", {manifest.made}" if by else ""))
    if manifest.model_hash:
        lines.append(f"model sha256 {manifest.model_hash}")
    if manifest.source_type:
        lines.append(f"source type {manifest.source_type.rsplit('/', 1)[-1]}")
    lines += [
        f"made from {i.title!r} ({i.relation}), its own manifest: {i.status}"
        for i in manifest.ingredients
    ]
    return lines


def _watermark(found: Verified) -> str:
    mark = found.watermark
    if not found.looked:
        return "not looked for: ediffi ships no watermark"
    if mark is None:
        return "none found"
    seen = "" if mark.share == 1 else f", in a crop that shows {mark.share:.0%} of the longer side"
    mirrored = ", mirrored" if mark.mirrored else ""
    return (
        f"of the model whose sha256 begins with {mark.payload.model}, picture {mark.payload.nonce}"
        f"{seen}{mirrored}; an unmarked picture would say so by a chance of {mark.chance:.1g}"
    )


def _metadata(found: Verified) -> str:
    told = found.metadata
    parts = []
    if told.source_type:
        parts.append(f"source type {told.source_type.rsplit('/', 1)[-1]}")
    if told.parameters is not None:
        parts.append(f"settings of ediffi{_listed(sorted(told.parameters))}")
    return "; ".join(parts) or "none that tell"


def _looks(share: float) -> str:
    """What the detector says, and how far that reaches."""
    drawn = "looks" if share > 0.5 else "does not look"
    return (
        f"{drawn} like a drawing of pictogram ({share:.2f}); it knows flat drawings and this model "
        "only, so the verdict does not rest on it"
    )


def _listed(items: Any) -> str:
    return f" ({', '.join(items)})" if items else ""
