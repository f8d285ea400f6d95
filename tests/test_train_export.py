"""From runs to a model folder that draws."""

from __future__ import annotations

from pathlib import Path

import pytest
from helpers.training import bert_text, config, run, scenes_of

from ediffi.encoders import EncoderSpec
from ediffi.model import Cascade
from ediffi.networks import STAGES
from ediffi.pictogram.grid import Grid
from ediffi.train.export import export_stage, stage_config
from ediffi.train.state import stage_state


def test_stages_in_one_folder_draw_together(grid: Grid, bert_folder: Path, tmp_path: Path) -> None:
    spec, folder = EncoderSpec(kind="text", source=str(bert_folder)), tmp_path / "model"
    scenes, text = scenes_of(grid), bert_text(bert_folder)
    for stage in STAGES:
        settings = config(stage, {"schedule.num_images": 8, "schedule.sample_images": 10**9})
        state = run(settings, tmp_path / stage, scenes, text)
        export_stage(state, scenes, {"t5": spec}, folder)
    said = (folder / "README.md").read_text()
    assert "| MIT | made by a test |" in said and "| share |" in said
    cascade = Cascade.from_pretrained(folder)
    assert [s.name for s in cascade.config.stages] == list(STAGES)
    assert [s.images_seen for s in cascade.config.stages] == [8, 8, 8]
    assert all(s.listens == ("t5",) for s in cascade.config.stages)
    assert cascade.config.vocabulary and cascade.config.data[0].licence == "MIT"
    assert cascade.generate("a fox", seeds=1, stop_at=256).shape == (1, 3, 256, 256)


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_is_what_its_recipe_says(stage: str) -> None:
    settings = config(stage)
    made = stage_config(stage_state(settings))
    assert made.network == settings.network and made.sigma_data == settings.sigma_data
    assert made.sampling == settings.sampling and made.noise == settings.noise.distribution
