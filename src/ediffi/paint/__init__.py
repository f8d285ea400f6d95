"""Paint with words: colour maps and region lists become masks and tokens for the networks."""

from ediffi.core.types import RegionForm
from ediffi.paint.maps import Coverage
from ediffi.paint.painting import DEFAULT_WEIGHT, Painting, Placement, Region, paint, place
from ediffi.paint.schema import from_map, from_regions, no_palette, read_json

__all__ = [
    "DEFAULT_WEIGHT",
    "Coverage",
    "Painting",
    "Placement",
    "Region",
    "RegionForm",
    "from_map",
    "from_regions",
    "no_palette",
    "paint",
    "place",
    "read_json",
]
