"""The base of version 0.1: a text-only prediction of x0 with a little diffusion around it.

It is read and drawn with until a base that is sampled from pure noise draws better; it is not
trained any more. Nothing outside this folder and `networks.build` knows of it.
"""

from __future__ import annotations

from ediffi.networks.sketched.base import SketchedUNet, SketchPrior

__all__ = ["SketchPrior", "SketchedUNet"]
