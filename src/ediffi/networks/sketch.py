"""What a prompt looks like before there is any noise to look at."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ediffi.core.types import Things
from ediffi.networks.attention import Reading, TransformerBlock, zero_init
from ediffi.networks.context import Context, Drawn
from ediffi.networks.layers import over, placed, spread

SIGMA = 80.0  # the noise level at which a sketch is drawn: where sampling starts
LAYERS = 4  # things that a sketch can have
MARGIN = 0.06  # of a layer around its thing's box, on each side
SMALL = 0.1  # error of a pixel in [-1, 1] up to which its loss is squared, beyond it absolute
EVEN = 1 / 2  # mean absolute value of pixels that are evenly spread over [-1, 1]
LEAST = 0.02  # side of a layer's box, as a share of the canvas
DEPTH = 2  # residual blocks between words and a layer's drawing


class Sketch(nn.Module):
    """The picture that a prompt tells, from the prompt alone: what is known at sigma = inf.

    A base network has to draw the whole picture from words at high sigma, but few of the sigmas it
    is trained with are high, and the way from words to pixels through a U-Net is long. A sketch is
    trained directly, by regression to the likeliest (`sketch_loss`). It draws in layers: each of a
    few queries finds a thing in the prompt's tokens, says where it stands, and makes a small
    drawing with an alpha channel from the words for it, which is put there (layers as in AIR,
    Eslami et al. 2016). So a thing is learned once, for all places and sizes and whatever is beside
    it; where a phrase is painted, its layer goes there. The U-Net gets the picture on its widest
    grid and each layer's features on its coarsest; both enter through layers that start at zero, so
    older weights stay what they were. It depends on no noise: sampling computes it once per prompt.
    """

    def __init__(
        self,
        channels: int,
        *,
        enter: int,
        patch: int,
        depth: int,
        grid: int,
        side: int,
        drawing: tuple[int, int],
        overlaps: bool,
        embedding_width: int,
        context_width: int,
        head_width: int,
    ) -> None:
        """channels, enter: of the coarsest and of the widest grid; patch: pixels per cell of the
        widest; grid: side of the coarsest; side: of the picture, in pixels; drawing: side of a
        layer's drawing, in pixels, and width of what makes it from words; overlaps: whether layers
        may; if not, they move apart when nobody says where things are."""
        super().__init__()
        self.side, self.grid, self.patch, self.overlaps = side, grid, patch, overlaps
        self.drawing_side, width = drawing
        self.layers = nn.Parameter(0.5 * torch.randn(1, channels, 1, LAYERS + 1))  # and backdrop
        self.pooled = nn.Linear(embedding_width, channels)
        self.blocks = nn.ModuleList(
            TransformerBlock(
                channels,
                embedding_width=embedding_width,
                context_width=context_width,
                head_width=head_width,
                self_attention=True,
            )
            for _ in range(depth)
        )
        self.norm = nn.LayerNorm(channels)
        self.reading = Reading(channels, context_width, head_width)
        told = channels + embedding_width
        self.place = nn.Linear(channels, 5)  # centre, sides, whether there is a thing
        self.fit = _mlp(channels + 2, channels // 2, 4)  # of a thing to where it is painted
        self.drawing = nn.Sequential(
            nn.Linear(told, width),
            *(_Residual(width) for _ in range(DEPTH)),
            nn.GELU(),
            zero_init(nn.Linear(width, 4 * self.drawing_side**2)),
        )
        self.tint = zero_init(nn.Linear(channels, 12))
        self.backdrop = _mlp(told, channels, 3 * (side // 2) ** 2)
        self.to_coarsest = zero_init(nn.Linear(told, channels))
        self.to_widest = zero_init(nn.Conv2d(3 * patch**2, enter, 3, padding=1))

    def forward(self, context: Context, things: Things | None = None) -> Drawn:
        """things: where they are, where that is known; else where the prompt or a person says."""
        embedding, words = F.silu(context.pooled), context.unpainted()
        words.sigma = context.pooled.new_full((len(embedding),), SIGMA)
        h = self.layers + self.pooled(embedding)[:, :, None, None]
        for block in self.blocks:
            h = block(h, embedding, words)
        h = self.norm(h.flatten(2).transpose(1, 2))  # (B, layers and backdrop, C)
        shares, guess = self.reading(h, words), self.place(h[:, :LAYERS]).float()
        there = guess[..., 4].sigmoid()
        if things is None and (phrases := context.painted_phrases()) is not None:
            shares = apart(shares, phrases, F.pad(there, (0, 1), value=1.0))
        told = torch.cat([h, (shares @ context.words).to(h.dtype)], dim=-1)
        h = h[:, :LAYERS]
        behind = self.backdrop(told[:, LAYERS])
        behind = behind.unflatten(1, (3, self.side // 2, -1))
        boxes, painted = self._boxes(h, guess, shares[:, :LAYERS], context)
        known, shown = boxes, there
        if things is not None:
            known, shown = things.boxes, things.there.float()
        elif not self.overlaps:
            known = spread(boxes, shown > 0.5, painted > 0.5)
        drawings = self._drawings(h, told[:, :LAYERS])
        layers = placed(drawings, known, self.side, margin=MARGIN)
        layers = layers * shown[:, :, None, None, None]
        picture = over(F.interpolate(behind.float(), (self.side, self.side)), layers)
        where = F.adaptive_avg_pool2d(layers[:, :, 3], self.grid).to(h.dtype)
        features = torch.einsum("bkc,bkyx->bcyx", self.to_coarsest(told[:, :LAYERS]), where)
        return Drawn(features, picture, boxes, guess[..., 4], shares[:, :LAYERS], drawings)

    def _boxes(
        self, h: Tensor, guess: Tensor, shares: Tensor, context: Context
    ) -> tuple[Tensor, Tensor]:
        """(B, K, 4) boxes; (B, K) from 0 to 1, whether a layer's place is painted. guess: where it
        would be if nothing were."""
        centre, sides = 0.5 + guess[..., :2], (0.5 + guess[..., 2:4]).clamp_min(LEAST)
        held = guess.new_zeros(guess.shape[:2])
        painted = context.painted()
        if painted is not None:
            seen = shares @ painted  # (B, K, 5)
            share = seen[..., 4:].clamp_min(1e-6)
            corner, room = seen[..., :2] / share, (seen[..., 2:4] / share).clamp_min(LEAST)
            move = self.fit(torch.cat([h, room.to(h.dtype)], dim=-1)).float()
            here = (2 * seen[..., 4:]).clamp_max(1)  # half of its attention is enough
            centre = centre + here * (corner + room * (0.5 + move[..., :2]) - centre)
            sides = sides + here * (room * move[..., 2:].exp() - sides)
            held = here[..., 0]
        return torch.cat([centre - sides / 2, sides], dim=-1), held

    def _drawings(self, h: Tensor, told: Tensor) -> Tensor:
        """(B, K, 4, side, side) float32: red, green and blue, multiplied by alpha, and alpha."""
        drawn = self.drawing(told).float().unflatten(2, (4, self.drawing_side, -1))
        colours, alpha = drawn[:, :, :3], drawn[:, :, 3:].sigmoid()
        turn, shift = self.tint(h).float().split((9, 3), dim=-1)
        turned = torch.einsum("bkij,bkjyx->bkiyx", turn.unflatten(2, (3, 3)), colours)
        colours = colours + turned + shift[..., None, None]
        return torch.cat([colours * alpha, alpha], dim=2)

    def at_coarsest(self, drawn: Drawn, size: torch.Size) -> Tensor:
        """What is added on the U-Net's coarsest grid of that (H, W)."""
        return _fitted(drawn.features, size)

    def at_widest(self, drawn: Drawn, size: torch.Size) -> Tensor:
        """What is added on the U-Net's widest grid of that (H, W); only to be read there."""
        pixels = torch.Size((size[0] * self.patch, size[1] * self.patch))
        picture = _fitted(drawn.picture.detach(), pixels)
        return self.to_widest(F.pixel_unshuffle(picture, self.patch))


