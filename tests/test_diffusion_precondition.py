"""EDM preconditioning: what F sees and what it must answer has unit variance."""

import pytest
import torch
from torch import Tensor, nn

from ediffi.core.types import Prompt, StageInput
from ediffi.diffusion import EDM, ResidualEDM, edm_loss, edm_weight, enlarge, gaussian, noised

SIGMAS = [0.01, 0.5, 3.0, 80.0]
COND = StageInput(Prompt({}, {"t5": torch.ones(1, dtype=torch.bool)}))
SD = 0.4


class Record(nn.Module):
    """F that answers `value` and keeps what it saw."""

    def __init__(self, value: float = 0.0) -> None:
        super().__init__()
        self.value = value

    def forward(self, x: Tensor, noise_level: Tensor, cond: StageInput) -> Tensor:
        self.x, self.noise_level = x, noise_level
        return torch.full_like(x, self.value, dtype=torch.bfloat16)

    def known(self, cond: StageInput, size: tuple[int, int]) -> Tensor:
        assert cond.low_res is not None
        return enlarge(cond.low_res, size)


@pytest.mark.parametrize("sigma", SIGMAS)
def test_inputs_and_targets_have_unit_variance(sigma: float) -> None:
    clean = SD * gaussian(range(4), (3, 64, 64), "clean")
    level = torch.full((4,), sigma)
    x = noised(clean, gaussian(range(4), (3, 64, 64), "noise"), level)
    network = Record()
    skip = EDM(network, SD)(x, level, COND)
    assert float(network.x.std()) == pytest.approx(1.0, abs=0.02)
    assert torch.allclose(network.noise_level, level.log() / 4)
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


def test_pseudo_huber_loss_is_squared_where_small_and_absolute_where_large() -> None:
    clean, sigma, c = torch.zeros(3, 3, 4, 4), torch.full((3,), 0.5), 0.1
    off = torch.tensor([1e-3, 0.05, 100.0]).view(3, 1, 1, 1).expand_as(clean)
    error = off.flatten(1)[:, 0].double() * edm_weight(sigma, SD).double().sqrt()  # that of F
    small, middle, large = edm_loss(off, clean, sigma, SD, c).tolist()
    assert small == pytest.approx(float(error[0]) ** 2 / (2 * c), rel=1e-2)
    assert middle == pytest.approx(float((error[1] ** 2 + c**2).sqrt()) - c, rel=1e-4)
    assert large == pytest.approx(float(error[2]) - c, rel=1e-4)


def test_residual_denoiser_draws_only_what_is_not_known() -> None:
    low_res, sigma = gaussian([0, 1], (3, 4, 4), "low"), torch.tensor([0.1, 2.0])
    cond = StageInput(COND.prompt, low_res, torch.zeros(2))
    up, network = enlarge(low_res, (16, 16)), Record()
    missing = gaussian([0, 1], (3, 16, 16), "missing")
    x0 = ResidualEDM(network, SD)(up + missing, sigma, cond)
    total = (sigma**2 + SD**2).view(-1, 1, 1, 1)
    assert torch.allclose(x0, up + missing * SD**2 / total, atol=1e-5)
    assert torch.allclose(network.x, missing / total.sqrt(), atol=1e-4)


def test_enlarging_keeps_flat_colours_and_means() -> None:
    assert torch.allclose(enlarge(torch.full((1, 3, 8, 8), 0.3), (32, 32)), torch.tensor(0.3))
    ramp = torch.linspace(-1, 1, 16).expand(1, 3, 16, 16)
    assert float(enlarge(ramp, (64, 64)).mean()) == pytest.approx(0.0, abs=1e-6)
