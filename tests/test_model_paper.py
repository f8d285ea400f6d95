"""The paper's conditioning widths, 4096 (T5-XXL) and 768 (CLIP ViT-L/14), saved by transformers."""

from __future__ import annotations

from pathlib import Path

import torch
from helpers.texts import save_tokenizer
from PIL import Image

from ediffi.encoders import EncoderSpec, Style, make_prompt
from ediffi.model import Cascade, ModelConfig, Sampling, Stage, StageConfig
from ediffi.networks import Level, UNetConfig, build_denoiser
from ediffi.networks.presets import PAPER_ROLES


def save_encoders(folder: Path) -> None:
    from transformers import CLIPConfig, CLIPModel, T5Config, T5EncoderModel

    size = save_tokenizer(folder / "t5", max_length=512)
    save_tokenizer(folder / "clip", max_length=77)
    torch.manual_seed(0)
    t5 = T5Config(vocab_size=size, d_model=4096, d_kv=8, d_ff=8, num_layers=1, num_heads=2)
    T5EncoderModel(t5).save_pretrained(folder / "t5")
    tower = {"hidden_size": 768, "intermediate_size": 8, "num_hidden_layers": 1}
    marks = {"vocab_size": size, "pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2}
    clip = CLIPConfig(
        text_config=tower | marks,
        vision_config=tower | {"image_size": 28, "patch_size": 14},
        projection_dim=768,
    )
    CLIPModel(clip).save_pretrained(folder / "clip")


def test_all_three_encoders_reach_the_picture(tmp_path: Path) -> None:
    save_encoders(tmp_path)
    network = UNetConfig(
        levels=(Level(channels=64, depth=1),),
        roles=PAPER_ROLES,
        patch=4,
        context_width=64,
        embedding_width=64,
    )
    config = StageConfig(
        name="base",
        resolution=16,
        network=network,
        sigma_data=0.5,
        sampling=Sampling(num_steps=2, sigma_min=0.1, sigma_max=10, guidance_scale=2.0),
    )
    denoiser = build_denoiser(network, 0.5)
    for parameter in denoiser.parameters():
        torch.nn.init.normal_(parameter, std=0.05)
    stage = Stage(config, denoiser)
    encoders = {
        "t5": EncoderSpec(kind="text", source="t5"),
        "clip_text": EncoderSpec(kind="clip_text", source="clip"),
        "clip_image": EncoderSpec(kind="clip_image", source="clip"),
    }
    model = ModelConfig(name="paper-like", stages=(config,), encoders=encoders)
    cascade = Cascade(model, lambda _: stage, root=tmp_path)
    both = cascade.generate("a red fox", dtype=torch.float32)
    assert both.shape == (1, 3, 16, 16)
    for role in ("t5", "clip_text"):
        assert not torch.equal(both, cascade.generate("a red fox", use=[role], dtype=torch.float32))

    def with_style(colour: str) -> torch.Tensor:
        styles = [Style.of(Image.new("RGB", (28, 28), colour))]
        steps = stage.sample(make_prompt(cascade.encoders, ["a red fox"], styles=styles), [0])
        while True:
            try:
                next(steps)
            except StopIteration as done:
                return torch.as_tensor(done.value)

    assert not torch.equal(with_style("red"), with_style("blue"))
