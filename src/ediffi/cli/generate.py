"""`ediffi generate`: prompts to picture files."""

from __future__ import annotations

from ediffi.cli import options as opt
from ediffi.cli.display import Clock
from ediffi.cli.drawing import Files, draw


def generate(
    prompt: opt.Prompt = None,
    output: opt.Output = None,
    model: opt.Model = "pictogram",
    seed: opt.Seed = None,
    num_images: opt.NumImages = 1,
    stop_at: opt.StopAt = None,
    start_from: opt.StartFrom = None,
    steps: opt.Steps = None,
    guidance: opt.Guidance = None,
    sampler: opt.Sampler = None,
    style_strength: opt.StyleStrength = None,
    style_stages: opt.StyleStages = None,
    safety: opt.Safety = None,
    preview: opt.Preview = False,
    dtype: opt.DType = opt.Precision.bf16,
    tile: opt.Tile = None,
    device: opt.Device = opt.DeviceName.auto,
    show: opt.Open = False,
    prompts: opt.Prompts = None,
    use: opt.Use = None,
    style: opt.Style = None,
    looks: opt.Looks = True,
    people: opt.People = None,
    anyway: opt.Anyway = False,
) -> None:
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
    drawing = opt.Drawing(
        output=output,
        model=model,
        seed=seed,
        num_images=num_images,
        stop_at=stop_at,
        start_from=start_from,
        steps=steps,
        guidance=guidance,
        sampler=sampler,
        style_strength=style_strength,
        style_stages=style_stages,
        safety=safety,
        preview=preview,
        dtype=dtype,
        tile=tile,
        device=device,
        show=show,
    )
    wording = opt.Wording(
        prompts=prompts,
        use=use,
        style=style,
        looks=looks,
        people=people,
        anyway=anyway,
    )
    texts = opt.read_prompts(prompt, prompts)
    given = opt.given(clock, drawing, wording, texts=texts)
    files = Files.of(texts, num_images, output, in_folder=prompts is not None)
    draw(given, files, clock, drawing)
