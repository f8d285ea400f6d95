"""Picture files: written whole or not at all, with readable parameters, signed."""

from ediffi.core.pixels import grid, to_uint8
from ediffi.output.picture import (
    check_name,
    check_writable,
    encode_picture,
    read_parameters,
    save_picture,
)
from ediffi.output.saving import save
from ediffi.output.sheet import save_sheet

__all__ = [
    "check_name",
    "check_writable",
    "encode_picture",
    "grid",
    "read_parameters",
    "save",
    "save_picture",
    "save_sheet",
    "to_uint8",
]
