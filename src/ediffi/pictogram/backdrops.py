"""What scenes stand on: every kind's regions, colours and wordings.

A backdrop is data (a kind, its regions with a colour word each, a seed for details); the painters
in `scenery` and `patterns` draw it at any size and crop, with an exact mask for every region.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from random import Random

import numpy as np
from numpy.typing import NDArray

from ediffi.pictogram import patterns, scenery
from ediffi.pictogram.canvas import Canvas
from ediffi.pictogram.palette import BACKGROUNDS, similar
from ediffi.pictogram.scene import Background, Crop

ANY = tuple(BACKGROUNDS)
BRIGHT = ("light blue", "light blue", "blue", "teal", "pink", "yellow")
DARK = ("navy", "black", "purple")
# Regions so small or so broken up that a picture may share their colour and still be seen.
SMALL = frozenset("clouds sun moon stars flowers snowflakes windows lines trees".split())


@dataclass(frozen=True)
class Kind:
    """colours: the words that each region may have, in the order of painting; optional: regions
    that are there half the time; either: two regions of which one is there.

    wordings: {region:text} names a region, # is its colour word. stands: prepositions before it.
    """

    paint: Callable[[Canvas, scenery.Shades, Random], None]
    colours: Mapping[str, tuple[str, ...]]
    wordings: tuple[str, ...]
    stands: tuple[str, ...] = ("in front of ", "against ")
    optional: tuple[str, ...] = ()
    either: tuple[str, str] | tuple[()] = ()


ON = ("on ", "on ", "against ", "in front of ", "over ")
HEAVENS = {"sun": ("yellow", "orange"), "clouds": ("white",)}

SCENERY: dict[str, Kind] = {
    "sky": Kind(
        scenery.sky,
        {"sky": ("light blue", "blue"), **HEAVENS},
        (
            "a {sky:# sky} with {clouds:# clouds}",
            "a {sky:sky} with {clouds:clouds}",
            "{clouds:# clouds} in a {sky:# sky}",
            "a {sky:# sky} with {clouds:clouds} and a {sun:# sun}",
            "a sunny {sky:# sky} with {clouds:# clouds} and the {sun:sun}",
        ),
        optional=("sun",),
    ),
    "sunset": Kind(
        scenery.sunset,
        {
            "sky": ("orange", "pink", "purple", "red"),
            "sun": ("yellow",),
            "clouds": ("white", "pink", "yellow"),
            "sea": ("navy", "purple"),
            "hills": ("navy", "purple", "black", "brown"),
        },
        (
            "a sunset with a {sky:# sky}",
            "a {sun:# sun} setting in a {sky:# sky}",
            "a {sky:# sunset sky} with a low {sun:# sun}",
            "a {sky:# sunset} over {hills:# hills}",
            "a sunset over the {hills:hills} and a {sky:# sky}",
            "a {sky:# sunset} over the {sea:# sea}",
            "the {sun:sun} setting behind the {sea:sea} under a {sky:# sky}",
        ),
        optional=("clouds",),
        either=("sea", "hills"),
    ),
    "sea": Kind(
        scenery.sea,
        {
            "sky": ("light blue", "pink", "yellow"),
            **HEAVENS,
            "sea": ("blue", "teal", "navy"),
            "sand": ("yellow", "orange"),
        },
        (
            "the {sea:# sea}",
            "a {sea:# sea} under a {sky:# sky}",
            "a {sky:# sky} over the {sea:# sea}",
            "the {sea:sea} under a {sky:sky} with {clouds:# clouds}",
            "a beach of {sand:# sand} and a {sea:# sea}",
            "a {sea:# sea}, a {sky:# sky} and {sand:# sand}",
            "the {sea:sea} under a {sky:sky} with a {sun:# sun}",
        ),
        stands=("in front of ", "by ", "before "),
        optional=("sun", "clouds", "sand"),
    ),
    "hills": Kind(
        scenery.hills,
        {
            "sky": ("light blue", "blue", "pink", "yellow"),
            **HEAVENS,
            "hills": ("green", "light green", "teal", "brown"),
            "trees": ("green",),
        },
        (
            "{hills:# hills}",
            "{hills:# hills} under a {sky:# sky}",
            "rolling {hills:# hills} and a {sky:sky} with {clouds:# clouds}",
            "a landscape of {hills:# hills} and {sky:# sky}",
            "{hills:hills} with {trees:# trees} under a {sky:# sky}",
            "{hills:# hills} under a {sky:sky} with a {sun:# sun}",
        ),
        stands=("in front of ", "against ", "among "),
        optional=("sun", "clouds", "trees"),
    ),
    "meadow": Kind(
        scenery.meadow,
        {
            "sky": ("light blue", "blue", "pink"),
            **HEAVENS,
            "grass": ("green", "light green"),
            "flowers": ("red", "yellow", "white", "purple", "pink", "orange"),
        },
        (
            "a {grass:# meadow}",
            "a {grass:meadow} with {flowers:# flowers}",
            "a {grass:# meadow} with {flowers:# flowers} under a {sky:# sky}",
            "a {grass:# meadow} under a {sky:# sky}",
            "a field of {grass:# grass} and a {sky:sky} with {clouds:# clouds}",
            "a {grass:# meadow} under a {sky:sky} with a {sun:# sun}",
        ),
        stands=("in front of ", "in ", "in "),
        optional=("sun", "clouds", "flowers"),
    ),
    "snow": Kind(
        scenery.snow,
        {
            "sky": ("light blue", "gray", "navy", "teal"),
            "snow": ("white",),
            "trees": ("green", "teal"),
            "snowflakes": ("white",),
        },
        (
            "{snow:# snow}",
            "{snow:# snow} under a {sky:# sky}",
            "a snowy field, {snow:# snow} below a {sky:sky}",
            "a winter landscape with {snow:snow} and {snowflakes:falling snowflakes}",
            "{snow:snow} with {trees:# trees} and a {sky:# sky}",
            "{snowflakes:# snowflakes} falling from a {sky:# sky} on {snow:snow}",
        ),
        stands=("in front of ", "in ", "in "),
        optional=("trees", "snowflakes"),
    ),
    "night": Kind(
        scenery.night,
        {
            "sky": DARK,
            "stars": ("white", "yellow"),
            "moon": ("white", "yellow"),
            "hills": ("teal", "gray", "blue"),
        },
        (
            "a {sky:# night sky} with {stars:stars}",
            "a {sky:night sky} full of {stars:# stars}",
            "a starry {sky:# sky}",
            "a {sky:# sky} with {stars:# stars} and a {moon:# moon}",
            "a {sky:night sky} with {stars:stars} and the {moon:moon}",
            "{hills:# hills} at night, {stars:stars} in the {sky:# sky}",
        ),
        optional=("moon", "hills"),
    ),
    "mountains": Kind(
        scenery.mountains,
        {
            "sky": ("light blue", "pink", "yellow", "orange"),
            **HEAVENS,
            "mountains": ("gray", "purple", "navy", "brown"),
            "snow": ("white",),
        },
        (
            "{mountains:# mountains}",
            "{mountains:# mountains} under a {sky:# sky}",
            "{mountains:mountains} with {snow:# snow} on their tops",
            "a {sky:# sky} with {clouds:# clouds} over {mountains:# mountains}",
            "{mountains:# mountains} under a {sky:sky} with a {sun:# sun}",
        ),
        optional=("sun", "clouds", "snow"),
    ),
    "desert": Kind(
        scenery.desert,
        {
            "sky": ("light blue", "blue", "pink", "teal"),
            "sun": ("yellow", "white"),
            "sand": ("orange", "yellow", "brown"),
        },
        (
            "a desert of {sand:# sand}",
            "a {sand:desert} under a {sky:# sky}",
            "dunes of {sand:# sand} below a {sky:# sky}",
            "{sand:# dunes} under a {sky:sky} with a {sun:# sun}",
        ),
        stands=("in front of ", "in "),
        optional=("sun",),
    ),
    "city": Kind(
        scenery.city,
        {
            "sky": ("light blue", "orange", "pink", "purple", "navy", "yellow"),
            "moon": ("white", "yellow"),
            "buildings": ("navy", "gray", "purple", "black", "brown", "teal"),
            "windows": ("yellow", "white"),
        },
        (
            "a city of {buildings:# buildings}",
            "a {buildings:# city skyline} under a {sky:# sky}",
            "a city skyline, {buildings:# buildings} against a {sky:# sky}",
            "{buildings:# buildings} with {windows:# windows}",
            "a city with {windows:lit windows} under a {sky:# sky} and a {moon:# moon}",
        ),
        optional=("moon", "windows"),
    ),
}


def _two(paint: Callable[[Canvas, scenery.Shades, Random], None], name: str, plural: str) -> Kind:
    """A pattern of one colour on another. name: what comes before the plural."""
    words = f"{name} {plural}".strip()
    return Kind(
        paint,
        {"ground": ANY, plural: ANY},
        (
            f"a {{ground:# background}} with {{{plural}:# {words}}}",
            f"a pattern of {{{plural}:# {words}}} on {{ground:#}}",
            f"{{{plural}:# {words}}} on a {{ground:# background}}",
            f"a {{ground:# background}} covered with {{{plural}:# {words}}}",
        ),
        ON,
    )


def _fade(
    paint: Callable[[Canvas, scenery.Shades, Random], None], names: str, wordings: tuple[str, ...]
) -> Kind:
    first, second = names.split()
    return Kind(paint, {first: ANY, second: ANY}, wordings, ON)


PAPERS = ("white", "light gray", "yellow", "light blue", "pink", "light green", "brown")
FLAT: dict[str, Kind] = {
    "plain": Kind(
        patterns.plain,
        {"ground": ANY},
        ("a {ground:# background}", "a plain {ground:# background}"),
        ON,
    ),
    "stacked": _fade(
        patterns.stacked,
        "top bottom",
        (
            "a two-tone background, {top:#} above {bottom:#}",
            "a background, {top:#} at the top and {bottom:#} at the bottom",
        ),
    ),
    "split": _fade(
        patterns.split,
        "left right",
        (
            "a two-tone background, {left:#} on the left and {right:#} on the right",
            "a half {left:#}, half {right:#} background",
        ),
    ),
    "gradient": _fade(
        patterns.gradient,
        "top bottom",
        (
            "a background fading from {top:#} to {bottom:#}",
            "a gradient from {top:#} at the top to {bottom:#} at the bottom",
            "a {top:#} to {bottom:#} gradient",
        ),
    ),
}
PATTERNS: dict[str, Kind] = {
    "side gradient": _fade(
        patterns.side_gradient,
        "left right",
        (
            "a gradient from {left:#} on the left to {right:#} on the right",
            "a background fading from left to right, {left:#} to {right:#}",
        ),
    ),
    "glow": _fade(
        patterns.glow,
        "middle rim",
        (
            "a background fading from {middle:#} in the middle to {rim:#}",
            "a {middle:# glow} on {rim:#}",
        ),
    ),
    "horizontal stripes": _two(patterns.horizontal_stripes, "horizontal", "stripes"),
    "vertical stripes": _two(patterns.vertical_stripes, "vertical", "stripes"),
    "diagonal stripes": _two(patterns.diagonal_stripes, "diagonal", "stripes"),
    "zigzag": _two(patterns.zigzag, "zigzag", "stripes"),
    "dots": _two(patterns.dots, "", "dots"),
    "checks": _two(patterns.checks, "checkerboard", "squares"),
    "paper": Kind(
        patterns.paper,
        {"paper": PAPERS},
        ("{paper:# paper}", "a sheet of {paper:# paper}", "grainy {paper:# paper}"),
        ON,
    ),
    "lined paper": Kind(
        patterns.lined_paper,
        {"paper": PAPERS[:4], "lines": ("blue", "gray", "red")},
        ("lined {paper:# paper}", "{paper:# paper} with {lines:# lines}", "{paper:lined paper}"),
        ON,
    ),
    "graph paper": Kind(
        patterns.graph_paper,
        {"paper": PAPERS[:4], "lines": ("blue", "gray", "teal", "orange")},
        (
            "{paper:# graph paper}",
            "{paper:graph paper} with {lines:# lines}",
            "squared {paper:# paper}",
        ),
        ON,
    ),
}
BACKDROPS = {**SCENERY, **PATTERNS}
KINDS = {**FLAT, **BACKDROPS}


def draw_backdrop(kind: str, rng: Random) -> Background:
    """A backdrop of this kind: which regions it has, and a colour word for each."""
    described = KINDS[kind]
    left_out = {name for name in described.optional if rng.random() < 0.5}
    if described.either:
        left_out.add(rng.choice(described.either))
    regions = [name for name in described.colours if name not in left_out]
    for _ in range(30):
        colours = [rng.choice(described.colours[name]) for name in regions]
        large = [c for c, name in zip(colours, regions, strict=True) if name not in SMALL]
        if not _alike(large):
            break
    return Background(kind, tuple(colours), tuple(regions), rng.randrange(1 << 30))


def _alike(colours: list[str]) -> bool:
    """Whether two of these colours can hardly be told apart."""
    return any(
        similar(BACKGROUNDS[a], BACKGROUNDS[b])
        for i, a in enumerate(colours)
        for b in colours[i + 1 :]
    )


def large_colours(background: Background) -> list[tuple[int, int, int]]:
    """The colours that a picture has to stand out from."""
    pairs = zip(background.rgbs, background.regions, strict=True)
    return [rgb for rgb, region in pairs if region not in SMALL]


def draw_background(background: Background, size: int, window: Crop) -> NDArray[np.uint8]:
    """The background inside a window of a size x size canvas: (height, width, 3) uint8."""
    canvas = _painted(background, size, window, masked=False)
    return np.rint(canvas.pixels).astype(np.uint8)


def region_masks(background: Background, size: int, window: Crop) -> NDArray[np.float32]:
    """What each region covers, (regions, height, width) in [0, 1]: everywhere they add up to 1."""
    masks = _painted(background, size, window, masked=True).masks or {}
    empty = np.zeros((window[3], window[2]), np.float32)
    return np.stack([masks.get(name, empty) for name in background.regions])


def _painted(background: Background, size: int, window: Crop, *, masked: bool) -> Canvas:
    canvas = Canvas(size, window, masked=masked)
    kind = KINDS[background.kind]
    shades = dict(zip(background.regions or kind.colours, background.rgbs, strict=True))
    kind.paint(canvas, shades, Random(background.seed))
    return canvas
