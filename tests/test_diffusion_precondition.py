"""EDM preconditioning: what F sees and what it must answer has unit variance."""

import pytest
import torch
from torch import Tensor, nn

from ediffi.core.types import Prompt, StageInput
from ediffi.diffusion import EDM, edm_loss, edm_weight, gaussian, noised

SIGMAS = [0.01, 0.5, 3.0, 80.0]
COND = StageInput(Prompt({}, {"t5": torch.ones(1, dtype=torch.bool)}))
SD = 0.4


class Record(nn.Module):
    """F that answers `value` and keeps what it saw."""

    def __init__(self, value: float = 0.0) -> None:
        super().__init__()
        self.value = value

    def forward(self, x: Tensor, sigma: Tensor, cond: StageInput) -> Tensor:
        self.x, self.sigma = x, sigma
        return torch.full_like(x, self.value, dtype=torch.bfloat16)


@pytest.mark.parametrize("sigma", SIGMAS)
def test_inputs_and_targets_have_unit_variance(sigma: float) -> None:
    clean = SD * gaussian(range(4), (3, 64, 64), "clean")
    level = torch.full((4,), sigma)
    x = noised(clean, gaussian(range(4), (3, 64, 64), "noise"), level)
    network = Record()
    skip = EDM(network, SD)(x, level, COND)
    assert float(network.x.std()) == pytest.approx(1.0, abs=0.02)
    assert torch.equal(network.sigma, level)  # sigma travels as sigma
    out = EDM(Record(1.0), SD)(x, level, COND) - skip
    target = (clean - skip) / out
    assert float(target.std()) == pytest.approx(1.0, abs=0.02)
    # So a network that answers 0 has loss 1 at every sigma.
    assert float(edm_loss(skip, clean, level, SD).mean()) == pytest.approx(1.0, abs=0.04)


def test_optimal_network_is_zero_for_gaussian_data() -> None:
    x, sigma = gaussian([0, 1], (3, 8, 8)), torch.tensor([0.3, 7.0])
    exact = x * (SD**2 / (sigma**2 + SD**2)).view(-1, 1, 1, 1)
    assert torch.allclose(EDM(Record(), SD)(x, sigma, COND), exact)


def test_float32_around_a_bfloat16_network() -> None:
    x = gaussian([0], (3, 8, 8))
    x0 = EDM(Record(0.5), SD)(x, torch.tensor([0.01]), COND)
    assert x0.dtype == torch.float32
    assert float((x0 - x).abs().max()) < 0.01


def test_loss_is_per_sample_and_weighted() -> None:
    clean, sigma = torch.zeros(2, 3, 4, 4), torch.tensor([0.5, 2.0])
    off = torch.stack([torch.full((3, 4, 4), 0.1), torch.full((3, 4, 4), 0.2)])
    expected = torch.tensor([0.01, 0.04]) * (sigma**2 + SD**2) / (sigma * SD) ** 2
    assert torch.allclose(edm_loss(off, clean, sigma, SD), expected)
    assert torch.allclose(edm_weight(sigma, SD), expected / torch.tensor([0.01, 0.04]))


def test_sampling_starts_from_pure_noise() -> None:
    noise = gaussian([0], (3, 4, 4))
    assert torch.equal(EDM(Record(), SD).initial(noise, 3.0, COND), 3 * noise)
