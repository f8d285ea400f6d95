"""Draw docs/examples/paint/results.webp: for each command of the folder's README what is painted,
the pictures of seeds 0 to 2, and that of seed 0 without the paint.

    python scripts/draw_paint_examples.py                     # the shipped model, at 1024 px
    python scripts/draw_paint_examples.py my-model 64 sheet.webp
"""

from __future__ import annotations

import shlex
from argparse import ArgumentParser
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F

from ediffi import Cascade
from ediffi.core.pixels import to_uint8
from ediffi.core.types import Pixels
from ediffi.paint import Painting, from_map, from_regions, read_json
from ediffi.pictogram.sheet import COLOURS, contact_sheet

FOLDER = Path(__file__).parent.parent / "docs/examples/paint"
SIDE, SEEDS = 256, 3


def main(model: str, stop_at: int, target: Path) -> None:
    cascade = Cascade.from_pretrained(model)
    shown: list[Pixels] = []
    captions: list[str] = []
    for prompt, painting in commands():
        drawn = cascade.generate(prompt, regions=painting, num_images=SEEDS, stop_at=stop_at)
        plain = cascade.generate(prompt, stop_at=stop_at)
        small = F.interpolate(torch.cat([drawn, plain]), (SIDE, SIDE), mode="area")
        shown += [painted(painting), *to_uint8(small)]
        captions += [prompt, *(f"seed {n}" for n in range(SEEDS)), "seed 0, nothing painted"]
    sheet = contact_sheet(shown, captions, columns=SEEDS + 2)
    sheet.save(target, quality=85, method=6)


def commands() -> list[tuple[str, Painting]]:
    """The prompts of the README's commands, and what they paint."""
    parser = ArgumentParser()
    parser.add_argument("prompt")
    for name in ("--map", "--palette", "--regions"):
        parser.add_argument(name, type=FOLDER.joinpath)
    found = []
    for line in (FOLDER / "README.md").read_text().splitlines():
        if line.startswith("    ediffi paint "):
            asked, _ = parser.parse_known_args(shlex.split(line)[2:])
            if asked.regions:
                painting = from_regions(read_json(asked.regions, "--regions"), folder=FOLDER)
            else:
                painting = from_map(asked.map, read_json(asked.palette, "--palette"))
            found.append((asked.prompt, painting))
    return found


def painted(painting: Painting) -> Pixels:
    """The regions in colours, in the order of the palette or list."""
    canvas = np.full((SIDE, SIDE, 3), 255, np.float32)
    for region, colour in zip(painting.regions, COLOURS, strict=False):
        mask = torch.from_numpy(np.asarray(region.mask, np.float32))[None, None]
        share = F.interpolate(mask, (SIDE, SIDE), mode="area")[0, 0, :, :, None].numpy()
        canvas += share * (np.array(colour, np.float32) - canvas)
    return canvas.round().astype(np.uint8)


if __name__ == "__main__":
    options = ArgumentParser(description=__doc__)
    options.add_argument("model", nargs="?", default="pictogram")
    options.add_argument("stop_at", nargs="?", type=int, default=1024)
    options.add_argument("target", nargs="?", type=Path, default=FOLDER / "results.webp")
    main(**vars(options.parse_args()))
