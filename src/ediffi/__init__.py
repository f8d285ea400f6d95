"""ediffi: a sentence becomes a 1024x1024 picture, with a cascade of diffusion models.

>>> import ediffi                                                         # doctest: +SKIP
>>> cascade = ediffi.Cascade.from_pretrained("pictogram")                 # doctest: +SKIP
>>> images = cascade.generate("a red fox on a light blue background")     # doctest: +SKIP
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ediffi.core.errors import Notice, UserError
    from ediffi.core.types import Progress, StageDone
    from ediffi.model import Cascade

__version__ = "0.1.0"
__all__ = ["Cascade", "Notice", "Progress", "StageDone", "UserError", "__version__"]

_HOMES = {
    "Cascade": "ediffi.model",
    "Notice": "ediffi.core.errors",
    "Progress": "ediffi.core.types",
    "StageDone": "ediffi.core.types",
    "UserError": "ediffi.core.errors",
}


def __getattr__(name: str) -> Any:
    """Names are imported when first used: `import ediffi` must not wait for torch."""
    if name not in _HOMES:
        raise AttributeError(f"module 'ediffi' has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)
