"""References: subsets of roles, weights, strength, stages, variations, pictures that are odd."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from torch import Tensor

from ediffi.cli.main import main
from ediffi.core.errors import UserError
from ediffi.encoders import EncoderSpec, Style, load_encoder
from ediffi.encoders.style import encode_styles
from ediffi.model import Cascade, Request
from ediffi.model.looks import with_look
from ediffi.output import read_parameters

RED, BLUE = (Image.new("RGB", (28, 28), colour) for colour in ("red", "blue"))
RED.paste("white", (4, 4, 14, 20))
BLUE.paste("black", (10, 2, 12, 26))


@pytest.fixture(scope="module")
def cascade(whole_folder: Path) -> Cascade:
    return Cascade.from_pretrained(whole_folder)


def draw(cascade: Cascade, prompts: Any = "a red fox", **options: Any) -> Tensor:
    options = {"seeds": 1, "stop_at": 16, "dtype": torch.float32} | options
    return cascade.generate(prompts, **options)


def test_t5_alone_is_the_model_of_t5_alone(cascade: Cascade, model_folder: Path) -> None:
    old = Cascade.from_pretrained(model_folder)
    whole = {"stop_at": None, "dtype": torch.bfloat16}
    assert torch.equal(draw(cascade, use=["t5"], **whole), draw(old, **whole))


def test_subsets_are_different_and_default_is_all_that_is_given(cascade: Cascade) -> None:
    texts = ["t5", "clip_text"]
    default = draw(cascade)
    assert torch.equal(default, draw(cascade, use=texts))  # without a reference
    assert not torch.equal(default, draw(cascade, use=["t5"]))
    assert not torch.equal(default, draw(cascade, use=["clip_text"]))
    styled = draw(cascade, style=RED)
    assert torch.equal(styled, draw(cascade, style=RED, use=[*texts, "clip_image"]))
    assert not torch.equal(styled, default)
    assert not torch.equal(styled, draw(cascade, style=RED, use=["t5", "clip_image"]))
    for wrong, options in {
        "add clip_image": {"use": ["t5"], "style": RED},
        "give a style": {"use": ["clip_image"]},
        "unknown role": {"use": ["t6"]},
        "2 references for 1 prompts": {"style": [RED, BLUE]},
        "no stage 'sr1024' runs": {"style": RED, "style_stages": ["sr1024"]},
        "stage base, style_strength": {"style": RED, "style_strength": -1},
    }.items():
        with pytest.raises(UserError, match=wrong):
            draw(cascade, **options)


def test_a_reference_of_its_own_for_each_prompt(cascade: Cascade) -> None:
    three = draw(cascade, ["a cat"] * 3, seeds=[1, 1, 1], style=[RED, None, Style.of(BLUE)])
    alone = [draw(cascade, "a cat", style=RED), draw(cascade, "a cat"), None]
    torch.testing.assert_close(three[:1], alone[0], atol=1e-4, rtol=0)
    torch.testing.assert_close(three[1:2], alone[1], atol=1e-4, rtol=0)
    torch.testing.assert_close(three[2:], draw(cascade, "a cat", style=BLUE), atol=1e-4, rtol=0)


def test_strength_goes_from_no_reference_to_all_of_it(cascade: Cascade) -> None:
    plain, styled = draw(cascade), draw(cascade, style=RED)
    assert torch.equal(draw(cascade, style=RED, style_strength=0), plain)
    assert torch.equal(draw(cascade, style=RED, style_strength=1), styled)
    distances = [
        float((draw(cascade, style=RED, style_strength=s) - plain).abs().mean())
        for s in (0.02, 0.5, 1.0)
    ]
    assert 0 < distances[0] < distances[1] and distances[0] < distances[2] / 4


def test_stages_follow_it_or_not(cascade: Cascade) -> None:
    base = draw(cascade, style=RED, stop_at=64, style_stages=["base"])
    both = draw(cascade, style=RED, stop_at=64)
    upper = draw(cascade, style=RED, stop_at=64, style_stages=["sr256"])
    assert not torch.equal(base, both) and not torch.equal(upper, both)
    plan = cascade.plan(
        Request.of(prompts="a", style=RED, style_stages=["base"], style_strength=0.5)
    ).stages
    assert [how.style_strength for _, how in plan] == [0.5, 0.0, 0.0]


def test_a_stage_hears_only_what_it_was_trained_with(cascade: Cascade, whole_folder: Path) -> None:
    stages = [s.model_copy(update={"listens": ("t5",)}) for s in cascade.config.stages]
    deaf = Cascade(
        cascade.config.model_copy(update={"stages": tuple(stages)}),
        lambda config: type(cascade.stage("base"))(config, cascade.stage(config.name).denoiser),
        root=whole_folder,
    )
    assert torch.equal(draw(deaf), draw(cascade, use=["t5"]))
    with pytest.raises(UserError, match=r"no stage that runs \(base\) was trained with reference"):
        draw(deaf, style=RED)


def test_variations(cascade: Cascade) -> None:
    two = cascade.vary(RED, num_images=2, stop_at=16, dtype=torch.float32, seeds=4)
    assert two.shape == (2, 3, 16, 16) and not torch.equal(two[0], two[1])
    assert not torch.equal(two, cascade.vary(BLUE, num_images=2, stop_at=16, seeds=4))
    with pytest.raises(UserError, match="give a prompt, or a picture to vary"):
        draw(cascade, None)
    with pytest.raises(UserError, match="t5 reads text, and there is none"):
        draw(cascade, None, style=RED, use=["t5", "clip_image"])


def test_several_references_are_a_mean_of_directions(even_clip_folder: Path) -> None:
    spec = EncoderSpec(kind="clip_image", source=str(even_clip_folder))
    encoder: Any = load_encoder(spec)
    (one,), (other,) = (encode_styles(encoder, [Style.of(p)]).pooled for p in (RED, BLUE))
    assert torch.equal(one, encoder.encode([RED]).pooled[0])
    tokens = encode_styles(encoder, [Style.of((RED, 2.0), (BLUE, 1.0)), None])
    direction = 2 * one / one.norm() + other / other.norm()
    length = (2 * one.norm() + other.norm()) / 3
    torch.testing.assert_close(tokens.pooled[0], length * direction / direction.norm())
    assert torch.equal(tokens.states[:, 0], tokens.pooled) and not tokens.pooled[1].any()
    same = encode_styles(encoder, [Style.of((RED, 0.5), (RED, 3.0))])
    torch.testing.assert_close(same.pooled[0], one)
    for wrong in (0.0, -1.0, float("inf"), float("nan")):
        with pytest.raises(UserError, match="must be above 0"):
            Style.of((RED, wrong))
    with pytest.raises(UserError, match="at least one picture"):
        Style.of()


def _bomb() -> bytes:
    """A PNG whose header promises 60,000 x 60,000 pixels in a few bytes."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        whole = kind + data
        return struct.pack(">I", len(data)) + whole + struct.pack(">I", zlib.crc32(whole))

    head = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0)
    body = chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(b"\0" * 100_000))
    return b"\x89PNG\r\n\x1a\n" + body + chunk(b"IEND", b"")


