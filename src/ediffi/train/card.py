"""A model card: what a model folder says of itself, as a README that hubs and people read."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from ediffi.core.files import write_atomically
from ediffi.model import ModelFolder, StageConfig

OURS = "<!-- written by `ediffi train`, each time anew; to keep your words, delete this line -->"
SOURCES = ("source", "licence", "attribution", "pictures", "share")
STAGES = ("stage", "pixels", "images seen", "p(sigma): mean, std of log", "experts", "parameters")


def write_card(folder: Path) -> None:
    """Write the README.md of a model folder, unless somebody has written another there.

    Raises:
        UserError: the folder is damaged or cannot be written.
    """
    path = folder / "README.md"
    if not path.is_file() or OURS in path.read_text("utf-8"):
        write_atomically(path, card(ModelFolder(folder)).encode())


def card(model: ModelFolder) -> str:
    """The card's text, in markdown with the hub's header."""
    config = model.config
    stages = [[*_facts(stage), f"{model.num_parameters(stage.name):,}"] for stage in config.stages]
    encoders = [[r, s.kind, s.source, f"`{s.sha256}`"] for r, s in config.encoders.items()]
    total = sum(source.pictures for source in config.data)
    data = [
        [s.source, s.licence, s.attribution or "-", f"{s.pictures:,}", f"{s.pictures / total:.1%}"]
        for s in config.data
    ]
    return f"""---
library_name: ediffi
pipeline_tag: text-to-image
tags: [ediff-i, cascade, pixel-diffusion]
---
{OURS}

# {config.name}

A cascade of diffusion models on pixels, conditioned on text, as in eDiff-I (arXiv 2211.01324).
sha256 of the whole: `{model.hash}`.

    ediffi generate "{_prompt(model)}" --model {config.name}

## Stages

{_table(STAGES, stages)}
Stages are sampled as `config.json` in their folders says, unless asked otherwise.

## What fills the roles

{_table(("role", "kind", "source", "sha256 of the weights"), encoders)}
## What it was taught

{_taught(model)}

{_table(SOURCES, data)}
Each figure is the largest number of pictures of that source that a stage may have used, and its
share of all these.

## Limits

Nothing has been measured of these weights yet: `ediffi evaluate run --model {config.name}` does,
and says by which protocol. Pictures can be wrong, and show most what the training pictures show
most.
"""


def _facts(stage: StageConfig) -> list[str]:
    noise = f"{stage.noise.mean:g}, {stage.noise.std:g}"
    experts = str(len(stage.experts) or "none")
    return [stage.name, str(stage.resolution), f"{stage.images_seen:,}", noise, experts]


def _taught(model: ModelFolder) -> str:
    config = model.config
    if not config.vocabulary:
        return "Captions of its owner's pictures; no vocabulary is claimed."
    return (
        f"{len(config.vocabulary)} things (`ediffi info --vocabulary`), in these styles: "
        f"{', '.join(config.styles)}."
    )


def _prompt(model: ModelFolder) -> str:
    known = list(model.config.vocabulary)
    return f"a {known[0]}" if known else "a red fox"


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)
