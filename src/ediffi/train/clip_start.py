"""Where a CLIP's picture tower starts: as a small convolution, which a transformer of few pictures
does not find by itself.

A head's last `width` channels hold places and nothing else; its first layer is whitened, and each
head of each layer looks at one neighbour, so that a layer is a 3 x 3 convolution whose middle is
the residual. All of it is free to change (after Trockman and Kolter 2023, "Mimetic Initialization
of Self-Attention Layers", and the impulse filters of Zheng et al. 2024, "Structured Initialization
for Attention in Vision Transformers").

Shape legend: W the tower's width, D of one head, G patches on a side.
"""

from __future__ import annotations

import math
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

WHITENING_FLOOR = 0.01  # added to variances, so that noise is not blown up
CONTENT_SHARE = 0.3  # of the usual weights of queries and keys, for what is no place
PEAK = 3.0  # logit of a head's neighbour, where places and patches are as large
NEIGHBOURS = ((-1, 0), (0, -1), (0, 1), (1, 0), (-1, -1), (-1, 1), (1, -1), (1, 1))  # down, right


@torch.no_grad()
def start_as_convolution(clip: Any, images: Tensor) -> None:
    """Set the patches, places, queries and keys of the picture tower of a `CLIPModel`.

    images: (N, 3, S, S) in [-1, 1], a sample of the data.
    """
    tower = clip.vision_model
    layers = tower.encoder.layers
    head = layers[0].self_attn.head_dim
    start = tower.embeddings
    start.patch_embedding.weight[:] = whitened(
        images, start.patch_embedding.kernel_size[0], tower.config.hidden_size - head, head
    )
    places = start.position_embedding.weight
    places.zero_()
    start.class_embedding[-head:] = 0  # looks everywhere alike: a mean of all patches
    side = math.isqrt(len(places) - 1)
    places[1:, -head:] = waves(side, head)
    for number, layer in enumerate(layers):
        _look_at_neighbours(layer.self_attn, side, number)


def whitened(images: Tensor, size: int, count: int, empty: int) -> Tensor:
    """(count + empty, 3, size, size): the principal components of patches, each scaled to variance
    1, so that edges weigh as much as flat colour; zeros in the last `empty` rows, and where there
    are fewer components than `count`."""
    patches = F.unfold(images, size, stride=size).transpose(1, 2).flatten(0, 1).double()
    values, vectors = torch.linalg.eigh(torch.cov(patches.T))
    values, vectors = values.flip(0)[:count], vectors.flip(1)[:, :count]
    rows = (vectors / (values + WHITENING_FLOOR).sqrt()).T
    rows = F.pad(rows, (0, 0, 0, count + empty - len(rows)))
    return rows.reshape(-1, images.shape[1], size, size).float()


def waves(side: int, width: int) -> Tensor:
    """(side * side, width), variance 1: a sine and a cosine of rows, then of columns, at width / 4
    wavelengths of which a shift is a turn."""
    phase = torch.arange(side)[:, None] * _rates(side, width)
    line = math.sqrt(2) * torch.stack([phase.sin(), phase.cos()], 2).flatten(1)
    down = line[:, None].expand(-1, side, -1)
    return torch.cat([down, down.transpose(0, 1)], 2).flatten(0, 1)


def shift(side: int, width: int, down: int, right: int) -> Tensor:
    """(width, width) that turns the `waves` of a place into those of the place so far from it.

    >>> bool(torch.allclose(waves(4, 8)[5] @ shift(4, 8, 1, 0).T, waves(4, 8)[9], atol=1e-6))
    True
    """
    angles = torch.cat([down * _rates(side, width), right * _rates(side, width)])
    cos, sin = angles.cos(), angles.sin()
    turns = torch.stack([cos, sin, -sin, cos], 1).view(-1, 2, 2)
    return torch.block_diag(*turns)


def _rates(side: int, width: int) -> Tensor:
    return torch.arange(1, width // 4 + 1) * math.pi / (side + 1)


def _look_at_neighbours(attention: Any, side: int, number: int) -> None:
    """Heads take the eight neighbours in turn, and the next layer goes on where this one ends."""
    width, heads = attention.head_dim, attention.num_heads
    gain = (PEAK / math.sqrt(width)) ** 0.5  # a dot of two places is `width`, scaled by its root
    for head in range(heads):
        rows = slice(head * width, (head + 1) * width)
        turn = shift(side, width, *NEIGHBOURS[(number * heads + head) % len(NEIGHBOURS)])
        for layer, matrix in ((attention.q_proj, turn), (attention.k_proj, torch.eye(width))):
            layer.weight[rows] *= CONTENT_SHARE
            layer.weight[rows, -width:] = gain * matrix
