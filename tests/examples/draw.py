"""Pictures of two prompts, as tensors and as files."""

from pathlib import Path

from PIL import Image
from torch import Tensor

import ediffi

cascade = ediffi.Cascade.from_pretrained("pictogram").to("cpu")
pictures: Tensor = cascade(["a red fox", "an owl"], seeds=7, num_images=2, stop_at=64)
files: list[Path] = ediffi.save(pictures, "foxes.png")

shown: list[Image.Image] = cascade.generate("a cat", output="pil", num_steps=[4, 2, 2])
shown[0].thumbnail((64, 64))
ediffi.save(shown, Path("cat.png"))

varied: list[Image.Image] = cascade.vary(shown[0], num_images=4, output="pil")
