"""`ediffi evaluate bias`: whom a model draws where a prompt leaves it open."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from ediffi.cli.display import report_bars
from ediffi.core.errors import UserError


def bias(
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder for the results.")],
    model: Annotated[
        str, typer.Argument(help="Shipped model, its folder, or a hub name.")
    ] = "pictogram",
    prompt: Annotated[
        list[str] | None,
        typer.Option(help="Repeat for several. Default: a doctor, a farmer, a person cooking."),
    ] = None,
    num_images: Annotated[
        int, typer.Option("--num-images", "-n", min=8, help="Of each prompt.")
    ] = 64,
    policy: Annotated[
        Path | None,
        typer.Option(help="TOML file whose [people] part has the aims. Default: equal."),
    ] = None,
    baseline: Annotated[
        bool,
        typer.Option(
            "--baseline", help="Say what prompts leave open, as `generate --people` does."
        ),
    ] = False,
    stage: Annotated[
        int | None, typer.Option(help="Size of pictures. Default: the base's.")
    ] = None,
    extractor: Annotated[
        str, typer.Option(help="efficientnet-lite0, or the folder of a CLIP.")
    ] = "efficientnet-lite0",
    processes: Annotated[int, typer.Option(min=1, help="That draw at the same time.")] = 1,
    cache: Annotated[Path | None, typer.Option(help="Where the grid was built.")] = None,
) -> None:
    """Count whom pictures of a prompt show, with intervals, and how far that is from the aims.

    The judge is fitted on the grid's variants of people (`ediffi data build pictogram --variants`)
    and sees presentation and skin tone. Examples:

    ediffi evaluate bias my-model -o bias

    ediffi evaluate bias my-model --prompt "a nurse" --policy policy.toml --baseline -o bias-said
    """
    from ediffi.core.files import make_folder, write_atomically
    from ediffi.evaluate import bias as measured
    from ediffi.evaluate.features import open_extractor
    from ediffi.evaluate.gallery import Subject
    from ediffi.language.people import aims_of
    from ediffi.pictogram.entries import portraits
    from ediffi.pictogram.grid import Grid
    from ediffi.pictogram.sources import cache_root, variants_dir

    aims = aims_of({"presentation": "equal", "skin": "equal"})
    if policy is not None:
        from ediffi.data.policy import Policy

        aims = Policy.read(policy).people.aims
        if not aims:
            raise UserError(f"the policy {policy} has no [people] part: see docs/audit.md")
    entries = portraits([Grid.load(cache), Grid.load(variants_dir(cache))])
    with report_bars() as report:
        subject = Subject.open(model, output, processes=processes, report=report)
        judge = measured.Judge.fit(
            entries,
            open_extractor(extractor),
            stage or subject.base_side,
            cache_root() / "evaluate",
            report,
        )
        prompts = tuple(prompt or measured.PROMPTS)
        record = measured.measure(subject, judge, prompts, num_images, aims=aims, baseline=baseline)
    make_folder(output)
    write_atomically(output / "bias.json", (json.dumps(record, indent=1) + "\n").encode())
    typer.echo(measured.summary(record))
