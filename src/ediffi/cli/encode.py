"""`ediffi encode`: keep what encoders say about captions and pictures, for training."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from ediffi.cli.display import work_bars
from ediffi.core.errors import UserError


class Role(StrEnum):
    t5 = "t5"
    clip_text = "clip_text"
    clip_image = "clip_image"


def encode(
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder of the embeddings.")],
    role: Annotated[Role, typer.Option(help="What the encoder is to the networks.")] = Role.t5,
    encoder: Annotated[
        str | None,
        typer.Option(help="Its folder or hub name. Default, for t5: the default model's."),
    ] = None,
    max_tokens: Annotated[
        int, typer.Option(min=1, help="Of a caption; the rest is not read.")
    ] = 128,
    data: Annotated[
        Path | None, typer.Option(help="Folder of shards. Default: scenes, as training draws them.")
    ] = None,
    stage: Annotated[str, typer.Option(help="Whose data: base, sr256 or sr1024.")] = "base",
    preset: Annotated[str, typer.Option(help="Whose scenes: pictogram or tiny.")] = "pictogram",
    vocabulary: Annotated[str | None, typer.Option(help="As for ediffi train.")] = None,
    styles: Annotated[str | None, typer.Option(help="As for ediffi train.")] = None,
    seed: Annotated[int, typer.Option(min=0, help="As for ediffi train.")] = 0,
    rank: Annotated[int, typer.Option(min=0, help="Which of several processes this is.")] = 0,
    world_size: Annotated[int, typer.Option(min=1, help="How many processes share the work.")] = 1,
    device: Annotated[str, typer.Option(help="Where the encoder runs, e.g. cuda:0.")] = "cpu",
) -> None:
    """Encode the captions (for clip_image, the pictures) that a stage is trained on, once.

    Run it again after an interruption: finished blocks are kept. Examples:

    ediffi encode --data my-shards -o embeddings

    ediffi encode --data my-shards -o embeddings --role clip_image --encoder models/clip

    ediffi encode --data my-shards -o xxl --encoder google/t5-v1_1-xxl --rank 1 --world-size 4

    ediffi train base --data my-shards --embeddings embeddings
    """
    if rank >= world_size:
        raise UserError(f"--rank counts from 0: {rank} is too much for {world_size} processes")
    if encoder is None and role is not Role.t5:
        raise UserError(f"--encoder is needed: nothing fills {role} by default")
    from ediffi.cli.training import asked_recipe, collection_of
    from ediffi.data.encoding import encode_collection
    from ediffi.encoders import DEFAULT_TEXT, EncoderSpec
    from ediffi.train.samples import NUM_SAMPLES

    spec = DEFAULT_TEXT.model_copy(update={"max_tokens": max_tokens})
    if encoder is not None:
        kind = "text" if role is Role.t5 else role.value
        spec = EncoderSpec(kind=kind, source=encoder, max_tokens=max_tokens)
    recipe = asked_recipe(preset, stage, seed, data, vocabulary, styles)
    config, collection = collection_of(recipe, data)
    num_pictures = config.data.num_pictures + (NUM_SAMPLES if data is None else 0)
    with work_bars() as progress:
        task = progress.add_task("blocks", total=None)
        for done, total in encode_collection(
            collection, num_pictures, output, role, spec,
            rank=rank, world_size=world_size, device=device,
        ):  # fmt: skip
            progress.update(task, completed=done, total=total)
    size = sum(file.stat().st_size for file in output.glob(f"{role}-*.safetensors"))
    typer.echo(f"{output}: {role} of {num_pictures:,} pictures, {size / 1e6:.1f} MB so far")
