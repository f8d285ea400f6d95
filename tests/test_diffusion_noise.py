"""Noise belongs to (seed, stream), never to the batch."""

import pytest
import torch

from ediffi.diffusion import gaussian, stable_hash


def test_batch_mates_and_order_do_not_matter() -> None:
    batch = gaussian([3, 1, 2**70], (3, 8, 8), "base")
    for row, seed in enumerate([3, 1, 2**70]):
        assert torch.equal(gaussian([seed], (3, 8, 8), "base")[0], batch[row])


def test_seeds_and_streams_are_independent() -> None:
    base = gaussian([1, 2, 1 + 2**32], (3, 64, 64), "base").flatten(1)
    other = gaussian([1], (3, 64, 64), "sr256").flatten(1)
    correlation = torch.corrcoef(torch.cat([base, other]))
    assert float((correlation - torch.eye(4)).abs().max()) < 0.04


def test_moments_and_dtype() -> None:
    noise = gaussian([0], (3, 256, 256))
    assert noise.dtype == torch.float32
    assert float(noise.mean()) == pytest.approx(0, abs=0.01)
    assert float(noise.std()) == pytest.approx(1, abs=0.01)
    assert float((noise**4).mean()) == pytest.approx(3, abs=0.1)


def test_hash_is_stable_across_processes_and_versions() -> None:
    assert stable_hash("base", 7) == int.from_bytes(bytes.fromhex(EXPECTED), "little"), (
        "pictures of a seed would change"
    )


EXPECTED = "6b86ce4b80478eb8ec023d6ae35da39f"
