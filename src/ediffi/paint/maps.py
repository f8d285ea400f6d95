"""A map's colours to masks: every pixel goes to the palette's nearest colour, or to none."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from ediffi.core.errors import UserError

RGB = tuple[int, int, int]
BLANK: tuple[RGB, ...] = ((255, 255, 255), (0, 0, 0))  # not painted, unless the palette has them
REACH = 64.0  # RGB distance up to which a pixel is taken for a colour: JPEG's noise stays within 40
NUM_SHOWN = 12


@dataclass(frozen=True)
class Coverage:
    """Shares of a map's pixels.

    exact, snapped: in a colour of the palette, or nearest to one; blank: white, black, transparent
    or a colour set to null, or nearest to these; astray: in another colour, left unpainted.
    """

    exact: float
    snapped: float
    blank: float
    astray: float

    def line(self) -> str:
        """For a person."""
        return (
            f"painted {self.exact + self.snapped:.1%} of the map ({self.snapped:.1%} by the "
            f"nearest colour), unpainted {self.blank + self.astray:.1%} "
            f"({self.astray:.1%} in no colour of the palette)"
        )


def parse_colour(text: str) -> RGB:
    """A colour such as #f00 or #ff0000.

    >>> parse_colour("#0080FF"), parse_colour("#f80")
    ((0, 128, 255), (255, 136, 0))
    """
    match = re.fullmatch(r"#([0-9a-fA-F]{3}|[0-9a-fA-F]{6})", text.strip())
    if not match:
        raise UserError(f"{text!r} is no colour: write it as #ff0000")
    digits = match[1] if len(match[1]) == 6 else "".join(2 * digit for digit in match[1])
    red, green, blue = bytes.fromhex(digits)
    return red, green, blue


def split_map(
    pixels: NDArray[np.uint8], colours: Sequence[RGB], blank: Sequence[RGB] = ()
) -> tuple[NDArray[np.bool_], Coverage]:
    """(H, W, 4) RGBA -> where each colour is, (colours, H, W), and how much fitted.

    A pixel near a colour, or between two as at the edge of a soft brush, goes to the nearest.
    blank: colours, beside white, black and transparency, that stand for nothing.
    """
    height, width = pixels.shape[:2]
    seen, where = np.unique(_codes(pixels), return_inverse=True)
    known = [*colours, *blank, *(c for c in BLANK if c not in colours)]
    rgb = _rgb(seen)
    apart = np.stack([_distance(rgb, colour) for colour in known])
    nearest, distance = apart.argmin(0), apart.min(0)
    astray = (distance > REACH) & (seen >= 0)
    astray[astray] = ~_blends(rgb[astray], known)
    nearest[astray | (seen < 0)] = len(colours)  # the first that stands for nothing
    owner, exact, lost = nearest[where], (distance == 0)[where], astray[where]
    masks = (owner == np.arange(len(colours))[:, None]).reshape(-1, height, width)
    painted = owner < len(colours)
    coverage = Coverage(
        exact=float((painted & exact).mean()),
        snapped=float((painted & ~exact).mean()),
        blank=float((~painted & ~lost).mean()),
        astray=float(lost.mean()),
    )
    return masks, coverage


def colours_of(pixels: NDArray[np.uint8]) -> list[tuple[str, float]]:
    """A map's commonest colours and their shares, near ones counted as one, transparency not."""
    seen, counts = np.unique(_codes(pixels), return_counts=True)
    counts = counts[seen >= 0]
    rgb = _rgb(seen[seen >= 0])
    left = np.ones(len(rgb), bool)
    found: list[tuple[str, float]] = []
    while left.any() and len(found) < NUM_SHOWN:
        first = int(np.where(left, counts, -1).argmax())
        near = left & (_distance(rgb, rgb[first]) <= REACH)
        red, green, blue = rgb[first].astype(int)
        share = float(counts[near].sum() / pixels[..., 0].size)
        found.append((f"#{red:02x}{green:02x}{blue:02x}", share))
        left &= ~near
    return found


def colour_list(pixels: NDArray[np.uint8]) -> str:
    """`colours_of` as words for a message."""
    return ", ".join(f"{colour} ({share:.1%})" for colour, share in colours_of(pixels))


def _blends(rgb: NDArray[np.float64], known: Sequence[RGB]) -> NDArray[np.bool_]:
    """Which of (N, 3) colours lie between two known ones, within half of REACH."""
    coarse, where = np.unique(rgb // 8, axis=0, return_inverse=True)
    coarse, between = 8 * coarse + 3.5, np.zeros(len(coarse), bool)
    for one, other in combinations(np.array(known, np.float64), 2):
        along = other - one
        share = np.clip((coarse - one) @ along / (along @ along), 0, 1)
        between |= _distance(coarse, one + share[:, None] * along) <= REACH / 2
    return between[where.reshape(-1)]  # NumPy 2.0 gives it another axis


def _codes(pixels: NDArray[np.uint8]) -> NDArray[np.int64]:
    """One number per pixel: its colour, or -1 where it is more than half transparent."""
    red, green, blue, alpha = pixels.reshape(-1, 4).astype(np.int64).T
    return np.where(alpha < 128, -1, red << 16 | green << 8 | blue)


def _rgb(codes: NDArray[np.int64]) -> NDArray[np.float64]:
    return np.stack([codes >> 16 & 255, codes >> 8 & 255, codes & 255], -1).astype(np.float64)


def _distance(rgb: NDArray[np.float64], to: RGB | NDArray[np.float64]) -> NDArray[np.float64]:
    distance: NDArray[np.float64] = np.linalg.norm(rgb - np.asarray(to, np.float64), axis=-1)
    return distance
