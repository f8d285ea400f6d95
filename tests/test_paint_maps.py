"""Maps as people make them: soft, compressed, huge, oblong, in thousands of colours."""

from __future__ import annotations

import base64
import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFilter

from ediffi.core.errors import Notice, UserError
from ediffi.paint import from_map, from_regions, no_palette
from ediffi.paint.maps import split_map
from ediffi.paint.pictures import mask_of, square_rgba

PALETTE = {"#ff0000": "cat", "#00f": {"phrase": "rocket", "weight": 1.5}}


def two_boxes(side: int = 200, mode: str = "RGB", background: str = "white") -> Image.Image:
    """Red left (share 0.16), blue right (share 0.12)."""
    image = Image.new(mode, (side, side), background)
    draw = ImageDraw.Draw(image)
    unit = side // 20
    draw.rectangle((unit, 2 * unit, 9 * unit - 1, 10 * unit - 1), "#ff0000")
    draw.rectangle((11 * unit, 8 * unit, 19 * unit - 1, 14 * unit - 1), "#0000ff")
    return image


def shares(image: Image.Image | str | Path) -> list[float]:
    return [float(np.mean(region.mask)) for region in from_map(image, PALETTE).regions]


def test_exact_map() -> None:
    painting = from_map(two_boxes(), PALETTE)
    cat, rocket = painting.regions
    assert (cat.phrase, cat.weight, rocket.phrase, rocket.weight) == ("cat", 1.0, "rocket", 1.5)
    assert cat.mask.mean() == pytest.approx(0.16) and rocket.mask.mean() == pytest.approx(0.12)
    assert cat.mask[40, 20] and not cat.mask[40, 120] and rocket.mask[100, 120]
    coverage = painting.coverage
    assert coverage is not None and coverage.exact == pytest.approx(0.28)
    assert (coverage.snapped, coverage.astray) == (0, 0)
    assert coverage.line().startswith("painted 28.0% of the map (0.0% by the nearest colour)")


@pytest.mark.parametrize("background", ["white", "black"])
def test_soft_and_compressed_maps_have_no_holes(background: str, tmp_path: Path) -> None:
    path = tmp_path / "map.jpg"
    soft = two_boxes(background=background).filter(ImageFilter.GaussianBlur(3))
    soft.save(path, quality=60)
    assert len(soft.getcolors(100_000) or []) > 100
    painting = from_map(path, PALETTE)
    for region, share, box in zip(
        painting.regions, (0.16, 0.12), ((22, 12, 98, 88), (82, 112, 138, 188)), strict=True
    ):
        assert region.mask.mean() == pytest.approx(share, abs=0.01)
        assert region.mask[box[0] : box[2], box[1] : box[3]].mean() > 0.995
    coverage = painting.coverage
    assert coverage is not None and coverage.snapped > 0.2 and coverage.astray < 0.01


def test_transparent_maps_and_colours_for_nothing() -> None:
    assert shares(two_boxes(mode="RGBA", background="#00000000")) == pytest.approx([0.16, 0.12])
    grey = two_boxes(background="#c08080")
    with pytest.warns(Notice, match=r"72\.0% of the map is left unpainted.*#c08080 \(72\.0%\)"):
        assert shares(grey) == pytest.approx([0.16, 0.12])
    painting = from_map(grey, PALETTE | {"#c08080": None})
    assert painting.coverage is not None and painting.coverage.astray == 0


def test_white_can_be_painted_with() -> None:
    painting = from_map(two_boxes(), {"#ffffff": "snow"})
    assert painting.regions[0].mask.mean() == pytest.approx(0.72)


def test_5000_colours() -> None:
    rng = np.random.default_rng(0)
    pixels = np.array(two_boxes())
    noisy = np.clip(pixels + rng.integers(-20, 21, pixels.shape), 0, 255).astype(np.uint8)
    assert len(np.unique(noisy.reshape(-1, 3), axis=0)) > 5000
    assert shares(Image.fromarray(noisy)) == pytest.approx([0.16, 0.12])
    photo = Image.fromarray(rng.integers(0, 256, (200, 200, 3), dtype=np.uint8))
    with pytest.warns(Notice, match="is left unpainted"):
        painting = from_map(photo, PALETTE)
    assert painting.coverage is not None and painting.coverage.astray > 0.3


def test_formats_that_run_programs_are_not_read(tmp_path: Path) -> None:
    two_boxes().convert("RGB").save(tmp_path / "map.eps")  # Pillow would call Ghostscript
    with pytest.raises(UserError, match=r"map\.eps is not a picture"):
        from_map(tmp_path / "map.eps", PALETTE)


def test_12000_pixels(tmp_path: Path) -> None:
    path = tmp_path / "huge.png"
    small = two_boxes(120).quantize(4)
    small.resize((12_000, 12_000), Image.Resampling.NEAREST).save(path, compress_level=1)
    painting = from_map(path, PALETTE)
    assert painting.regions[0].mask.shape == (1024, 1024)
    assert shares(path) == pytest.approx([0.16, 0.12], abs=0.002)
    Image.new("1", (20_000, 20_000)).save(path)
    with pytest.raises(UserError, match="too large: at most 178,000,000 pixels"):
        from_map(path, PALETTE)


def test_other_aspect_ratio_is_cropped_with_a_notice() -> None:
    wide = Image.new("RGB", (400, 200), "#00ff00")
    wide.paste(two_boxes(), (100, 0))
    with pytest.warns(Notice, match="the map is 400x200: its middle square of 200x200 is used"):
        assert shares(wide) == pytest.approx([0.16, 0.12])


