"""Named shapes: `tiny` for tests, `pictogram` for the default model, `paper` for eDiff-I's own."""

from __future__ import annotations

from ediffi.networks.config import EnlargerConfig, Level, UNetConfig

# token widths: what fills the roles in each preset
PICTOGRAM_ROLES = {"t5": 384, "clip_text": 256, "clip_image": 256}
PAPER_ROLES = {"t5": 4096, "clip_text": 768, "clip_image": 768}
TINY_ROLES = {"t5": 32, "clip_text": 32, "clip_image": 32}


def _levels(*shapes: tuple[int, int, int]) -> tuple[Level, ...]:
    return tuple(Level(channels=c, num_blocks=n, depth=d) for c, n, d in shapes)


# The widest level must carry more than the 3 * 4 * 4 numbers of a folded cell: at low sigma the
# network's target is the noise itself, and what the channels cannot hold stays as grain.
_PICTOGRAM_UPSCALER = UNetConfig(
    levels=_levels((64, 1, 0), (96, 1, 0), (128, 1, 1)),
    roles=PICTOGRAM_ROLES,
    patch=4,
    scale=4,
    context_width=192,
    embedding_width=192,
    head_width=32,
    prior=EnlargerConfig(channels=64, depth=4),
)
_TINY_UPSCALER = UNetConfig(
    levels=_levels((16, 1, 0), (16, 1, 1)),
    roles=TINY_ROLES,
    patch=4,
    scale=4,
    context_width=16,
    embedding_width=16,
    head_width=8,
    prior=EnlargerConfig(channels=16, depth=1),
)
_PAPER_UPSCALER = UNetConfig(
    levels=_levels((128, 2, 0), (256, 4, 0), (512, 8, 0), (512, 8, 1)),
    roles=PAPER_ROLES,
    scale=4,
    context_width=1024,
    embedding_width=512,
)

# (channels, blocks, transformer depth) from the widest grid to the coarsest; `paper` follows
# eDiff-I's appendix A as far as it is remembered, not read: 3 blocks and attention at 32, 16 and 8
# in the base, cross-attention alone on the coarsest level of the upscalers.
PRESETS: dict[str, dict[str, UNetConfig]] = {
    "tiny": {
        "base": UNetConfig(
            levels=_levels((16, 1, 0), (16, 1, 1)),
            roles=TINY_ROLES,
            patch=2,
            context_width=16,
            embedding_width=16,
            head_width=8,
            grid=4,
        ),
        "sr256": _TINY_UPSCALER,
        "sr1024": _TINY_UPSCALER,
    },
    "pictogram": {
        "base": UNetConfig(
            # wide convolutions on few cells, which a CPU with matrix tiles does fastest
            levels=_levels((256, 1, 0), (384, 1, 2)),
            roles=PICTOGRAM_ROLES,
            patch=4,
            middle_depth=2,
            context_width=384,
            embedding_width=384,
            grid=8,
        ),
        "sr256": _PICTOGRAM_UPSCALER,
        "sr1024": _PICTOGRAM_UPSCALER,
    },
    "paper": {
        "base": UNetConfig(
            levels=_levels((256, 3, 0), (512, 3, 1), (1024, 3, 1), (1024, 3, 1)),
            roles=PAPER_ROLES,
            middle_depth=1,
            context_width=1024,
            embedding_width=1024,
        ),
        "sr256": _PAPER_UPSCALER,
        "sr1024": _PAPER_UPSCALER,
    },
}
STAGES = ("base", "sr256", "sr1024")
RESOLUTIONS = {"base": 64, "sr256": 256, "sr1024": 1024}
