"""How sharp is a picture? The width of its edges in pixels, against a reference's.

An edge's width is its 10-90 % rise along its normal. A perfect antialiased edge measures about
0.8 to 1.3 px, a Gaussian blur of std s adds to 2.56 s, bicubic enlargement by 16 about 15 px.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from ediffi.core.types import Pixels
from ediffi.pictogram.lab import Floats

REACH = 24.0  # pixels looked at on either side of an edge
STEP = 0.25  # pixels between samples along the normal
WANDER = 6.0  # how far, in pixels, an edge may have moved against the reference
MIN_CONTRAST = 0.2  # rise of luma in [0, 1] that makes an edge strong
TAIL = 0.05  # an edge ends where its slope falls below this share of its peak
FLOOR = 0.01  # ... or below this luma per pixel, so that noise is no edge


@dataclass(frozen=True)
class EdgePoints:
    """Where edges are, (N, 2) as row and column, and their unit normals (N, 2), uphill."""

    places: Floats
    normals: Floats


def luma(picture: Pixels) -> Floats:
    """(H, W, 3) uint8 -> (H, W) in [0, 1], Rec. 709 weights on the encoded values."""
    weights = np.array([0.2126, 0.7152, 0.0722]) / 255
    grey: Floats = picture.astype(np.float64) @ weights
    return grey


def find_edges(grey: Floats, *, num: int = 4000, seed: int = 0) -> EdgePoints:
    """At most `num` edge points, a seeded choice: ridges of the gradient of a smoothed picture."""
    smooth = ndimage.gaussian_filter(grey, 1.0, radius=3, mode="nearest")
    rows, columns = (np.asarray(slope) for slope in np.gradient(smooth))
    size = np.hypot(rows, columns)
    ys, xs = np.nonzero(size > 0.02)
    margin = REACH + WANDER
    inside = (np.minimum(ys, xs) >= margin) & (ys < len(grey) - margin)
    inside &= xs < grey.shape[1] - margin
    ys, xs = ys[inside], xs[inside]
    normal = np.stack([rows[ys, xs], columns[ys, xs]], 1) / size[ys, xs, None]
    here = np.stack([ys, xs], 1).astype(np.float64)
    ridge = size[ys, xs] >= np.maximum(
        _bilinear(size, here + normal), _bilinear(size, here - normal)
    )
    here, normal = here[ridge], normal[ridge]
    chosen = np.random.default_rng(seed).permutation(len(here))[:num]
    return EdgePoints(here[chosen], normal[chosen])


def edge_widths(grey: Floats, edges: EdgePoints) -> Floats:
    """The 10-90 % width in pixels at every point, (N,); nan where no strong edge is found."""
    offsets = np.arange(-(REACH + WANDER), REACH + WANDER + STEP / 2, STEP)
    places = edges.places[:, None] + offsets[:, None] * edges.normals[:, None]
    profiles = _bilinear(grey, places)
    return np.array([_rise(profile, offsets) for profile in profiles])


def compare_edges(output: Pixels, reference: Pixels) -> dict[str, float]:
    """Edge widths of two pictures of the same thing, at the reference's strong edges.

    found: share of those edges that the output has too; the medians are over these.
    """
    grey = luma(reference)
    edges = find_edges(grey)
    ours, theirs = edge_widths(luma(output), edges), edge_widths(grey, edges)
    both = ~np.isnan(ours) & ~np.isnan(theirs)
    strong = int((~np.isnan(theirs)).sum())
    if not both.any():
        return {"output": float("nan"), "reference": float("nan"), "edges": strong, "found": 0.0}
    return {
        "output": float(np.median(ours[both])),
        "reference": float(np.median(theirs[both])),
        "edges": strong,
        "found": float(both.sum() / strong),
    }


def colour_drift(low_res: Pixels, output: Pixels) -> dict[str, list[float]]:
    """Mean of output - low_res per channel, of 255, after averaging the output's blocks.

    mean: signed, (3,); mean_absolute: over the low-resolution pixels, (3,).
    """
    side = low_res.shape[0]
    block = output.shape[0] // side
    means = output.astype(np.float64).reshape(side, block, side, block, 3).mean((1, 3))
    off = means - low_res
    return {"mean": off.mean((0, 1)).tolist(), "mean_absolute": abs(off).mean((0, 1)).tolist()}


def _rise(profile: Floats, offsets: Floats) -> float:
    """The 10-90 % width of the rise that is steepest within WANDER of the middle, or nan."""
    slope = np.gradient(profile, STEP)
    middle = np.abs(offsets) <= WANDER
    peak = int(np.flatnonzero(middle)[slope[middle].argmax()])
    low_enough = slope < max(TAIL * slope[peak], FLOOR)
    before, after = np.flatnonzero(low_enough[:peak]), np.flatnonzero(low_enough[peak:])
    start = int(before[-1]) if len(before) else 0
    end = peak + int(after[0]) if len(after) else len(profile) - 1
    rise = profile[start : end + 1]
    if len(rise) < 2 or rise[-1] - rise[0] < MIN_CONTRAST:
        return float("nan")
    share = np.maximum.accumulate((rise - rise[0]) / (rise[-1] - rise[0]))
    # A strictly rising copy, so that interpolation of the inverse is defined.
    at10, at90 = np.interp([0.1, 0.9], share + np.arange(len(share)) * 1e-9, np.arange(len(share)))
    return float((at90 - at10) * STEP)


def _bilinear(grey: Floats, places: Floats) -> Floats:
    """Values at fractional (..., 2) row, column places; beyond the picture its border goes on."""
    return ndimage.map_coordinates(grey, np.moveaxis(places, -1, 0), order=1, mode="nearest")
