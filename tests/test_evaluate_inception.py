"""FID's network and distance against the reference implementation, on the same random weights."""

from __future__ import annotations

import importlib.machinery
import sys
import types
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
import torch

from ediffi.core.errors import UserError
from ediffi.evaluate.distances import frechet
from ediffi.evaluate.inception import FidInception, InceptionV3, clean, legacy_tf


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(0)
    net = InceptionV3()
    for module in net.modules():
        if isinstance(module, torch.nn.Conv2d):  # so that features differ between pictures
            torch.nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
        if isinstance(module, torch.nn.BatchNorm2d):  # so that a wrong epsilon or order would show
            module.running_mean.normal_(0, 0.1)  # type: ignore[union-attr]
            module.running_var.uniform_(0.5, 2)  # type: ignore[union-attr]
    path = tmp_path_factory.mktemp("inception") / "weights.pth"
    torch.save(net.state_dict(), path)
    return path


def pictures(num: int, side: int, seed: int) -> list[Any]:
    rng = np.random.default_rng(seed)
    rough = rng.integers(0, 256, (num, side // 8, side // 8, 3), np.uint8)
    return list(rough.repeat(8, 1).repeat(8, 2))


def stub_torchvision(monkeypatch: pytest.MonkeyPatch) -> None:
    """Stands where torch-fidelity imports torchvision; its Inception uses none of it."""

    class Anything(types.ModuleType):
        __path__: ClassVar[list[str]] = []

        def __getattr__(self, name: str) -> Any:
            if name.startswith("__"):
                raise AttributeError(name)
            return Anything(f"{self.__name__}.{name}")

        def __mro_entries__(self, bases: tuple[Any, ...]) -> tuple[type, ...]:
            return (object,)

    for name in ("", ".datasets", ".transforms", ".transforms.functional"):
        module = Anything(f"torchvision{name}")
        module.__spec__ = importlib.machinery.ModuleSpec(module.__name__, None)
        monkeypatch.setitem(sys.modules, module.__name__, module)


def test_equal_to_the_reference_implementation(
    weights: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Skipped unless torch-fidelity can be imported. Without torchvision:

    pip install --no-deps --target DIR torch-fidelity==0.4.0
    PYTHONPATH=DIR pytest tests/test_evaluate_inception.py
    """
    if "torchvision" not in sys.modules:
        stub_torchvision(monkeypatch)
    name = "torch_fidelity.feature_extractor_inceptionv3"
    reference = pytest.importorskip(name, exc_type=ImportError)
    from torch_fidelity import metric_fid

    theirs = reference.FeatureExtractorInceptionV3("x", ["2048"], str(weights))
    ours = FidInception(weights)
    features = []
    for seed, side in ((1, 64), (2, 320)):
        block = pictures(6, side, seed)
        batch = torch.from_numpy(np.stack(block)).permute(0, 3, 1, 2)
        expected = theirs(batch)[0]
        got = ours(block)
        worst = float((got - expected).abs().max() / expected.abs().max())
        print(f"{side} px: largest difference {worst:.1e} of the largest feature")
        assert worst < 1e-6
        features.append(got[:, :64])  # their eigenvalues of 2048 features take a minute
    statistics = [metric_fid.fid_features_to_statistics(f) for f in features]
    expected_fid = metric_fid.fid_statistics_to_metric(*statistics, verbose=False)
    expected_fid = expected_fid[metric_fid.KEY_METRIC_FID]
    got_fid = frechet(*features)
    print(f"distance {got_fid!r}, reference {expected_fid!r}")
    assert got_fid == pytest.approx(expected_fid, rel=1e-4)


def test_features_have_the_canonical_shape_and_see_the_picture(weights: Path) -> None:
    features = FidInception(weights, resize="clean")(pictures(2, 64, 0))
    assert features.shape == (2, 2048)
    assert float((features[0] - features[1]).abs().max()) > 0


def test_resizes_differ_and_keep_a_plain_picture() -> None:
    plain = np.full((40, 60, 3), 77, np.uint8)
    for front in (legacy_tf, clean):
        assert front(plain).shape == (1, 3, 299, 299)
        assert torch.allclose(front(plain), torch.tensor(77.0), atol=1e-3)
    edge = pictures(1, 64, 3)[0]
    assert float((legacy_tf(edge) - clean(edge)).abs().max()) > 10
    # TensorFlow 1 puts output pixel i at i * 64 / 299: the first row is the picture's first row
    assert torch.equal(legacy_tf(edge)[0, :, 0, 0], torch.from_numpy(edge[0, 0]).float())


def test_wrong_files_are_named(tmp_path: Path) -> None:
    path = tmp_path / "other.pth"
    torch.save({"weight": torch.zeros(1)}, path)
    with pytest.raises(UserError, match=r"other\.pth does not hold"):
        FidInception(path)
    with pytest.raises(UserError, match="no resize"):
        FidInception(path, resize="bilinear")
