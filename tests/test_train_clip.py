"""A CLIP of our own: its loss in closed form, what it is shown, exact resume, and its folder."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from safetensors.torch import load_file
from tiny_grid import STYLES

from ediffi.cli.main import main
from ediffi.core.errors import UserError
from ediffi.data.heldout import is_held_out
from ediffi.encoders.clip import ClipImageEncoder, ClipTextEncoder
from ediffi.encoders.spec import EncoderSpec
from ediffi.pictogram.composer import Composer
from ediffi.pictogram.grid import Grid
from ediffi.pictogram.scene import vocabulary
from ediffi.train import checkpoint as checkpoints
from ediffi.train.clip import clip_state
from ediffi.train.clip_config import ClipConfig, Tower, clip_preset
from ediffi.train.clip_examples import ClipExamples, tells_style, varied
from ediffi.train.clip_folder import GivenClip, build_clip, learn_tokenizer, save_clip
from ediffi.train.clip_loss import anchor_loss, contrastive_loss, positives
from ediffi.train.clip_start import NEIGHBOURS, shift, start_as_convolution, waves
from ediffi.train.loop import Tick, train
from studies.__main__ import app


@pytest.fixture(scope="module")
def composer(grid: Grid) -> Composer:
    return Composer(grid, config().scenes)


@pytest.fixture(scope="module")
def examples(composer: Composer, tmp_path_factory: pytest.TempPathFactory) -> ClipExamples:
    return ClipExamples(config(), composer, tmp_path_factory.mktemp("run"))


def config(**changes: Any) -> ClipConfig:
    start = clip_preset("tiny")
    scenes = start.scenes.model_copy(update={"concepts": None, "styles": STYLES, "seed": 3})
    small = {"scenes": scenes, "schedule.num_images": 96}
    small |= {"schedule.checkpoint_images": 32, "schedule.log_images": 32}
    return start.changed(small | changes)


def learn(
    settings: ClipConfig,
    run: Path,
    examples: ClipExamples,
    *,
    text: GivenClip | None = None,
    pictures: GivenClip | None = None,
    report: Callable[[str], None] = lambda line: None,
) -> tuple[Any, Iterator[Tick[ClipConfig]]]:
    """A tokenizer, and the steps of a run."""
    state, tokenizer = clip_state(settings, examples, text, pictures)
    return tokenizer, train(state, run, examples, report=report)


def final(run: Path) -> dict[str, torch.Tensor]:
    return load_file(checkpoints.found(run)[0].with_suffix(".safetensors"))


def test_positives_are_captions_that_are_true_of_the_picture() -> None:
    # a fox in style 0, the same in style 1, a cat in style 0, and a fox in style 0 without caption
    things, style = torch.tensor([1, 1, 2, 1]), torch.tensor([0, 1, 0, 0])
    right = positives(things, style, torch.tensor([True, False, True]), 0.5)
    expected = [[1.0, 0.5, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0], [0.5, 0.5, 0.0]]
    assert right.tolist() == expected


def test_loss_in_closed_form() -> None:
    # With equal logits any targets cost the logarithm of the number of answers.
    right = torch.tensor([[1.0, 0.5], [0.5, 1.0], [0.0, 0.0]])
    assert float(contrastive_loss(torch.zeros(3, 2), right)) == pytest.approx(
        (math.log(2) + math.log(3)) / 2
    )
    # With one positive a row it is CLIP's: the mean of two cross-entropies.
    logits = torch.tensor([[2.0, 0.0], [0.0, 1.0]])
    one = (math.log1p(math.exp(-2)) + math.log1p(math.exp(-1))) / 2
    assert float(contrastive_loss(logits, torch.eye(2))) == pytest.approx(one)
    # Two positives are best served equally: log 2 is the least, and is reached.
    both = torch.tensor([[1.0, 1.0]])
    served = float(contrastive_loss(torch.tensor([[9.0, 9.0]]), both))
    assert served == pytest.approx(math.log(2) / 2)
    assert float(contrastive_loss(torch.tensor([[9.0, 0.0]]), both)) > served


def test_anchor_loss_in_closed_form() -> None:
    anchors, target = torch.eye(3), torch.tensor([[1.0, 0.0, 0.0]])
    lost = anchor_loss(torch.tensor([[5.0, 0.0, 0.0]]), anchors, target, torch.tensor(2.0), 0.0)
    assert float(lost) == pytest.approx(math.log(math.exp(2) + 2) - 2)


def test_what_is_held_out_is_never_shown(grid: Grid, composer: Composer, tmp_path: Path) -> None:
    """All scenes of a run, drawn and as labels: no held-out cell, no held-out concept."""
    held = {key for key in grid.cells if is_held_out(*key)}
    concepts = {h for h, s in held if all((h, t) in held for t in STYLES if (h, t) in grid.cells)}
    assert len(held) > len(concepts) and "1F987" in concepts  # both kinds are there to be missed
    drawn: list[tuple[str, str]] = []
    render = composer.render

    def watched(scene: Any, *rest: Any) -> Any:
        drawn.extend((item.hexcode, item.style) for item in scene.items)
        return render(scene, *rest)

    composer.render = watched  # type: ignore[method-assign]
    try:
        examples = ClipExamples(config(num_scenes=256), composer, tmp_path)
    finally:
        composer.render = render  # type: ignore[method-assign]
    assert len(set(drawn)) > 20 and not held.intersection(drawn)
    assert not concepts.intersection(examples.concepts)
    words = {h: grid.concepts[h].label for h in concepts}
    for start in range(0, 256, 16):
        batch = examples.batch(start)
        shown = batch.concepts.sum(0).nonzero().flatten().tolist()
        assert not concepts.intersection(examples.concepts[n] for n in shown)
        said = {word for text in batch.captions for word in text.replace(",", " ").split()}
        assert not said.intersection(words.values())


def test_batches_are_functions_of_their_number(
    composer: Composer, examples: ClipExamples, tmp_path: Path
) -> None:
    again = ClipExamples(config(), composer, tmp_path)
    for start in (0, 80):
        one, two = examples.batch(start), again.batch(start)
        assert torch.equal(one.images, two.images) and one.captions == two.captions
        assert one.images.shape == (16, 3, 64, 64) and len(one.captions) == 8
        assert one.concepts.sum(1).tolist() == pytest.approx([1.0] * 16)
    assert examples.batch(0).captions != examples.batch(64).captions  # another round
    pairs = examples.batch(0).concepts.argmax(1).view(-1, 2)
    assert (pairs[:, 0] == pairs[:, 1]).float().mean() > 0.7


def test_captions_say_what_they_are_said_to_say(examples: ClipExamples) -> None:
    captions = [(text, told, s.style) for s in examples.shown for text, told in s.captions]
    assert all(told == tells_style(text, style) for text, told, style in captions)
    assert 0.4 < sum(told for _, told, _ in captions) / len(captions) < 0.9
    assert tells_style("a fox as a silhouette", "emojione-monotone")
    assert not tells_style("a fox on a red background", "noto")


def test_variation_is_small_and_its_own_for_each_picture() -> None:
    picture = torch.zeros(1, 3, 64, 64)
    picture[:, 0, 16:48, 16:48] = 0.8
    some = varied(picture.expand(6, -1, -1, -1), torch.Generator().manual_seed(0))
    assert some.shape == (6, 3, 64, 64) and float(some.abs().max()) <= 1
    assert float((some - picture).abs().mean()) < 0.2
    assert float((some[0] - some[1]).abs().mean()) > 0.005


def test_a_shift_is_a_turn_of_the_waves() -> None:
    places = waves(4, 32).view(4, 4, 32)
    for down, right in NEIGHBOURS:
        turned = places[1:3, 1:3] @ shift(4, 32, down, right).T
        there = places[1 + down : 3 + down, 1 + right : 3 + right]
        assert torch.allclose(turned, there, atol=1e-5)


def test_heads_start_by_looking_at_their_neighbour(examples: ClipExamples) -> None:
    """On real pictures: of all sixteen patches, the head's neighbour gets most attention."""
    settings = config(image=Tower(width=128, layers=1))
    clip = build_clip(settings, learn_tokenizer(["a fox"] * 9, settings))
    start_as_convolution(clip, examples.sample(64))
    out = clip.vision_model(pixel_values=examples.sample(32), output_attentions=True)
    attention = out.attentions[0][:, :, 1:, 1:].mean(0).view(4, 4, 4, 16)  # head, row, column
    for head in range(4):
        down, right = NEIGHBOURS[head]
        for row, column in ((1, 1), (1, 2), (2, 1), (2, 2)):
            best = int(attention[head, row, column].argmax())
            assert best == 4 * (row + down) + column + right


