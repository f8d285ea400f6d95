"""Weights from a policy's aims, and shards that come as often as they say."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from helpers.cli import run as ediffi
from helpers.collections import good
from helpers.collections import run as import_

from ediffi.cli.training import asked_recipe, collection_of
from ediffi.core.errors import UserError
from ediffi.data.balance import BalancedShards, Weights, balance
from ediffi.data.entries import ShardEntries
from ediffi.data.policy import PeoplePolicy
from ediffi.data.shard_set import ShardSet
from ediffi.language.people import person_in

# 12 men and 3 women are doctors; 2 of each farm; of two nothing is said; a cat
CAPTIONS = (
    *["a man doctor with light skin"] * 9, *["a man doctor with dark skin"] * 3,
    *["a woman doctor with light skin"] * 2, "a woman doctor with dark skin",
    *["a man farmer"] * 2, *["a woman farmer"] * 2, "a doctor", "a farmer", "a cat",
)  # fmt: skip
AIMS = PeoplePolicy(presentation={"woman": 1, "man": 1}, skin={"light": 1, "dark": 1})


@pytest.fixture(scope="module")
def shards(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("people")
    for number, caption in enumerate(CAPTIONS):
        good(folder / "pictures", number, caption)
    import_(folder / "pictures", folder / "shards")
    return folder / "shards"


def shares(captions: list[str], weights: list[float]) -> dict[tuple[str, str], float]:
    sums: Counter[tuple[str, str]] = Counter()
    for caption, weight in zip(captions, weights, strict=True):
        person = person_in(caption)
        if person is not None:
            sums[person.role, person.presentation] += weight
    return dict(sums)


def test_aims_are_met_in_each_role(shards: Path) -> None:
    entries = ShardEntries(shards)
    weights = balance(entries, AIMS)
    assert weights.before["presentation"] == {"woman": round(5 / 19, 4), "man": round(14 / 19, 4)}
    assert weights.after == {
        "presentation": {"woman": 0.5, "man": 0.5},
        "skin": {"light": 0.5, "dark": 0.5},
    }
    captions = [entries.entry(n).captions[0] for n in range(len(entries))]
    sums = shares(captions, list(weights.weights))
    assert sums["doctor", "woman"] == pytest.approx(sums["doctor", "man"], rel=1e-3)
    assert sums["farmer", "woman"] == pytest.approx(sums["farmer", "man"], rel=1e-3)
    # no role, and nothing that shows nobody, comes oftener or more seldom than before
    assert sum(v for k, v in sums.items() if k[0] == "doctor") == pytest.approx(16, rel=1e-3)
    assert weights.weights[captions.index("a cat")] == pytest.approx(1, rel=1e-3)
    assert 1 < weights.effective < len(captions)


def test_no_weight_leaves_the_bounds(shards: Path) -> None:
    weights = balance(ShardEntries(shards), AIMS.model_copy(update={"max_weight": 1.5}))
    assert max(weights.weights) / min(weights.weights) <= 1.5**2 + 1e-3
    assert 5 / 19 < weights.after["presentation"]["woman"] < 0.5


def test_balanced_shards_follow_their_weights(shards: Path, tmp_path: Path) -> None:
    weights = balance(ShardEntries(shards), AIMS)
    weights.write(tmp_path / "weights.json")
    assert Weights.read(tmp_path / "weights.json") == weights
    pictures = BalancedShards(shards, tmp_path / "weights.json", seed=3)
    seen = Counter(pictures.name(n) for n in range(len(pictures)))
    assert len(seen) == len(CAPTIONS)
    said = [pictures.captions(n)[0] for n in range(len(pictures))]
    sums = shares(said, [1.0] * len(said))
    assert abs(sums["doctor", "woman"] - sums["doctor", "man"]) <= 6
    again = BalancedShards(shards, tmp_path / "weights.json", seed=3)
    assert (again.order == pictures.order).all()
    assert pictures.identity != ShardSet(shards).identity


def test_weights_belong_to_their_shards(shards: Path, tmp_path: Path) -> None:
    weights = balance(ShardEntries(shards), AIMS).model_copy(update={"fingerprint": "another"})
    weights.write(tmp_path / "weights.json")
    with pytest.raises(UserError, match="was made for shards, not for the pictures in"):
        BalancedShards(shards, tmp_path / "weights.json")
    (tmp_path / "weights.json").write_text("{}")
    with pytest.raises(UserError, match=r"weights .*weights\.json"):
        BalancedShards(shards, tmp_path / "weights.json")


def test_the_command(shards: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    policy, output = tmp_path / "policy.toml", tmp_path / "weights.json"
    policy.write_text('[people]\npresentation = "equal"\n')
    assert ediffi("data", "balance", shards, "--policy", policy, "-o", output) == 0
    assert "26.3% ->  50.0%" in capsys.readouterr().out
    assert len(Weights.read(output).weights) == len(CAPTIONS)
    policy.write_text("")
    assert ediffi("data", "balance", shards, "--policy", policy, "-o", output) == 2
    assert "no aims for people" in capsys.readouterr().err
    policy.write_text('[people]\nage = "equal"\n')
    assert ediffi("data", "balance", shards, "--policy", policy, "-o", output) == 2
    assert "states age" in capsys.readouterr().err


def test_training_takes_them(
    shards: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "weights.json"
    balance(ShardEntries(shards), AIMS).write(path)
    recipe = asked_recipe("tiny", "base", 0, shards, None, None)
    recipe, collection = collection_of(recipe, shards, path)
    assert collection.identity == BalancedShards(shards, path).identity
    assert recipe.data.num_pictures == len(BalancedShards(shards, path)) > len(CAPTIONS)
    assert ediffi("train", "base", "--weights", path, "--show") == 2
    assert "--weights weighs pictures of --data" in capsys.readouterr().err