def test_every_pixel_has_one_owner() -> None:
    pixels = np.random.default_rng(1).integers(0, 256, (64, 64, 4), dtype=np.uint8)
    masks, coverage = split_map(pixels, [(255, 0, 0), (0, 255, 0), (0, 0, 255)])
    assert masks.sum(0).max() == 1
    total = coverage.exact + coverage.snapped + coverage.blank + coverage.astray
    assert total == pytest.approx(1) and masks.mean(axis=(1, 2)).sum() == pytest.approx(
        coverage.exact + coverage.snapped
    )


@pytest.mark.parametrize(
    ("palette", "complaint"),
    [
        ({"#00ff00": "tree"}, r"#00ff00 is nowhere on the map.*#ffffff \(72.0%\), #ff0000 \(16"),
        ({"red": "cat"}, "'red' is no colour: write it as #ff0000"),
        ({"#ff0000": "cat", "#F00": "dog"}, "the colour #F00 twice"),
        ({}, "names no phrase"),
        ({"#ffffff": None}, "names no phrase"),
        ({"#ff0000": 3}, "the palette, #ff0000"),
        ({"#ff0000": {"weight": 2}}, "give either phrase or span"),
        ({"#ff0000": {"phrase": "cat", "weight": -1}}, "greater than or equal to 0"),
        ({"#ff0000": {"phrase": "cat", "colour": 1}}, "Extra inputs"),
        (["#ff0000"], "the palette: "),
    ],
)
def test_bad_palettes(palette: object, complaint: str) -> None:
    with pytest.raises(UserError, match=complaint):
        from_map(two_boxes(), palette)  # type: ignore[arg-type]


def test_without_a_palette_the_colours_are_shown() -> None:
    message = str(no_palette(two_boxes()))
    assert "needs a palette" in message
    assert message.endswith("#ffffff (72.0%), #ff0000 (16.0%), #0000ff (12.0%)")


def test_pictures_that_are_none(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("no picture")
    two_boxes().save(tmp_path / "cut.png")
    (tmp_path / "cut.png").write_bytes((tmp_path / "cut.png").read_bytes()[:200])
    for name, complaint in (
        ("notes.txt", "is not a picture"),
        ("no.png", "No such file"),
        ("cut.png", "cannot read"),
    ):
        with pytest.raises(UserError, match=complaint):
            from_map(tmp_path / name, PALETTE)
    with pytest.raises(UserError, match="no data URI"):
        square_rgba("data:image/png;base64,@@@", "the map")


def uri(image: Image.Image) -> str:
    file = io.BytesIO()
    image.save(file, "PNG")
    return "data:image/png;base64," + base64.b64encode(file.getvalue()).decode()


def test_region_lists(tmp_path: Path) -> None:
    disc = Image.new("L", (64, 64))
    ImageDraw.Draw(disc).ellipse((16, 16, 48, 48), 255)
    disc.save(tmp_path / "disc.png")
    two_boxes().save(tmp_path / "map.png")
    spec = {
        "map": "map.png",
        "weight": 0.4,
        "form": {"scale": "std", "growth": "sigma-squared"},
        "regions": [
            {"phrase": "cat", "mask": "disc.png", "negative": "rocket"},
            {"span": [3, 5], "box": [0.5, 0, 1, 0.25], "weight": 2},
            {"phrase": "rocket", "color": "#0000ff"},
            {"phrase": "tree", "mask": uri(disc)},
        ],
    }
    painting = from_regions(spec, folder=tmp_path)
    assert (painting.weight, painting.form.scale, painting.form.growth) == (
        0.4,
        "std",
        "sigma-squared",
    )
    disc_region, box, colour, inline = painting.regions
    assert disc_region.negative == "rocket" and box.span == (3, 5) and box.weight == 2
    assert box.mask.mean() == pytest.approx(0.125) and box.mask[0, -1] == 1
    assert colour.mask.mean() == pytest.approx(0.12)
    assert np.array_equal(inline.mask, disc_region.mask)
    alone = from_regions(spec["regions"][:1], folder=tmp_path)  # type: ignore[index]
    assert np.array_equal(alone.regions[0].mask, disc_region.mask)


@pytest.mark.parametrize(
    ("spec", "complaint"),
    [
        ([], "regions: Tuple should have at least 1"),
        ([{"phrase": "cat", "box": [0, 0, 1, 1]}] * 65, "at most 64"),
        ([{"phrase": "cat"}], "exactly one of mask, box and color"),
        ([{"box": [0, 0, 1, 1]}], "either phrase or span"),
        ([{"phrase": "cat", "box": [0.5, 0, 0.4, 1]}], "a box is"),
        ([{"phrase": "cat", "color": "#ff0000"}], "need a map"),
        ({"regions": [{"phrase": "cat", "box": [0, 0, 1, 1]}], "form": {"scale": "mean"}}, "scale"),
        ([{"phrase": "cat", "mask": "nowhere.png"}], "the mask of region 1: .*No such file"),
        ("cat", "the regions"),
        (7, "the regions"),
    ],
)
def test_bad_region_lists(spec: object, complaint: str) -> None:
    with pytest.raises(UserError, match=complaint):
        from_regions(spec)


def test_masks_of_16_bits_and_arrays() -> None:
    half = np.zeros((10, 10), np.uint16)
    half[:5] = 32768
    assert mask_of(Image.fromarray(half), "m")[:5].mean() == pytest.approx(0.5, abs=0.01)
    assert mask_of(np.eye(4, dtype=bool), "m").sum() == 4
    assert mask_of(np.full((4, 4), 0.5), "m").mean() == pytest.approx(0.5, abs=0.01)