def test_tokenizer_reads_everything() -> None:
    texts = ["a red fox in noto style, an odd owl and a small cat by the sea"] * 9
    tokenizer, again = learn_tokenizer(texts, config()), learn_tokenizer(texts, config())
    assert tokenizer.get_vocab() == again.get_vocab()  # all its words are as frequent
    ids = tokenizer("a red fox")["input_ids"]
    assert tokenizer.convert_ids_to_tokens(ids)[1:-1] == ["a</w>", "red</w>", "fox</w>"]
    strange = tokenizer("Ünwort 狐 !?")["input_ids"]
    assert tokenizer.eos_token_id not in strange[:-1]
    assert tokenizer.decode(strange, skip_special_tokens=True).replace(" ", "") == "ünwort狐!?"


def test_stopped_anywhere_the_weights_are_the_same(
    composer: Composer, examples: ClipExamples, tmp_path: Path
) -> None:
    list(learn(config(), tmp_path / "whole", examples)[1])
    for tick in learn(config(), tmp_path / "halves", examples)[1]:
        if tick.state.images == 48:
            break  # between two checkpoints: back to 32
    said: list[str] = []
    fresh = ClipExamples(config(), composer, tmp_path / "halves")
    list(learn(config(), tmp_path / "halves", fresh, report=said.append)[1])
    assert any("after 32 images" in line for line in said)
    whole, again = final(tmp_path / "whole"), final(tmp_path / "halves")
    assert whole.keys() == again.keys()
    assert all(torch.equal(whole[name], again[name]) for name in whole)
    rows = [json.loads(row) for row in (tmp_path / "halves/log.jsonl").read_text().splitlines()]
    assert [row["images"] for row in rows] == [32, 64, 96]
    with pytest.raises(UserError, match=r"seed: 0 -> 1"):
        list(learn(config(seed=1), tmp_path / "halves", fresh)[1])


