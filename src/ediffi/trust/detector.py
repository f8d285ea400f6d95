"""Does a picture without any mark look like one of this model's? A linear probe.

Features: the embedding of the shipped CLIP's picture tower, which is frozen, and the spectrum of
what a median leaves of the picture, at 256 pixels and at its own size. A linear probe of frozen
features is the baseline that specialised detectors rarely beat outside their laboratory (arXiv
2509.12995). It knows flat drawings and this model family, nothing else.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from pathlib import Path

import numpy as np
import safetensors.torch
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from PIL import Image, ImageFilter
from safetensors import SafetensorError, safe_open
from torch import Tensor

from ediffi.core.errors import UserError
from ediffi.core.files import write_atomically
from ediffi.core.types import Pixels
from ediffi.encoders.clip import ClipImageEncoder
from ediffi.model.folder import BUNDLED, ModelFolder

SIDE, BINS = 256, 24
RIDGE = 0.03  # weight of the squared coefficients, of standardised features


@dataclass(frozen=True, eq=False)
class Detector:
    """mean, scale: (F,) of the features; weight: (F,); bias, threshold: of the logit. threshold: so
    that 1 in 100 of the vector pictures that it was chosen on lies above."""

    mean: Tensor
    scale: Tensor
    weight: Tensor
    bias: float
    threshold: float

    @classmethod
    def fit(cls, drawn: Tensor, real: Tensor) -> Detector:
        """Of features (N, F) each; logistic regression with a ridge. Its threshold is 0."""
        x = torch.cat([drawn, real])
        y = torch.cat([torch.ones(len(drawn)), torch.zeros(len(real))])
        mean, scale = x.mean(0), x.std(0).clamp_min(1e-6)
        z = (x - mean) / scale
        weight = torch.zeros(x.shape[1] + 1, requires_grad=True)
        optimizer = torch.optim.LBFGS([weight], max_iter=200, line_search_fn="strong_wolfe")

        def closure() -> Tensor:
            optimizer.zero_grad()
            logits = z @ weight[:-1] + weight[-1]
            loss = F.binary_cross_entropy_with_logits(logits, y)
            loss = loss + RIDGE * weight[:-1].square().sum()
            loss.backward()
            return loss

        optimizer.step(closure)
        found = weight.detach()
        return cls(mean, scale, found[:-1], float(found[-1]), 0.0)

    def logits(self, features: Tensor) -> Tensor:
        """(N, F) -> (N,), above 0 for pictures that look drawn by the model."""
        return ((features - self.mean) / self.scale) @ self.weight + self.bias

    def save(self, path: Path) -> None:
        """Raises UserError: it cannot be written."""
        tensors = {n: getattr(self, n).contiguous() for n in ("mean", "scale", "weight")}
        facts = {"bias": str(self.bias), "threshold": str(self.threshold)}
        write_atomically(path, safetensors.torch.save(tensors, facts))

    @classmethod
    def load(cls, path: Path) -> Detector:
        """Raises UserError: no such weights."""
        try:
            with safe_open(path, "pt") as file:
                facts = file.metadata() or {}
                tensors = {name: file.get_tensor(name) for name in ("mean", "scale", "weight")}
            return cls(**tensors, bias=float(facts["bias"]), threshold=float(facts["threshold"]))
        except (OSError, SafetensorError, KeyError, ValueError) as error:
            raise UserError(f"{path} holds no detector's weights: {error}") from error


def features(pictures: Sequence[Pixels]) -> Tensor:
    """(N, F) of pictures (H, W, 3)."""
    images = [Image.fromarray(pixels) for pixels in pictures]
    embeds = F.normalize(_tower().encode(images).pooled, dim=1)
    spectra = torch.from_numpy(np.stack([_spectra(image) for image in images])).float()
    return torch.cat([embeds, spectra], dim=1)


def looks_drawn(pixels: Pixels) -> float | None:
    """How much a picture looks like this model's, 0.5 where 1 in 100 vector pictures does so too;
    None where no detector ships with ediffi."""
    detector = shipped_detector()
    if detector is None:
        return None
    logit = detector.logits(features([pixels]))[0] - detector.threshold
    return float(torch.sigmoid(logit))


@lru_cache(1)
def shipped_detector() -> Detector | None:
    """The one that ships with ediffi, if there is one."""
    path = Path(str(files("ediffi"))) / "models" / "detector.safetensors"
    return Detector.load(path) if path.is_file() else None


@lru_cache(1)
def _tower() -> ClipImageEncoder:
    folder = ModelFolder(BUNDLED / "pictogram")
    return ClipImageEncoder.load(folder.config.encoders["clip_image"], root=folder.path)


def _spectra(image: Image.Image) -> NDArray[np.float64]:
    """Log power of the residual by frequency: of the whole at 256 pixels, and the mean of up to
    four windows of its own pixels."""
    gray = image.convert("L")
    whole = gray.resize((SIDE, SIDE), Image.Resampling.LANCZOS)
    width, height = max(gray.width, SIDE), max(gray.height, SIDE)
    own = gray if gray.size == (width, height) else gray.resize((width, height))
    corners = {(x, y) for x in (0, width - SIDE) for y in (0, height - SIDE)}
    windows = [own.crop((x, y, x + SIDE, y + SIDE)) for x, y in sorted(corners)]
    return np.concatenate([_spectrum(whole), np.mean([_spectrum(w) for w in windows], 0)])


def _spectrum(gray: Image.Image) -> NDArray[np.float64]:
    """(BINS,) of a gray picture of 256 pixels."""
    smooth = gray.filter(ImageFilter.MedianFilter(3))
    residual = np.asarray(gray, np.float64) - np.asarray(smooth, np.float64)
    power = np.abs(np.fft.rfft2(residual)) ** 2 / residual.size
    radius = np.hypot(np.fft.fftfreq(SIDE)[:, None], np.fft.rfftfreq(SIDE)[None])
    ring = np.minimum((radius / 0.5 * BINS).astype(int), BINS - 1).ravel()
    sums = np.bincount(ring, power.ravel(), BINS) / np.bincount(ring, minlength=BINS)
    return np.asarray(np.log(sums + 1e-3))
