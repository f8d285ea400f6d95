"""ediffi: a sentence becomes a 1024x1024 picture, with a cascade of diffusion models.

>>> import ediffi                                                         # doctest: +SKIP
>>> cascade = ediffi.Cascade.from_pretrained("pictogram")                 # doctest: +SKIP
>>> pictures = cascade("a red fox on a light blue background", seeds=7)   # doctest: +SKIP
>>> ediffi.save(pictures, "fox.png")                                      # doctest: +SKIP
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ediffi.core.errors import Notice, UserError
    from ediffi.core.types import Progress, StageDone
    from ediffi.encoders import Style
    from ediffi.model import Cascade, Request
    from ediffi.output import save

__version__ = "0.1.0"
__all__ = [
    "Cascade",
    "Notice",
    "Progress",
    "Request",
    "StageDone",
    "Style",
    "UserError",
    "__version__",
    "save",
]

_HOMES = {
    "Cascade": "ediffi.model",
    "Notice": "ediffi.core.errors",
    "Progress": "ediffi.core.types",
    "Request": "ediffi.model",
    "StageDone": "ediffi.core.types",
    "Style": "ediffi.encoders",
    "UserError": "ediffi.core.errors",
    "save": "ediffi.output",
}


if not TYPE_CHECKING:

    def __getattr__(name: str) -> object:
        """Names are imported when first used: `import ediffi` must not wait for torch."""
        if name not in _HOMES:
            raise AttributeError(f"module 'ediffi' has no attribute {name!r}")
        return getattr(importlib.import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