def test_a_new_picture_tower_for_texts_that_stay(examples: ClipExamples, tmp_path: Path) -> None:
    """`--keep-text`: the texts' embeddings are those of before, also after a resumed run."""
    tokenizer, ticks = learn(config(), tmp_path / "a", examples)
    save_clip(tmp_path / "clip", list(ticks)[-1].state.model.clip, tokenizer)
    text = GivenClip.read(tmp_path / "clip")
    settings = text.keep_text(config(seed=5))
    for tick in learn(settings, tmp_path / "b", examples, text=text)[1]:
        if tick.state.images == 48:
            break  # between two checkpoints
    tokenizer, ticks = learn(settings, tmp_path / "b", examples, text=text)
    save_clip(tmp_path / "clip-2", list(ticks)[-1].state.model.clip, tokenizer)
    said = ["a fox", "a blue house in noto style"]

    def told(folder: Path) -> torch.Tensor:
        spec = EncoderSpec(kind="clip_text", source=str(folder))
        pooled = ClipTextEncoder.load(spec).encode(said).pooled
        assert pooled is not None
        return pooled

    assert torch.equal(told(tmp_path / "clip"), told(tmp_path / "clip-2"))
    weights = [load_file(tmp_path / name / "model.safetensors") for name in ("clip", "clip-2")]
    changed = {n for n in weights[0] if not torch.equal(weights[0][n], weights[1][n])}
    assert changed and not any(name.startswith("text") for name in changed)
    assert any(name.startswith("vision_model.encoder") for name in changed)
    with pytest.raises(UserError, match=r"no \.safetensors weights"):
        GivenClip.read(tmp_path / "nothing")


def test_a_tower_of_larger_patches_says_at_first_what_the_given_one_said(
    examples: ClipExamples, tmp_path: Path
) -> None:
    """`--from`: of a picture twice as large, what was said of it; then it goes on learning."""
    tokenizer, ticks = learn(config(), tmp_path / "a", examples)
    first = list(ticks)[-1].state.model
    save_clip(tmp_path / "clip", first.clip, tokenizer)
    given = GivenClip.read(tmp_path / "clip")
    larger = config(side=128, patch=32, image=Tower(width=64, layers=2))
    larger = given.give_pictures(given.keep_text(larger))
    assert larger.image == config().image and larger.given_pictures == given.sha256
    clip = build_clip(larger, tokenizer)
    given.start(clip)
    pictures = examples.sample(8)

    def seen(model: Any, pictures: torch.Tensor) -> torch.Tensor:
        with torch.no_grad():
            out: torch.Tensor = model.visual_projection(
                model.vision_model(pixel_values=pictures).pooler_output
            )
        return out

    doubled = pictures.repeat_interleave(2, 2).repeat_interleave(2, 3)
    before = seen(first.clip.to(torch.bfloat16).float(), pictures)  # as it was saved
    torch.testing.assert_close(seen(clip, doubled), before, atol=1e-4, rtol=1e-4)
    settings = given.give_pictures(given.keep_text(config()))
    _, steps = learn(settings, tmp_path / "b", examples, text=given, pictures=given)
    again = list(steps)[-1].state.model.clip
    assert not torch.equal(seen(again, pictures), before)
    for changes in ({"side": 128}, {"patch": 8, "side": 32}, {"projection": 64}):
        with pytest.raises(UserError, match="this run has"):
            given.give_pictures(config(**changes))
    facts = json.loads((tmp_path / "clip" / "config.json").read_text())
    facts["vision_config"]["num_attention_heads"] = 2  # its weights would fit, and say other things
    (tmp_path / "clip" / "config.json").write_text(json.dumps(facts))
    with pytest.raises(UserError, match="2 heads, MLPs 128 wide and gelu, where 1, 128 and gelu"):
        GivenClip.read(tmp_path / "clip")