class _Residual(nn.Module):
    """x + MLP(LayerNorm(x)); x at the start."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.change = nn.Sequential(nn.LayerNorm(width), *_mlp(width, 3 * width // 2, width))

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = x + self.change(x)
        return out


def apart(shares: Tensor, phrases: Tensor, there: Tensor) -> Tensor:
    """Attention after every painted phrase has got a query of its own, as far as there are enough.

    Where several things are named, one query may look at two of them, and then draws a blend, or
    two at one, and a thing is missing. Paint says what there is: the phrases are given out, most
    attention first, and whoever has one no longer looks at the others.

    Args:
        shares: (B, Q, L) of each query's attention to the tokens; phrases: (B, R, L), 1 where a
            token is of a painted phrase; there: (B, Q), how likely a query draws at all.
    """
    wanted = (shares @ phrases.transpose(1, 2)) * there[..., None]  # (B, Q, R)
    owned, rows = torch.zeros_like(wanted), torch.arange(len(wanted), device=wanted.device)
    for _ in range(min(wanted.shape[1:])):
        best, place = wanted.flatten(1).max(dim=1)
        query, phrase = place // wanted.shape[2], place % wanted.shape[2]
        owned[rows, query, phrase] = (best > 0).float()  # nobody looks at what is not painted
        wanted[rows, query], wanted[rows, :, phrase] = -1.0, -1.0
    kept = shares * (1 - (phrases.amax(1, keepdim=True) - owned @ phrases).clamp_min(0))
    kept = kept / kept.sum(-1, keepdim=True).clamp_min(1e-12)
    return torch.where(owned.any(2, keepdim=True), kept, shares)


def sketch_loss(picture: Tensor, clean: Tensor) -> Tensor:
    """Pseudo-Huber error against `clean` (B, 3, H, W), (B,); an empty sketch gets about 1."""
    return _pseudo_huber(picture.float() - _fitted(clean, picture.shape[2:])).flatten(1).mean(1)


def drawing_loss(drawn: Drawn, things: Things) -> Tensor:
    """Pseudo-Huber error of each layer's drawing against its thing's, (B,).

    On the canvas a thing counts by its area and lies on a background that says nothing of it; here
    a small thing teaches as much as a large one, in all its detail.
    """
    assert drawn.drawings is not None
    there = things.there.float()
    error = _pseudo_huber(drawn.drawings.float() - things.drawings).mean((2, 3, 4))
    return (error * there).sum(1) / there.sum(1).clamp_min(1)


def _pseudo_huber(error: Tensor) -> Tensor:
    """sqrt(e^2 + c^2) - c (Charbonnier et al. 1994; as in Song and Dhariwal 2023), over EVEN.

    Squared error's minimum is the mean of all that a prompt may mean, the average of two styles;
    absolute error's is the median, the likelier of the two, with its flat colours and its edges.
    """
    return ((error.square() + SMALL**2).sqrt() - SMALL) / EVEN


def layout_loss(drawn: Drawn, things: Things, context: Context) -> Tensor:
    """How far a sketch's layers are from the things they should be, (B,): their boxes (absolute
    error of centres and sides), whether they are there (cross-entropy), and the words they are
    about (-log of the share of attention that is on the thing's tokens)."""
    assert drawn.boxes is not None and drawn.there is not None and drawn.shares is not None
    there = things.there.float()
    count = there.sum(1).clamp_min(1)
    error = (_centred(drawn.boxes) - _centred(things.boxes)).abs().sum(-1)
    presence = F.binary_cross_entropy_with_logits(drawn.there, there, reduction="none").mean(1)
    tokens = context.marked(things.columns, things.there.shape[1])
    share = (drawn.shares * tokens).sum(-1)
    astray = -(share + 1e-3).log() * tokens.any(-1)
    return ((error + astray) * there).sum(1) / count + presence


def _centred(boxes: Tensor) -> Tensor:
    corner, sides = boxes.float().chunk(2, dim=-1)
    return torch.cat([corner + sides / 2, sides], dim=-1)


def _mlp(enter: int, hidden: int, leave: int) -> nn.Sequential:
    return nn.Sequential(nn.Linear(enter, hidden), nn.GELU(), zero_init(nn.Linear(hidden, leave)))


def _fitted(x: Tensor, size: torch.Size) -> Tensor:
    return x if x.shape[2:] == size else F.interpolate(x, size, mode="bilinear")
