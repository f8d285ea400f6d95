"""Parts of a picture: how many, where, which colour."""

import numpy as np

from ediffi.pictogram.palette import BACKGROUNDS
from studies.compose_maker import COLOURS
from studies.compose_rows import recoloured
from studies.copies import cut_out
from studies.foreground import colour_of, crop, parts


def canvas(size: int = 64, background: str = "light blue") -> np.ndarray:
    out = np.empty((size, size, 3), np.uint8)
    out[:] = BACKGROUNDS[background]
    return out


def test_diagonal_neighbours_are_one_part_and_hooks_too() -> None:
    picture = canvas()
    picture[5:12, 5:12] = picture[12:20, 12:20] = 0
    picture[30, 10:40] = picture[30:60, 39:41] = picture[58:60, 8:40] = 0
    assert len(parts(picture)) == 2


def test_parts_colours_and_places_at_any_size() -> None:
    for size in (64, 256):
        s = size // 64
        picture = canvas(size)
        picture[10 * s : 30 * s, 5 * s : 25 * s] = BACKGROUNDS["red"]
        picture[30 * s : 50 * s, 40 * s : 60 * s] = BACKGROUNDS["green"]
        picture[60 * s : 61 * s, 2 * s : 3 * s] = 0  # a crumb
        found = parts(picture)
        assert [colour_of(picture, part) for part in found] == ["red", "green"]
        assert abs(found[0].centre[0] - 15 / 64) < 0.02
        assert abs(found[1].centre[1] - 40 / 64) < 0.02
    # one gap of a pixel is closed, one of six is not
    picture = canvas()
    picture[20:40, 10:20] = picture[20:40, 21:30] = picture[20:40, 36:50] = 0
    assert len(parts(picture)) == 2


def test_a_crop_shows_one_part_alone() -> None:
    picture = canvas()
    picture[8:28, 4:24] = BACKGROUNDS["red"]
    picture[8:28, 28:48] = BACKGROUNDS["green"]
    square = crop(picture, parts(picture)[0])
    assert square.shape[0] == square.shape[1] == 25
    colours = {tuple(pixel) for pixel in square.reshape(-1, 3).tolist()}
    assert colours == {BACKGROUNDS["red"], BACKGROUNDS["light blue"]}
    assert parts(canvas()) == [] and cut_out(canvas()) is None


def test_a_cut_out_does_not_depend_on_place_or_background() -> None:
    a, b = canvas(), canvas(background="navy")
    a[4:34, 6:36], a[10:20, 12:22] = BACKGROUNDS["red"], BACKGROUNDS["yellow"]
    b[30:60, 30:60], b[36:46, 36:46] = BACKGROUNDS["red"], BACKGROUNDS["yellow"]
    one, two = cut_out(a), cut_out(b)
    assert one is not None and two is not None
    assert np.sqrt(((one - two) ** 2).mean()) < 0.05


def test_recoloured_drawings_have_the_colours_name() -> None:
    drawing = np.zeros((40, 40, 4), np.uint8)
    drawing[5:35, 5:35] = (200, 120, 40, 255)
    drawing[10:15, 10:15] = (240, 240, 240, 255)  # a white spot stays white
    for colour in COLOURS:
        painted = recoloured(drawing, colour)
        assert (painted[..., 3] == drawing[..., 3]).all()
        picture = canvas(background="black")
        picture[12:52, 12:52] = np.where(painted[..., 3:] > 0, painted[..., :3], picture[0, 0])
        assert colour_of(picture, parts(picture)[0]) == colour
        assert tuple(painted[12, 12, :3]) == (240, 240, 240)
    grey = np.full((8, 8, 4), 128, np.uint8)
    assert recoloured(grey, "red") is grey