def test_it_learns_and_is_read_back(examples: ClipExamples, tmp_path: Path) -> None:
    """Trained, saved and loaded by the encoders: own captions are found, styles are told."""
    longer = {"num_images": 3200, "log_images": 640, "cooldown": 0.3}
    settings = config(
        **{f"schedule.{name}": value for name, value in longer.items()},
        **{"optimiser.learning_rate": 3e-3},
    )
    tokenizer, steps = learn(settings, tmp_path / "run", examples)
    ticks = list(steps)
    rows = [tick.row for tick in ticks if tick.row]
    assert rows[-1]["contrastive"] < 0.8 * rows[0]["contrastive"]
    state, folder = ticks[-1].state, tmp_path / "clip"
    save_clip(folder, state.model.clip, tokenizer)
    texts = ClipTextEncoder.load(EncoderSpec(kind="clip_text", source=str(folder)))
    images = ClipImageEncoder.load(EncoderSpec(kind="clip_image", source=str(folder)))
    pictures = examples.pictures[:32]
    read = images.encode([Image.fromarray(picture) for picture in pictures])
    said = texts.encode([shown.captions[0][0] for shown in examples.shown[:32]])
    assert read.states.shape == (32, 1, 32) and said.states.shape[2] == 32
    with torch.no_grad():
        straight = state.model.embed_images(examples.sample(32))
    assert torch.nn.functional.cosine_similarity(straight, read.states[:, 0]).min() > 0.99
    assert said.pooled is not None
    scores = torch.nn.functional.normalize(read.states[:, 0]) @ said.pooled.T
    things = [shown.concepts for shown in examples.shown[:32]]
    best = scores.argmax(0).tolist()
    hits = sum(things[n] == own for n, own in zip(best, things, strict=True))
    assert hits > 8  # about 3 by chance
    saved = json.loads((folder / "config.json").read_text())
    assert saved["architectures"] == ["CLIPModel"] and saved["projection_dim"] == 32
    assert {t.dtype for t in load_file(folder / "model.safetensors").values()} == {torch.bfloat16}
    assert (folder / "vocab.json").is_file() and (folder / "merges.txt").is_file()
    assert len({f.stat().st_mode for f in folder.iterdir()}) == 1  # who reads one reads all


def test_preset_fits_the_networks() -> None:
    from ediffi.networks.presets import PICTOGRAM_ROLES, TINY_ROLES

    for name, roles, side in (("pictogram", PICTOGRAM_ROLES, 128), ("tiny", TINY_ROLES, 64)):
        settings = clip_preset(name)
        assert settings.text.width == roles["clip_text"]
        assert settings.projection == roles["clip_image"]
        assert settings.positions >= 96 and settings.side == side
    with pytest.raises(UserError, match="no CLIP recipe"):
        clip_preset("paper")


def test_commands(grid: Grid, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`ediffi train clip`, then `python -m studies clip` on what it wrote."""
    (tmp_path / "pictogram").symlink_to(grid.path)
    monkeypatch.setenv("EDIFFI_CACHE", str(tmp_path))
    recipe = config(**{"schedule.num_images": 32})
    monkeypatch.setattr(
        "ediffi.train.clip_config.clip_preset",
        lambda preset, concepts: recipe,
    )
    clip, out = tmp_path / "clip", tmp_path / "results"
    assert main(["train", "clip", "--preset", "tiny", "-o", str(clip)]) == 0
    assert (tmp_path / "runs" / "tiny-clip" / "config.json").is_file()
    assert main(["train", "clip", "--preset", "tiny", "-o", str(clip)]) == 0  # it is finished
    assert main(["clip", "--clip", str(clip), "-o", str(out)], app) == 0
    results = json.loads((out / "clip.json").read_text())
    held = [key for key in grid.cells if is_held_out(*key)]
    assert results["held-out"]["pictures"] + results["new"]["pictures"] == len(held)
    known = {key for key in grid.cells if key[0] in vocabulary() and not is_held_out(*key)}
    assert results["train-vocabulary"]["pictures"] == len(known)
    assert results["train"]["pictures"] == len(grid.cells) - len(held)
    row = results["held-out"]["image_to_text_top5"]
    assert row["interval"][0] <= row["share"] <= row["interval"][1]
    assert row["chance"] == pytest.approx(5 / len(grid.concepts))
    assert "picture to text, top 1" in (out / "clip.md").read_text()
    assert main(["clip", "--clip", str(out), "-o", str(out)], app) == 2
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine.txt").write_text("")
    assert main(["train", "clip", "--preset", "tiny", "-o", str(tmp_path / "full")]) == 2
