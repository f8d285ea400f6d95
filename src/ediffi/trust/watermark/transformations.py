"""What happens to pictures on their way: the 20 transformations that a mark is judged by."""

from __future__ import annotations

import io
from collections.abc import Callable
from random import Random

import numpy as np
from PIL import Image, ImageEnhance, ImageFilter, ImageOps

Transformation = Callable[[Image.Image, Random], Image.Image]


def compressed(picture: Image.Image, kind: str, quality: int) -> Image.Image:
    """Saved as "JPEG" or "WEBP" of a quality, and read again."""
    buffer = io.BytesIO()
    picture.save(buffer, kind, quality=quality)
    return Image.open(buffer).convert("RGB")


def scaled(picture: Image.Image, share: float) -> Image.Image:
    """Both sides times `share`."""
    size = round(picture.width * share), round(picture.height * share)
    return picture.resize(size, Image.Resampling.BICUBIC)


def cropped(picture: Image.Image, share: float, rng: Random) -> Image.Image:
    """A window of `share` of each side, anywhere."""
    width, height = round(picture.width * share), round(picture.height * share)
    x, y = rng.randint(0, picture.width - width), rng.randint(0, picture.height - height)
    return picture.crop((x, y, x + width, y + height))


def noisy(picture: Image.Image, levels: float, rng: Random) -> Image.Image:
    """With Gaussian noise of a standard deviation in levels of 255."""
    noise = np.random.default_rng(rng.getrandbits(64)).normal(0, levels, (*picture.size[::-1], 3))
    return Image.fromarray((np.asarray(picture) + noise).round().clip(0, 255).astype(np.uint8))


def blurred(picture: Image.Image, share: float) -> Image.Image:
    """By a Gaussian whose radius is a share of the width."""
    return picture.filter(ImageFilter.GaussianBlur(share * picture.width))


def _sent_on(picture: Image.Image, rng: Random) -> Image.Image:
    return cropped(compressed(scaled(picture, 0.5), "JPEG", 70), 0.9, rng)


TRANSFORMATIONS: dict[str, Transformation] = {
    "JPEG 90": lambda p, rng: compressed(p, "JPEG", 90),
    "JPEG 70": lambda p, rng: compressed(p, "JPEG", 70),
    "JPEG 50": lambda p, rng: compressed(p, "JPEG", 50),
    "WebP 80": lambda p, rng: compressed(p, "WEBP", 80),
    "WebP 50": lambda p, rng: compressed(p, "WEBP", 50),
    "half size": lambda p, rng: scaled(p, 0.5),
    "quarter size": lambda p, rng: scaled(p, 0.25),
    "90 % crop": lambda p, rng: cropped(p, 0.9, rng),
    "70 % crop": lambda p, rng: cropped(p, 0.7, rng),
    "50 % crop": lambda p, rng: cropped(p, 0.5, rng),
    "90 % crop, enlarged": lambda p, rng: cropped(p, 0.9, rng).resize(p.size),
    "half size, JPEG 70, 90 % crop": _sent_on,
    "blur": lambda p, rng: blurred(p, 1 / 512),
    "noise": lambda p, rng: noisy(p, 5, rng),
    "brighter": lambda p, rng: ImageEnhance.Brightness(p).enhance(1.2),
    "less contrast": lambda p, rng: ImageEnhance.Contrast(p).enhance(0.7),
    "gray": lambda p, rng: ImageOps.grayscale(p).convert("RGB"),
    "64 colours": lambda p, rng: p.quantize(64).convert("RGB"),
    "mirrored": lambda p, rng: ImageOps.mirror(p),
    "turned by 3 degrees": lambda p, rng: p.rotate(3, Image.Resampling.BICUBIC),
}


def in_training(picture: Image.Image, rng: Random) -> Image.Image:
    """One random change that keeps every pixel's place, of random strength; now and then two."""
    changes: tuple[Transformation, ...] = (
        lambda p, r: compressed(p, "JPEG", r.randint(40, 95)),
        lambda p, r: compressed(p, "WEBP", r.randint(40, 90)),
        lambda p, r: scaled(p, r.uniform(0.25, 0.9)).resize(p.size, Image.Resampling.BICUBIC),
        lambda p, r: blurred(p, r.uniform(0, 1 / 400)),
        lambda p, r: noisy(p, r.uniform(1, 8), r),
        lambda p, r: ImageEnhance.Brightness(p).enhance(r.uniform(0.7, 1.3)),
        lambda p, r: ImageEnhance.Contrast(p).enhance(r.uniform(0.6, 1.3)),
        lambda p, r: ImageEnhance.Color(p).enhance(r.uniform(0, 1.5)),
        lambda p, r: p.quantize(r.choice((32, 64, 128)), Image.Quantize.FASTOCTREE).convert("RGB"),
    )
    for _ in range(rng.choice((1, 1, 2))):
        picture = rng.choice(changes)(picture, rng)
    return picture
