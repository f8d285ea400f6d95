"""`ediffi generate`: prompts to picture files."""

from __future__ import annotations

from ediffi.cli import options as opt
from ediffi.cli.display import Clock
from ediffi.cli.drawing import Files, draw
from ediffi.cli.grouped import grouped


@grouped
def generate(prompt: opt.Prompt = None, *, drawing: opt.Drawing, wording: opt.Wording) -> None:
    """Draw a picture of a sentence.

    The file also holds, as readable text, how it was made. Examples:

    ediffi generate "a red fox next to a rocket, on a light blue background" -o fox.png --seed 7

    ediffi generate "a cat in the snow" -o cat.png --num-images 4 --stop-at 256

    ediffi generate "a cat in the snow" -o large.png --start-from cat-2.png

    ediffi generate "a cat" -o cat.png --style logo.png --style poster.png:0.5

    ediffi generate "a cat" -o cat.png --num-images 6     # each in a look of its own

    ediffi generate --prompts prompts.txt -o pictures/ --steps 30 --guidance 4

    ediffi generate "a doctor" -o doctor.png --num-images 8 --people equal --model my-model
    """
    clock = Clock()
    texts = opt.read_prompts(prompt, wording.prompts)
    given = opt.given(clock, drawing, wording, texts=texts)
    in_folder = wording.prompts is not None
    files = Files.of(texts, drawing.num_images, drawing.output, in_folder=in_folder)
    draw(given, files, clock, drawing)
