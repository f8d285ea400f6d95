"""The study of a server under load, in small: a real process, clients at once, a kill."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from studies.load import Wanted, mistaken, whole


def test_a_picture_of_another_request_is_found_out() -> None:
    import io

    red, blue = (np.full((8, 8, 3), level, float) for level in ([200, 0, 0], [0, 0, 200]))
    both = [Wanted({"seeds": [n]}, picture) for n, picture in enumerate((red, blue))]
    out = io.BytesIO()
    Image.fromarray(red.astype(np.uint8)).save(out, "PNG")
    assert mistaken(out.getvalue(), both[0], both) is None
    assert "levels from the picture drawn alone" in (mistaken(out.getvalue(), both[1], both) or "")
    near = [both[0], Wanted({"seeds": [2]}, red + 1)]
    assert "nearer to another" in (mistaken(out.getvalue(), near[1], near) or "")


@pytest.mark.slow
def test_nothing_is_lost_doubled_or_mixed_up(model_folder: Path) -> None:
    found = whole(str(model_folder), clients=8, seconds=30, jobs=80, killed=30, size=64)
    load = found["load"]
    assert load["jobs"] == load["distinct"] == load["finished"] > 8 and load["wrong"] == []
    killed = found["killed"]
    assert killed["accepted"] == killed["done"] == 30 > killed["done before"]
    assert found["batching"]["ratio"] > 1