def _file(image: Image.Image, kind: str, **options: Any) -> bytes:
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


GOOD: dict[str, Callable[[], bytes]] = {
    "animated": lambda: _file(RED, "GIF", save_all=True, append_images=[BLUE]),
    "cmyk": lambda: _file(RED.convert("CMYK"), "JPEG"),
    "16 bits": lambda: _file(Image.new("I;16", (40, 30), 30_000), "PNG"),
    "transparent": lambda: _file(Image.new("RGBA", (40, 30), (255, 0, 0, 90)), "PNG"),
    "palette": lambda: _file(RED.convert("P"), "PNG", transparency=0),
    "long": lambda: _file(Image.new("RGB", (4_000, 8), "red"), "PNG"),
}
BAD: dict[str, tuple[Callable[[], bytes], str]] = {
    "unreadable": (lambda: b"no picture", "is not a picture"),
    "empty": (lambda: b"", "is an empty file"),
    "cut off": (lambda: _file(RED.resize((256, 256)), "PNG")[:300], "cannot read "),
    "one pixel": (lambda: _file(Image.new("RGB", (1, 1)), "PNG"), "each side needs at least 8"),
    "bomb": (_bomb, "is too large"),
}


@pytest.mark.parametrize("kind", GOOD)
def test_odd_references_are_read(kind: str, cascade: Cascade, tmp_path: Path) -> None:
    path = tmp_path / "reference"
    path.write_bytes(GOOD[kind]())
    assert draw(cascade, style=path).isfinite().all()


