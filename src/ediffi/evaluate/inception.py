"""The Inception-V3 of FID in plain torch, with the reference implementations' key names.

The graph is TensorFlow's of 2015-12-05 as ported by pytorch-fid and torch-fidelity (Apache-2.0),
whose published weight files (`pt_inception-2015-12-05-6726825d.pth`,
`weights-inception-2015-12-05-6726825d.pth`) it reads. It differs from torchvision's: padding is
not counted in average pools, and the last block's pool is a maximum. torchmetrics and clean-fid are
no stand-in: they fetch the weights themselves, or want torch-fidelity and with it torchvision.
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
from ediffi.evaluate.examples import digest

SIDE = 299


class Conv(nn.Module):
    """Convolution, batch norm, ReLU."""

    def __init__(
        self, before: int, after: int, kernel: int | tuple[int, int], stride: int = 1
    ) -> None:
        super().__init__()
        sides = (kernel, kernel) if isinstance(kernel, int) else kernel
        padding = (0, 0) if stride == 2 else (sides[0] // 2, sides[1] // 2)
        self.conv = nn.Conv2d(before, after, sides, stride, padding, bias=False)
        self.bn = nn.BatchNorm2d(after, eps=0.001)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = F.relu(self.bn(self.conv(x)))
        return out


class Valid(Conv):
    """A `Conv` without padding."""

    def __init__(self, before: int, after: int, kernel: int, stride: int = 1) -> None:
        super().__init__(before, after, kernel, stride)
        self.conv.padding = (0, 0)


def _mean_pool(x: Tensor) -> Tensor:
    return F.avg_pool2d(x, 3, stride=1, padding=1, count_include_pad=False)


class InceptionA(nn.Module):
    def __init__(self, before: int, pool: int) -> None:
        super().__init__()
        self.branch1x1 = Conv(before, 64, 1)
        self.branch5x5_1, self.branch5x5_2 = Conv(before, 48, 1), Conv(48, 64, 5)
        self.branch3x3dbl_1, self.branch3x3dbl_2 = Conv(before, 64, 1), Conv(64, 96, 3)
        self.branch3x3dbl_3 = Conv(96, 96, 3)
        self.branch_pool = Conv(before, pool, 1)

    def forward(self, x: Tensor) -> Tensor:
        five = self.branch5x5_2(self.branch5x5_1(x))
        three = self.branch3x3dbl_3(self.branch3x3dbl_2(self.branch3x3dbl_1(x)))
        return torch.cat([self.branch1x1(x), five, three, self.branch_pool(_mean_pool(x))], 1)


class InceptionB(nn.Module):
    def __init__(self, before: int) -> None:
        super().__init__()
        self.branch3x3 = Conv(before, 384, 3, stride=2)
        self.branch3x3dbl_1, self.branch3x3dbl_2 = Conv(before, 64, 1), Conv(64, 96, 3)
        self.branch3x3dbl_3 = Conv(96, 96, 3, stride=2)

    def forward(self, x: Tensor) -> Tensor:
        double = self.branch3x3dbl_3(self.branch3x3dbl_2(self.branch3x3dbl_1(x)))
        return torch.cat([self.branch3x3(x), double, F.max_pool2d(x, 3, stride=2)], 1)


class InceptionC(nn.Module):
    def __init__(self, before: int, width: int) -> None:
        super().__init__()
        across, down = (1, 7), (7, 1)
        self.branch1x1 = Conv(before, 192, 1)
        self.branch7x7_1, self.branch7x7_2 = Conv(before, width, 1), Conv(width, width, across)
        self.branch7x7_3 = Conv(width, 192, down)
        self.branch7x7dbl_1, self.branch7x7dbl_2 = Conv(before, width, 1), Conv(width, width, down)
        self.branch7x7dbl_3 = Conv(width, width, across)
        self.branch7x7dbl_4 = Conv(width, width, down)
        self.branch7x7dbl_5 = Conv(width, 192, across)
        self.branch_pool = Conv(before, 192, 1)

    def forward(self, x: Tensor) -> Tensor:
        seven = self.branch7x7_3(self.branch7x7_2(self.branch7x7_1(x)))
        double = self.branch7x7dbl_3(self.branch7x7dbl_2(self.branch7x7dbl_1(x)))
        double = self.branch7x7dbl_5(self.branch7x7dbl_4(double))
        return torch.cat([self.branch1x1(x), seven, double, self.branch_pool(_mean_pool(x))], 1)


class InceptionD(nn.Module):
    def __init__(self, before: int) -> None:
        super().__init__()
        self.branch3x3_1, self.branch3x3_2 = Conv(before, 192, 1), Conv(192, 320, 3, stride=2)
        self.branch7x7x3_1, self.branch7x7x3_2 = Conv(before, 192, 1), Conv(192, 192, (1, 7))
        self.branch7x7x3_3 = Conv(192, 192, (7, 1))
        self.branch7x7x3_4 = Conv(192, 192, 3, stride=2)

    def forward(self, x: Tensor) -> Tensor:
        seven = self.branch7x7x3_3(self.branch7x7x3_2(self.branch7x7x3_1(x)))
        three = self.branch3x3_2(self.branch3x3_1(x))
        return torch.cat([three, self.branch7x7x3_4(seven), F.max_pool2d(x, 3, stride=2)], 1)


class InceptionE(nn.Module):
    """max_pool: the last block of the graph pools by maximum, the one before by mean."""

    def __init__(self, before: int, *, max_pool: bool) -> None:
        super().__init__()
        self.max_pool = max_pool
        self.branch1x1 = Conv(before, 320, 1)
        self.branch3x3_1 = Conv(before, 384, 1)
        self.branch3x3_2a, self.branch3x3_2b = Conv(384, 384, (1, 3)), Conv(384, 384, (3, 1))
        self.branch3x3dbl_1, self.branch3x3dbl_2 = Conv(before, 448, 1), Conv(448, 384, 3)
        self.branch3x3dbl_3a = Conv(384, 384, (1, 3))
        self.branch3x3dbl_3b = Conv(384, 384, (3, 1))
        self.branch_pool = Conv(before, 192, 1)

    def forward(self, x: Tensor) -> Tensor:
        one = self.branch3x3_1(x)
        two = self.branch3x3dbl_2(self.branch3x3dbl_1(x))
        pooled = F.max_pool2d(x, 3, stride=1, padding=1) if self.max_pool else _mean_pool(x)
        parts = [self.branch1x1(x), self.branch3x3_2a(one), self.branch3x3_2b(one)]
        parts += [self.branch3x3dbl_3a(two), self.branch3x3dbl_3b(two), self.branch_pool(pooled)]
        return torch.cat(parts, 1)


class InceptionV3(nn.Module):
    """(B, 3, 299, 299) in about [-1, 1] -> (B, 2048), the features of FID (`pool3`)."""

    def __init__(self) -> None:
        super().__init__()
        self.Conv2d_1a_3x3 = Valid(3, 32, 3, stride=2)
        self.Conv2d_2a_3x3 = Valid(32, 32, 3)
        self.Conv2d_2b_3x3 = Conv(32, 64, 3)
        self.Conv2d_3b_1x1 = Valid(64, 80, 1)
        self.Conv2d_4a_3x3 = Valid(80, 192, 3)
        self.Mixed_5b = InceptionA(192, 32)
        self.Mixed_5c = InceptionA(256, 64)
        self.Mixed_5d = InceptionA(288, 64)
        self.Mixed_6a = InceptionB(288)
        self.Mixed_6b = InceptionC(768, 128)
        self.Mixed_6c = InceptionC(768, 160)
        self.Mixed_6d = InceptionC(768, 160)
        self.Mixed_6e = InceptionC(768, 192)
        self.Mixed_7a = InceptionD(768)
        self.Mixed_7b = InceptionE(1280, max_pool=False)
        self.Mixed_7c = InceptionE(2048, max_pool=True)
        self.fc = nn.Linear(2048, 1008)  # of the weight files; FID does not use it

    def forward(self, x: Tensor) -> Tensor:
        x = self.Conv2d_2b_3x3(self.Conv2d_2a_3x3(self.Conv2d_1a_3x3(x)))
        x = F.max_pool2d(x, 3, stride=2)
        x = self.Conv2d_4a_3x3(self.Conv2d_3b_1x1(x))
        x = F.max_pool2d(x, 3, stride=2)
        x = self.Mixed_5d(self.Mixed_5c(self.Mixed_5b(x)))
        x = self.Mixed_6c(self.Mixed_6b(self.Mixed_6a(x)))
        x = self.Mixed_6e(self.Mixed_6d(x))
        x = self.Mixed_7c(self.Mixed_7b(self.Mixed_7a(x)))
        return x.mean((2, 3))


class FidInception:
    """The canonical extractor: uint8 pictures of any size -> (B, 2048) float32.

    resize: "legacy-tf" (TensorFlow 1's bilinear without antialiasing, the reference of FID) or
    "clean" (PIL's bicubic in float, Parmar et al. 2022).
    """

    name, batch = "fid-inception-v3", 16

    def __init__(self, weights: Path, *, resize: str = "legacy-tf") -> None:
        if resize not in RESIZES:
            raise UserError(f"no resize {resize!r}: choose from {', '.join(RESIZES)}")
        self.resize = f"{resize} to {SIDE} px"
        self._front = RESIZES[resize]
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
        return self.net((torch.cat([self._front(p) for p in pictures]) - 128) / 128)


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
