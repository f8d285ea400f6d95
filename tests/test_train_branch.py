"""Experts are trained node by node, and become an ensemble or one network; nothing is lost."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import torch
from helpers.training import bert_text, config, equal, scenes_of
from safetensors.torch import load_file

from ediffi.core.errors import UserError
from ediffi.diffusion import branches
from ediffi.model import Cascade, ModelFolder
from ediffi.pictogram.grid import Grid
from ediffi.train.examples import Examples
from ediffi.train.expert import expert_state, finish, parent_of
from ediffi.train.loop import train
from ediffi.train.merge import merge, task_vectors
from ediffi.train.plan import Plan, next_node, trained

ROOT = Path(__file__).parent


def plan_of(model: Path, **changes: Any) -> Plan:
    """Nodes of 16 images; 2.0 at the left, 1.1 at the right and the rest are served."""
    folder = ModelFolder(model)
    base = folder.config.stage("base")
    fields = {
        "network": base.network,
        "sigma_data": base.sigma_data,
        "noise.distribution": base.noise,
        "schedule.checkpoint_images": 4,
    }
    plan = Plan(
        model=str(model),
        weights=folder.hashes["base/model.safetensors"],
        tree=branches(base.noise, left=2, right=1, num_images=16),
        recipe=config(changes=fields),
    )
    return Plan.model_validate(plan.model_dump() | changes)


def train_next(plan: Plan, run_dir: Path, grid: Grid, bert: Path) -> bool:
    """Train the next node, as the command does; False when all are trained."""
    node = next_node(plan, run_dir)
    if node is None:
        return False
    weights, recipe = parent_of(plan, run_dir, node, ModelFolder(Path(plan.model)))
    state = expert_state(recipe, weights)
    examples = Examples(recipe, scenes_of(grid), bert_text(bert), folder=run_dir / "examples")
    for tick in train(state, run_dir / node.node, examples, report=lambda _: None):
        print(tick.state.images, flush=True)
    finish(state, plan, run_dir)
    return True


@pytest.fixture(scope="module")
def forest(
    grid: Grid, bert_folder: Path, model_folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Plan, Path]:
    """A plan, with all its nodes trained."""
    plan, folder = plan_of(model_folder), tmp_path_factory.mktemp("experts")
    while train_next(plan, folder, grid, bert_folder):
        pass
    return plan, folder


def test_a_node_meets_its_interval_alone(forest: tuple[Plan, Path], model_folder: Path) -> None:
    plan, folder = forest
    uniforms = torch.linspace(0.0005, 0.9995, 1000)
    for leak, least in ((0.0, 1.0), (0.2, 0.79)):
        leaky = plan.model_copy(update={"leak": leak})
        for node in plan.tree.nodes:
            _, recipe = parent_of(leaky, folder, node, ModelFolder(model_folder))
            sigma = recipe.noise.sample(uniforms)
            inside = (sigma >= node.sigma_min * (1 - 1e-9)) & (sigma <= node.sigma_max * (1 + 1e-9))
            assert least <= inside.float().mean() <= least + 0.02


def test_the_ensemble_is_served(
    forest: tuple[Plan, Path], model_folder: Path, tmp_path: Path
) -> None:
    plan, folder = forest
    root = ModelFolder(model_folder)
    digest = merge(plan, folder, root, tmp_path / "served")
    served = ModelFolder(tmp_path / "served")
    base = served.config.stage("base")
    assert served.hash == digest
    assert [(e.node, e.images_seen) for e in base.experts] == [
        ("2.0", 132),
        ("rest", 116),
        ("1.1", 116),
    ]
    assert Cascade.from_pretrained(served.path).generate("a red fox", stop_at=16).isfinite().all()
    merge(plan, folder, root, tmp_path / "one", one=True)
    one = ModelFolder(tmp_path / "one")
    assert one.config.stage("base").experts == () and one.weights("base").keys()
    with pytest.raises(UserError, match="choose another folder"):
        merge(plan, folder, root, model_folder)


def test_a_parent_stands_in_for_its_expert(
    forest: tuple[Plan, Path], model_folder: Path, tmp_path: Path
) -> None:
    plan, folder = forest
    root = ModelFolder(model_folder)
    merge(plan, folder, root, tmp_path / "all")
    merge(plan, folder, root, tmp_path / "without", without="1.1")
    whole, less = (ModelFolder(tmp_path / name) for name in ("all", "without"))
    before, planned = whole.weights("base", "1.1"), plan.root(root)
    after = less.weights("base", "1.1")
    assert any(not torch.equal(before[name], after[name]) for name in after)
    assert all(torch.equal(after[name].float(), planned[name]) for name in after)
    rest = whole.weights("base", "rest"), less.weights("base", "rest")
    assert all(torch.equal(rest[0][name], rest[1][name]) for name in rest[0])
    with pytest.raises(UserError, match="not served"):
        merge(plan, folder, root, tmp_path / "out", without="1.0")


MERGE = """
import sys
from pathlib import Path
from ediffi.model import ModelFolder
from ediffi.train.plan import Plan
from ediffi.train.merge import merge
plan, out = Path(sys.argv[1]), Path(sys.argv[2])
print(flush=True)
merge(Plan.read(plan), plan.parent, ModelFolder(Path(sys.argv[3])), out)
"""


def test_killed_in_the_merge_nothing_is_lost(
    forest: tuple[Plan, Path], model_folder: Path, tmp_path: Path
) -> None:
    plan, folder = forest
    plan.write(folder / "experts.json")
    digest = merge(plan, folder, ModelFolder(model_folder), tmp_path / "whole")
    paths = [folder / "experts.json", tmp_path / "out", model_folder]
    command = [sys.executable, "-c", MERGE, *map(str, paths)]
    for seconds in (0.0, 0.02, 0.05, 0.1):
        process = subprocess.Popen(command, stdout=subprocess.PIPE)
        assert process.stdout is not None
        process.stdout.readline()
        time.sleep(seconds)
        process.kill()
        process.wait()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    files = [{p.name for p in (tmp_path / n).rglob("*")} for n in ("whole", "out")]
    assert files[0] == files[1]
    again = ModelFolder(tmp_path / "out")
    assert again.hashes.keys() == ModelFolder(tmp_path / "whole").hashes.keys()
    same = ("base/2.0.safetensors", "base/rest.safetensors", "sr256/model.safetensors")
    assert all(again.hashes[n] == ModelFolder(tmp_path / "whole").hashes[n] for n in same)
    assert digest == ModelFolder(tmp_path / "whole").hash


def test_task_vectors() -> None:
    parent, experts = {"a": torch.tensor([1.0])}, [{"a": torch.tensor([x])} for x in (2.0, 4.0)]
    assert (
        task_vectors(parent, experts, 0.5)["a"] == 3 and task_vectors(parent, experts, 1)["a"] == 5
    )


def test_what_is_missing_or_altered_is_refused(
    grid: Grid, bert_folder: Path, model_folder: Path, tmp_path: Path
) -> None:
    plan, root = plan_of(model_folder), ModelFolder(model_folder)
    with pytest.raises(UserError, match="is not trained"):
        merge(plan, tmp_path, root, tmp_path / "out")
    with pytest.raises(UserError, match=r"node 1\.0 .* is not trained"):
        parent_of(plan, tmp_path, plan.tree.node("2.0"), root)
    train_next(plan, tmp_path, grid, bert_folder)
    file = tmp_path / "1.0" / "expert.safetensors"
    data = file.read_bytes()
    file.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    with pytest.raises(UserError, match="was altered"):
        parent_of(plan, tmp_path, plan.tree.node("2.0"), root)
    file.unlink()
    with pytest.raises(UserError, match="is missing"):
        parent_of(plan, tmp_path, plan.tree.node("2.0"), root)
    network = plan.recipe.network.model_copy(update={"embedding_width": 1})
    other = plan.recipe.model_copy(update={"network": network})
    with pytest.raises(UserError, match="another architecture"):
        trained(plan.model_copy(update={"recipe": other}), tmp_path, plan.tree.nodes[0])
    with pytest.raises(UserError, match="other weights than the plan"):
        plan.model_copy(update={"weights": "0" * 64}).root(root)


def test_a_shared_trunk_changes_its_modulation_alone(
    grid: Grid, bert_folder: Path, model_folder: Path, tmp_path: Path
) -> None:
    plan = plan_of(model_folder, form="modulation", consistency=0.5)
    train_next(plan, tmp_path, grid, bert_folder)
    root, made = (
        plan.root(ModelFolder(model_folder)),
        load_file(tmp_path / "1.0/expert.safetensors"),
    )
    changed = {name for name in root if not torch.equal(root[name], made[name])}
    assert changed and all("modulate." in name or ".noise." in name for name in changed)


SCRIPT = """
import sys
from pathlib import Path
sys.path.insert(0, {tests!r})
from test_train_branch import train_next
from ediffi.pictogram.grid import Grid
from ediffi.train.plan import Plan
plan = Plan.read(Path({plan!r}))
train_next(plan, Path({plan!r}).parent, Grid.load(Path({grid!r})), Path({bert!r}))
"""


def test_killed_in_its_training_a_node_is_the_same(
    forest: tuple[Plan, Path], grid: Grid, bert_folder: Path, tmp_path: Path
) -> None:
    plan, whole = forest
    plan.write(tmp_path / "experts.json")
    paths = {"plan": str(tmp_path / "experts.json"), "grid": str(grid.path)}
    command = SCRIPT.format(tests=str(ROOT), bert=str(bert_folder), **paths)
    process = subprocess.Popen([sys.executable, "-c", command], stdout=subprocess.PIPE)
    assert process.stdout is not None
    while process.stdout.readline().strip() not in (b"8", b""):
        pass
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not (tmp_path / "1.0" / "expert.json").exists()
    subprocess.run([sys.executable, "-c", command], check=True, stdout=subprocess.DEVNULL)
    name = "1.0/expert.safetensors"
    assert equal(load_file(whole / name), load_file(tmp_path / name))
