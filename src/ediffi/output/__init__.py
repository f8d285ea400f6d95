"""Picture files: written whole or not at all, with readable parameters."""

from ediffi.core.pixels import grid, to_uint8
from ediffi.output.png import check_writable, read_parameters, save_png
from ediffi.output.save import save
from ediffi.output.sheet import save_sheet

__all__ = [
    "check_writable",
    "grid",
    "read_parameters",
    "save",
    "save_png",
    "save_sheet",
    "to_uint8",
]