@pytest.mark.parametrize("kind", BAD)
def test_bad_references_are_told_of_in_one_line(
    kind: str, whole_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    make, message = BAD[kind]
    path, out = tmp_path / "reference.png", tmp_path / "out.png"
    path.write_bytes(make())
    where = ["-m", str(whole_folder), "-o", str(out), "--stop-at", "16"]
    for command in (["generate", "a cat", "--style", str(path)], ["vary", str(path)]):
        assert main([*command, *where]) == 2
        error = capsys.readouterr().err
        assert error.startswith("error: ") and error.count("\n") == 1
        assert message in error and "reference.png" in error
    assert not out.exists()


def test_commands(
    whole_folder: Path, model_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    one, other = tmp_path / "a:b.png", tmp_path / "other.png"
    RED.save(one), BLUE.save(other)
    to = ["-m", str(whole_folder), "--stop-at", "16", "--seed", "3"]
    styles = ["--style", str(one), "--style", f"{other}:0.5", "--style-stages", "base"]
    out = tmp_path / "out.png"
    assert main(["generate", "a cat", *to, *styles, "--style-strength", "0.5", "-o", str(out)]) == 0
    facts = read_parameters(out)
    assert facts["style"] == [
        {"picture": "a:b.png", "weight": 1.0},
        {"picture": "other.png", "weight": 0.5},
    ]
    assert facts["stages"][0]["style_strength"] == 0.5
    assert facts["encoders"] == "t5, clip_text, clip_image"
    assert main(["generate", "a cat", *to, "-o", str(out)]) == 0
    assert read_parameters(out)["encoders"] == "t5, clip_text"
    varied = tmp_path / "varied.png"
    assert main(["vary", str(one), *to, "-n", "5", "-o", str(varied)]) == 0
    assert len(list(tmp_path.glob("varied-*.png"))) == 5
    facts = read_parameters(tmp_path / "varied-5.png")
    assert facts["encoders"] == "clip_image" and facts["seed"] == 7 and "prompt" not in facts
    assert main(["generate", "a cat", *to, "--style-strength", "0.5", "-o", str(out)]) == 2
    capsys.readouterr()
    to[1] = str(model_folder)
    assert main(["generate", "a cat", *to, "--style", str(one), "-o", str(out)]) == 2
    assert "no clip_image encoder" in capsys.readouterr().err
    assert main(["vary", str(one), *to, "-o", str(out)]) == 2


def test_seeds_choose_what_the_prompt_leaves_open(cascade: Cascade) -> None:
    said = {"noto": ("in noto style", "noto drawing"), "twemoji": ("in twemoji style",)}
    grounds = ("on a white background", "on a teal background", "on a pink background")
    config = cascade.config.model_copy(
        update={"looks": said, "spread": tuple(said), "grounds": grounds}
    )
    many = Cascade(config, lambda c: cascade.stage(c.name), encoders=cascade.encoders)
    told = [with_look(config, "a red fox", seed) for seed in range(6)]
    assert told[0] == "a red fox, in noto style, on a white background"
    assert len(set(told)) == 6 and sum("noto" in text for text in told) == 3
    drawn = draw(many, seeds=[3, 4], num_images=2)
    alone = torch.cat([draw(cascade, told[s], seeds=s) for s in (3, 4)])
    torch.testing.assert_close(drawn, alone, atol=1e-4, rtol=0)
    named = "a noto drawing of a red fox on a green backdrop"
    assert with_look(config, named, 5) == named
    assert with_look(config, "a fox", 1, referred=True) == "a fox, on a teal background"
    assert with_look(cascade.config, "a red fox", 5) == "a red fox"
    assert torch.equal(draw(many, looks=False), draw(cascade))
    with_red = draw(cascade, "a red fox, on a white background", style=RED)
    torch.testing.assert_close(draw(many, style=RED), with_red, atol=1e-4, rtol=0)
