"""Phrases where they belong, from masks and from a colour map."""

import numpy as np
from torch import Tensor

import ediffi
from ediffi.paint import Painting, Region, RegionForm, from_map

cascade = ediffi.Cascade.from_pretrained("pictogram")
left = np.zeros((64, 64), np.float32)
left[:, :32] = 1
regions = Painting((Region(left, "cat"), Region(1 - left, "rocket", weight=1.5)), weight=0.5)
pictures: Tensor = cascade.paint("a cat and a rocket", regions, seeds=[1, 2], num_images=2)

mapped = from_map("map.png", {"#ff0000": "cat", "#0000ff": "rocket"}, form=RegionForm("std"))
if mapped.coverage is not None:
    print(mapped.coverage.line())
ediffi.save(cascade.paint("a cat and a rocket", mapped, output="pil"), "mapped.png")
