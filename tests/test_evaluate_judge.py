"""The nearest-mean judge on clusters whose answer is known."""

import pytest
import torch

from ediffi.core.errors import UserError
from ediffi.evaluate.extractor import EfficientNetLite0
from ediffi.evaluate.judge import ConceptJudge


def clusters(per_class: int, seed: int) -> tuple[torch.Tensor, list[str]]:
    """Ten classes in 32 dimensions, far from the origin, less spread than apart."""
    generator = torch.Generator().manual_seed(0)
    centres = 50 + torch.randn(10, 32, generator=generator)
    noise = torch.randn(10, per_class, 32, generator=generator.manual_seed(seed))
    features = (centres[:, None] + 0.4 * noise).flatten(0, 1)
    return features, [f"c{i // per_class}" for i in range(10 * per_class)]


def test_unseen_members_are_told_apart() -> None:
    judge = ConceptJudge.fit(*clusters(5, seed=1))
    features, labels = clusters(20, seed=2)
    assert judge.accuracy(features, labels, 1) > 0.95
    shuffled = labels[20:] + labels[:20]
    assert judge.accuracy(features, shuffled, 1) < 0.05
    assert judge.accuracy(features, shuffled, 10) == 1.0


def test_best_comes_first() -> None:
    judge = ConceptJudge.fit(*clusters(5, seed=1))
    top = judge.top_k(clusters(1, seed=3)[0], 3)
    assert [row[0] for row in top] == [f"c{i}" for i in range(10)]
    assert all(len(set(row)) == 3 for row in top)


def test_labels_must_match_features() -> None:
    with pytest.raises(ValueError, match="10 features, but 9"):
        ConceptJudge.fit(torch.zeros(10, 4), ["a"] * 9)


def test_features_do_not_depend_on_batches() -> None:
    extractor = EfficientNetLite0()
    assert len(extractor.hash) == 64
    images = torch.rand(3, 3, 64, 64, generator=torch.Generator().manual_seed(0)) * 2 - 1
    together, alone = extractor(images), extractor(images, batch=1)
    assert together.shape == (3, 1280)
    assert torch.allclose(together, alone, atol=1e-4)
    assert float((together[0] - together[1]).norm()) > 0.1


def test_without_the_extra_the_user_is_told_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "efficientnet_lite_pytorch", None)
    with pytest.raises(UserError, match=r"ediffi\[evaluate\]"):
        EfficientNetLite0()
