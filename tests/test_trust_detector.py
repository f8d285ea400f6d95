"""The detector of pictures without a mark: a linear probe, fitted, kept, and told as a hint."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from ediffi.core.errors import UserError
from ediffi.trust.detector import Detector, features, looks_drawn
from ediffi.trust.verify import verify


def test_a_probe_is_fitted_and_kept(tmp_path: Path) -> None:
    generator = torch.Generator().manual_seed(0)
    noise = torch.randn(200, 8, generator=generator)
    drawn, real = noise[:100] + torch.eye(8)[3] * 3, noise[100:]
    detector = Detector.fit(drawn[:50], real[:50])
    yes, no = detector.logits(drawn[50:]), detector.logits(real[50:])
    assert float((yes > 0).float().mean()) > 0.8 and float((no > 0).float().mean()) < 0.2
    detector.save(tmp_path / "d.safetensors")
    again = Detector.load(tmp_path / "d.safetensors")
    assert torch.equal(again.logits(real), detector.logits(real))
    (tmp_path / "bad.safetensors").write_bytes(b"none")
    with pytest.raises(UserError, match="holds no detector's weights"):
        Detector.load(tmp_path / "bad.safetensors")


def test_pictures_of_any_size_have_the_same_features() -> None:
    rng = np.random.default_rng(0)
    sizes = [(64, 64), (300, 200), (700, 90)]
    found = features([rng.integers(0, 256, (*size, 3), np.uint8) for size in sizes])
    assert found.shape[0] == 3 and bool(torch.isfinite(found).all())
    assert not torch.allclose(found[0], found[1])


def test_it_is_a_hint_and_no_verdict(tmp_path: Path) -> None:
    picture = Image.new("RGB", (256, 256), "teal")
    picture.save(tmp_path / "plain.png")
    share = looks_drawn(np.asarray(picture))
    assert share is not None and 0 <= share <= 1
    found = verify(tmp_path / "plain.png", [])
    assert (found.verdict, found.rests_on) == ("unknown", None)
    assert found.looks_drawn == pytest.approx(share)
    assert verify(tmp_path / "plain.png", [], thorough=False).looks_drawn is None
