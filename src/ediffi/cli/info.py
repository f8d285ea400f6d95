"""`ediffi info`: what a model is made of and what it was trained on."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from ediffi.model import ModelFolder
    from ediffi.model.config import Expert


def info(
    model: Annotated[
        str, typer.Argument(help="A shipped model, a folder, or a hub name.")
    ] = "pictogram",
    as_json: Annotated[bool, typer.Option("--json", help="For programs.")] = False,
    vocabulary: Annotated[
        bool, typer.Option("--vocabulary", help="List the things it was trained to draw.")
    ] = False,
) -> None:
    """Show a model's stages, encoders, training data and defaults.

    Examples:

    ediffi info

    ediffi info --vocabulary

    ediffi info runs/my-model --json
    """
    from ediffi.language import grouped
    from ediffi.model import ModelFolder, locate

    folder = ModelFolder(locate(model))
    if vocabulary:
        for group, things in grouped(folder.config.claims).items():
            typer.echo(f"{group}: {', '.join(things)}")
        return
    facts = describe(folder)
    if as_json:
        typer.echo(json.dumps(facts, indent=2, ensure_ascii=False))
    else:
        typer.echo(_readable(facts))


def describe(folder: ModelFolder) -> dict[str, Any]:
    """The facts of a model; sigma_max None means no upper end."""
    from ediffi.core.types import ROLES

    config = folder.config
    stages = []
    for stage in config.stages:
        whole = {
            "file": stage.files[0],
            "sigma_min": 0.0,
            "sigma_max": None,
            "images_seen": stage.images_seen,
        }
        stages.append(
            {
                "name": stage.name,
                "resolution": stage.resolution,
                "parameters": folder.num_parameters(stage.name),
                "experts": [_expert(expert) for expert in stage.experts] or [whole],
            }
        )
    encoders = {role: config.encoders.get(role) for role in ROLES}
    return {
        "model": config.name,
        "hash": folder.hash,
        "stages": stages,
        "encoders": {r: spec and spec.model_dump(mode="json") for r, spec in encoders.items()},
        "data": [source.model_dump() for source in config.data],
        "defaults": {s.name: s.sampling.model_dump(mode="json") for s in config.stages},
        "styles": list(config.styles),
        "vocabulary": list(config.vocabulary),
        "signatures": _signatures(folder),
    }


def _expert(expert: Expert) -> dict[str, Any]:
    facts = expert.model_dump()
    return facts | {"sigma_max": None if math.isinf(expert.sigma_max) else expert.sigma_max}


def _signatures(folder: ModelFolder) -> dict[str, dict[str, Any]] | None:
    """What the manifests of the weights say, by file; None without the extra `trust`."""
    from ediffi.trust.manifest import installed
    from ediffi.trust.verify import trusted_roots
    from ediffi.trust.weights import model_manifests

    if not installed():
        return None
    found = model_manifests(folder, trusted_roots())
    return {name: {"status": m.status, "signer": m.signer} for name, m in found.items()}


def _signed(signatures: dict[str, dict[str, Any]]) -> list[str]:
    """A line for each file; none where nothing is signed."""
    means = {
        "trusted": "by somebody you trust, and unchanged",
        "valid": "unchanged, by somebody nobody here vouches for",
        "altered": "and CHANGED since",
        "invalid": "with a certificate that does not count",
        "absent": "not at all",
    }
    if all(s["status"] == "absent" for s in signatures.values()):
        return []
    return ["", "weights are signed"] + [
        f"  {name}: {means[s['status']]}" + (f" ({s['signer']})" if s["signer"] else "")
        for name, s in signatures.items()
    ]


def _readable(facts: dict[str, Any]) -> str:
    lines = [f"model {facts['model']}", f"sha256 {facts['hash']}", "", "stages"]
    for stage in facts["stages"]:
        how = facts["defaults"][stage["name"]]
        lines.append(
            f"  {stage['name']}: {stage['resolution']} px, {stage['parameters'] / 1e6:.1f} M "
            f"parameters, {max(e['images_seen'] for e in stage['experts']):,} images seen; "
            f"by default {how['sampler']}, {how['num_steps']} steps, "
            f"guidance {how['guidance_scale']:g}"
        )
        if len(stage["experts"]) > 1:
            lines += [
                f"    expert {e['node']}: sigma {e['sigma_min']:.4g} to "
                f"{'infinity' if e['sigma_max'] is None else format(e['sigma_max'], '.4g')}, "
                f"{e['images_seen']:,} images seen"
                for e in stage["experts"]
            ]
    lines += ["", "encoders"]
    for role, spec in facts["encoders"].items():
        lines.append(f"  {role}: {spec['source'] if spec else 'none'}")
    lines += ["", "training data"]
    for source in facts["data"]:
        lines.append(f"  {source['source']}: {source['pictures']:,} pictures, {source['licence']}")
    lines += _signed(facts["signatures"] or {})
    if facts["styles"]:
        lines += ["", f"styles: {', '.join(facts['styles'])}"]
    if facts["vocabulary"]:
        lines += ["", f"draws {len(facts['vocabulary'])} things: ediffi info --vocabulary"]
    return "\n".join(lines)
