"""What `Cascade.generate` returns is written as files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import ediffi
from ediffi.core.pixels import to_uint8
from ediffi.output import read_parameters


def test_tensors_and_pil_pictures(tmp_path: Path) -> None:
    batch = torch.rand(2, 3, 8, 8) * 2 - 1
    paths = ediffi.save(batch, tmp_path / "fox.png")
    assert [path.name for path in paths] == ["fox-1.png", "fox-2.png"]
    for path, pixels in zip(paths, to_uint8(batch), strict=True):
        assert np.array_equal(np.array(Image.open(path)), pixels)
    pictures = [Image.open(path) for path in paths]
    again = ediffi.save(pictures, str(tmp_path / "again.png"), {"prompt": "a fox"})
    assert again[1].name == "again-2.png" and read_parameters(again[0]) == {"prompt": "a fox"}
    for one in (batch[0], batch[:1], pictures[0], pictures[:1]):
        assert ediffi.save(one, tmp_path / "one.png") == [tmp_path / "one.png"]
        assert np.array_equal(np.array(Image.open(tmp_path / "one.png")), to_uint8(batch[:1])[0])


@pytest.mark.parametrize(
    ("pictures", "name", "complaint"),
    [
        (torch.zeros(1, 3, 8, 8), "fox.gif", "name the output fox.png"),
        (torch.zeros(0, 3, 8, 8), "fox.png", r"not \(0, 3, 8, 8\)"),
        (torch.zeros(8, 8), "fox.png", r"not \(8, 8\)"),
        ([], "fox.png", "give pictures as"),
        (["fox"], "fox.png", "give pictures as"),
        (torch.zeros(1, 3, 8, 8), "no/fox.png", "there is no folder"),
    ],
)
def test_what_is_refused(tmp_path: Path, pictures: object, name: str, complaint: str) -> None:
    with pytest.raises(ediffi.UserError, match=complaint):
        ediffi.save(pictures, tmp_path / name)  # type: ignore[arg-type]
    assert not list(tmp_path.iterdir())
