"""The default model as it ships: whole, within its size budget, and able to draw."""

from __future__ import annotations

from pathlib import Path

import torch
from safetensors import safe_open
from torch.utils.flop_counter import FlopCounterMode

from ediffi.core.types import StageDone, StageInput
from ediffi.data.heldout import is_concept_held_out
from ediffi.diffusion import Around
from ediffi.encoders import make_prompt
from ediffi.model import Cascade, ModelFolder, locate
from ediffi.pictogram.composer import vocabulary
from ediffi.pictogram.sources import PICTOGRAM

# a picture of seed 7 in float32, whole and the middle of the next stage's; its file names the model
GOLDEN = Path(__file__).parent / "golden" / "pictogram.safetensors"
# megabytes of bf16, for good: base with all experts, then the upscalers
BUDGET = {"base": 50, "sr256": 10, "sr1024": 10}


def test_every_file_has_its_hash_and_fits_the_budget() -> None:
    folder = ModelFolder(locate("pictogram"))
    assert [stage.name for stage in folder.config.stages] == list(BUDGET)
    for name, megabytes in BUDGET.items():
        assert (folder.path / name / "model.safetensors").stat().st_size < megabytes * 1e6
        assert all(t.dtype == torch.bfloat16 for t in folder.weights(name).values())
    assert folder.config.data and all(source.licence for source in folder.config.data)
    assert (folder.path / "README.md").is_file()


def test_the_card_names_every_source_with_its_attribution_and_share() -> None:
    folder = ModelFolder(locate("pictogram"))
    card = (folder.path / "README.md").read_text()
    known = {f"{p.name} {p.version}": p for p in PICTOGRAM}
    total = sum(source.pictures for source in folder.config.data)
    for source in folder.config.data:
        package, share = known[source.source], f"{source.pictures / total:.1%}"
        said = (source.source, package.licence, package.attribution, f"{source.pictures:,}", share)
        assert f"| {' | '.join(said)} |" in card


def test_no_held_out_concept_is_claimed() -> None:
    assert not any(is_concept_held_out(hexcode) for hexcode in vocabulary())
    claimed = ModelFolder(locate("pictogram")).config.vocabulary
    assert set(claimed) <= set(vocabulary().values())


def test_it_draws_the_readmes_picture() -> None:
    cascade = Cascade.from_pretrained("pictogram")
    prompt = "a red fox on a light blue background"
    small, again = (cascade.generate(prompt, seeds=7, stop_at=64) for _ in range(2))
    assert torch.equal(small, again)
    corners = small[0, :, ::63, ::63].mean(dim=(1, 2))
    assert corners[2] > 0.5 and corners[2] > corners[0] + 0.2  # light blue


def test_the_same_weights_draw_the_same_picture_in_every_version() -> None:
    cascade = Cascade.from_pretrained("pictogram")
    events = cascade.stream(
        "a red fox on a light blue background", seeds=7, stop_at=256, dtype=torch.float32
    )
    drawn = {e.stage: e.images[0] for e in events if isinstance(e, StageDone)}
    drawn["sr256"] = drawn["sr256"][:, 96:160, 96:160]
    with safe_open(GOLDEN, "pt") as golden:
        assert golden.metadata() == {"model": cascade.hash}, "new weights: make the file anew"
        for stage, picture in drawn.items():
            expected = golden.get_tensor(stage).float()
            torch.testing.assert_close(picture, expected, atol=1e-3, rtol=0)


def test_a_pass_of_the_largest_stage_costs_at_most_60_gflop() -> None:
    cascade = Cascade.from_pretrained("pictogram")
    stage, prompt = cascade.stage("sr1024"), make_prompt(cascade.encoders, ["a fox"])
    cond = StageInput(prompt, torch.zeros(1, 3, 256, 256), torch.zeros(1))
    assert isinstance(stage.denoiser, Around)
    with torch.no_grad():
        with FlopCounterMode(display=False) as once:  # kept for all passes of a picture
            stage.denoiser.initial(torch.zeros(1, 3, 1024, 1024), 1.0, cond)
        with FlopCounterMode(display=False) as counter:
            stage.denoiser(torch.zeros(1, 3, 1024, 1024), torch.ones(1), cond)
    assert counter.get_total_flops() < 60e9 and once.get_total_flops() < 60e9
