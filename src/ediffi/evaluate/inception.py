"""The Inception-V3 of FID in plain torch, with the reference implementations' key names.

The graph is TensorFlow's of 2015-12-05 as ported by pytorch-fid and torch-fidelity (Apache-2.0),
whose published weight files (`pt_inception-2015-12-05-6726825d.pth`,
`weights-inception-2015-12-05-6726825d.pth`) it reads. It differs from torchvision's: padding is
not counted in average pools, and the last block's pool is a maximum. docs/design.md says why no
library stands in for it.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor, nn

from ediffi.core.errors import UserError
from ediffi.core.files import file_sha256
from ediffi.core.types import Pixels
from ediffi.evaluate.features import digest

SIDE = 299
Kernel = int | tuple[int, int]
Row = tuple[str, str, int, Kernel]
"""A convolution: its name, whose output it reads ("" for the block's input), width, kernel."""
ACROSS, DOWN = (1, 7), (7, 1)
FORK = 0  # stands for two kernels beside each other, 1x3 and 3x1


def chain(branch: str, *steps: tuple[int, Kernel]) -> list[Row]:
    """Convolutions (width, kernel) behind each other; several are numbered.

    >>> chain("branch3x3", (384, 1), (384, 3))
    [('branch3x3_1', '', 384, 1), ('branch3x3_2', 'branch3x3_1', 384, 3)]
    """
    rows, source = list[Row](), ""
    for number, (width, kernel) in enumerate(steps, 1):
        name = branch if len(steps) == 1 else f"{branch}_{number}"
        kernels = {"a": (1, 3), "b": (3, 1)} if kernel == FORK else {"": kernel}
        rows += [(name + side, source, width, sides) for side, sides in kernels.items()]
        source = name
    return rows


A = [
    *chain("branch1x1", (64, 1)),
    *chain("branch5x5", (48, 1), (64, 5)),
    *chain("branch3x3dbl", (64, 1), (96, 3), (96, 3)),
]
B = [*chain("branch3x3", (384, 3)), *chain("branch3x3dbl", (64, 1), (96, 3), (96, 3))]
C = {
    w: [
        *chain("branch1x1", (192, 1)),
        *chain("branch7x7", (w, 1), (w, ACROSS), (192, DOWN)),
        *chain("branch7x7dbl", (w, 1), (w, DOWN), (w, ACROSS), (w, DOWN), (192, ACROSS)),
    ]
    for w in (128, 160, 192)
}
D = [
    *chain("branch3x3", (192, 1), (320, 3)),
    *chain("branch7x7x3", (192, 1), (192, ACROSS), (192, DOWN), (192, 3)),
]
E = [
    *chain("branch1x1", (320, 1)),
    *chain("branch3x3", (384, 1), (384, FORK)),
    *chain("branch3x3dbl", (448, 1), (384, 3), (384, FORK)),
]


class Conv(nn.Module):
    """Convolution, batch norm, ReLU. padded: so that the size stays as it is."""

    def __init__(
        self, before: int, after: int, kernel: Kernel, stride: int = 1, *, padded: bool = True
    ) -> None:
        super().__init__()
        sides = (kernel, kernel) if isinstance(kernel, int) else kernel
        padding = (sides[0] // 2, sides[1] // 2) if padded else (0, 0)
        self.conv = nn.Conv2d(before, after, sides, stride, padding, bias=False)
        self.bn = nn.BatchNorm2d(after, eps=0.001)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = F.relu(self.bn(self.conv(x)))
        return out


class Block(nn.Module):
    """The outputs of all convolutions that no other reads, and a pool of the input, joined.

    pool: the width of the convolution behind a mean pool (behind a maximum with `max_pool`); 0 for
    a block that halves the size: the last convolutions and a maximum pool have stride 2.
    """

    def __init__(
        self, before: int, rows: Sequence[Row], pool: int = 0, *, max_pool: bool = False
    ) -> None:
        super().__init__()
        self.max_pool = max_pool
        self.source = {name: source for name, source, _, _ in rows}
        self.last = [name for name in self.source if name not in self.source.values()]
        widths = {"": before}
        for name, source, width, kernel in rows:
            halves = pool == 0 and name in self.last
            stride = 2 if halves else 1
            conv = Conv(widths[source], width, kernel, stride, padded=not halves)
            self.add_module(name, conv)
            widths[name] = width
        self.branch_pool = Conv(before, pool, 1) if pool else None

    def forward(self, x: Tensor) -> Tensor:
        made = {"": x}
        for name, source in self.source.items():
            made[name] = self.get_submodule(name)(made[source])
        return torch.cat([*(made[name] for name in self.last), self._pooled(x)], 1)

    def _pooled(self, x: Tensor) -> Tensor:
        if self.branch_pool is None:
            return F.max_pool2d(x, 3, stride=2)
        if self.max_pool:
            pooled = F.max_pool2d(x, 3, stride=1, padding=1)
        else:
            pooled = F.avg_pool2d(x, 3, stride=1, padding=1, count_include_pad=False)
        out: Tensor = self.branch_pool(pooled)
        return out


class InceptionV3(nn.Module):
    """(B, 3, 299, 299) in about [-1, 1] -> (B, 2048), the features of FID (`pool3`)."""

    def __init__(self) -> None:
        super().__init__()
        self.Conv2d_1a_3x3 = Conv(3, 32, 3, stride=2, padded=False)
        self.Conv2d_2a_3x3 = Conv(32, 32, 3, padded=False)
        self.Conv2d_2b_3x3 = Conv(32, 64, 3)
        self.Conv2d_3b_1x1 = Conv(64, 80, 1)
        self.Conv2d_4a_3x3 = Conv(80, 192, 3, padded=False)
        self.Mixed_5b = Block(192, A, 32)
        self.Mixed_5c = Block(256, A, 64)
        self.Mixed_5d = Block(288, A, 64)
        self.Mixed_6a = Block(288, B)
        self.Mixed_6b = Block(768, C[128], 192)
        self.Mixed_6c = Block(768, C[160], 192)
        self.Mixed_6d = Block(768, C[160], 192)
        self.Mixed_6e = Block(768, C[192], 192)
        self.Mixed_7a = Block(768, D)
        self.Mixed_7b = Block(1280, E, 192)
        self.Mixed_7c = Block(2048, E, 192, max_pool=True)
        self.fc = nn.Linear(2048, 1008)  # of the weight files; FID does not use it

    def forward(self, x: Tensor) -> Tensor:
        x = self.Conv2d_2b_3x3(self.Conv2d_2a_3x3(self.Conv2d_1a_3x3(x)))
        x = F.max_pool2d(x, 3, stride=2)
        x = self.Conv2d_4a_3x3(self.Conv2d_3b_1x1(x))
        x = F.max_pool2d(x, 3, stride=2)
        for name, block in self.named_children():
            if name.startswith("Mixed"):
                x = block(x)
        return x.mean((2, 3))


class FidInception:
    """The canonical extractor: uint8 pictures of any size -> (B, 2048) float32.

    resize: "legacy-tf" (TensorFlow 1's bilinear without antialiasing, the reference of FID) or
    "clean" (PIL's bicubic in float, Parmar et al. 2022).
    """

    name = "fid-inception-v3"

    def __init__(self, weights: Path, *, resize: str = "legacy-tf") -> None:
        if resize not in RESIZES:
            raise UserError(f"no resize {resize!r}: choose from {', '.join(RESIZES)}")
        self.resize = f"{resize} to {SIDE} px"
        self._resized = RESIZES[resize]
        self.net = InceptionV3()
        try:
            self.net.load_state_dict(torch.load(weights, map_location="cpu", weights_only=True))
        except OSError as error:
            raise UserError(f"cannot read {weights}: {error.strerror}") from error
        except Exception as error:  # torch raises many unrelated classes
            raise UserError(
                f"{weights} does not hold the weights of FID's Inception-V3 under the names of "
                f"pytorch-fid or torch-fidelity: {error}"
            ) from error
        self.net.eval().requires_grad_(False)
        self.weights_sha256 = file_sha256(weights)
        self.hash = digest([self.weights_sha256, resize])

    @torch.no_grad()
    def __call__(self, pictures: Sequence[Pixels]) -> Tensor:
        return self.net((torch.cat([self._resized(p) for p in pictures]) - 128) / 128)


def legacy_tf(picture: Pixels) -> Tensor:
    """(H, W, 3) uint8 -> (1, 3, 299, 299) in [0, 255]: each pixel between its four neighbours at
    i * H / 299, corners and centres not aligned."""
    pixels = torch.from_numpy(picture.astype(np.float32)).permute(2, 0, 1)[None]
    for dim in (2, 3):
        size = pixels.shape[dim]
        at = torch.arange(SIDE, dtype=torch.float32) * (size / SIDE)
        low = at.long()
        share = (at - low).view([-1 if d == dim else 1 for d in range(4)])
        first = pixels.index_select(dim, low)
        second = pixels.index_select(dim, (low + 1).clamp(max=size - 1))
        pixels = first + (second - first) * share
    return pixels


def clean(picture: Pixels) -> Tensor:
    """(H, W, 3) uint8 -> (1, 3, 299, 299) in [0, 255]: PIL's bicubic with antialiasing, each
    channel in float, clipped."""
    channels = [Image.fromarray(picture[..., c].astype(np.float32)) for c in range(3)]
    resized = [np.asarray(c.resize((SIDE, SIDE), Image.Resampling.BICUBIC)) for c in channels]
    return torch.from_numpy(np.stack(resized)).clip(0, 255)[None]


RESIZES = {"legacy-tf": legacy_tf, "clean": clean}
