"""The cascade draws: same seed same picture, in any batch or thread; options reach stages."""

from __future__ import annotations

import pickle
import warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import torch
from PIL import Image

from ediffi.core.errors import Notice, UserError
from ediffi.core.types import Progress, StageDone
from ediffi.model import Cascade, Request, pick_device

PROMPTS = ["a red fox", "a blue rocket on a green background", "a cat", "a tree and a cat"]


@pytest.fixture(scope="module")
def cascade(model_folder: Path) -> Cascade:
    return Cascade.from_pretrained(model_folder)


def test_events(cascade: Cascade) -> None:
    events = list(cascade.stream("a red fox", num_images=2))
    names = [(type(e).__name__, e.stage) for e in events]
    expected = [
        kind
        for stage in ("base", "sr256", "sr1024")
        for kind in [("Progress", stage)] * 4 + [("StageDone", stage)]
    ]
    assert names == expected
    steps = [e for e in events if isinstance(e, Progress)]
    assert [e.step for e in steps] == [1, 2, 3, 4] * 3 and steps[0].num_steps == 4
    assert steps[0].preview.shape == (2, 3, 16, 16)
    done = [e for e in events if isinstance(e, StageDone)]
    assert [e.images.shape[-1] for e in done] == [16, 64, 256]
    for event in done:
        assert event.images.dtype == torch.float32
        assert event.images.abs().max() <= 1 and event.images.std() > 0.01


def test_same_seed_same_pixels(cascade: Cascade, model_folder: Path) -> None:
    again = Cascade.from_pretrained(model_folder)
    one = cascade.generate("a red fox", seeds=7)
    assert torch.equal(one, again.generate("a red fox", seeds=7))
    assert (one - cascade.generate("a red fox", seeds=8)).abs().mean() > 0.01
    assert (one - cascade.generate("a blue rocket", seeds=7)).abs().mean() > 1e-4


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_batch_of_eight_equals_singles(cascade: Cascade, dtype: torch.dtype) -> None:
    batch = cascade.generate(PROMPTS, seeds=5, num_images=2, dtype=dtype, stop_at=64)
    for i in range(8):
        single = cascade.generate(PROMPTS[i // 2], seeds=5 + i, dtype=dtype, stop_at=64)
        if dtype is torch.float32:
            torch.testing.assert_close(batch[i], single[0], atol=1e-4, rtol=0)
        else:
            assert (batch[i] - single[0]).abs().mean() < 2 / 255  # 1/255 of the range of 2


def test_explicit_seeds(cascade: Cascade) -> None:
    batch = cascade.generate(["a cat", "a cat"], seeds=[9, 9], stop_at=16, dtype=torch.float32)
    torch.testing.assert_close(batch[0], batch[1], atol=1e-4, rtol=0)


def test_gradients_are_left_alone(cascade: Cascade) -> None:
    events = cascade.stream("a cat", stop_at=16)
    next(events)
    assert torch.is_grad_enabled() and not torch.is_autocast_enabled("cpu")


def steps_of(cascade: Cascade, **options: object) -> dict[str, int]:
    events = cascade.stream("a cat", **options)  # type: ignore[arg-type]
    return {e.stage: e.num_steps for e in events if isinstance(e, Progress)}


def test_steps_and_sampler(cascade: Cascade) -> None:
    assert steps_of(cascade, num_steps=2) == {"base": 2, "sr256": 4, "sr1024": 4}
    assert steps_of(cascade, num_steps=[3, 2, 1]) == {"base": 3, "sr256": 2, "sr1024": 1}
    heun = steps_of(cascade, num_steps=[3, 2, 1], sampler="heun")
    assert heun == {"base": 5, "sr256": 3, "sr1024": 1}


def test_guidance_reaches_the_stage_it_means(cascade: Cascade) -> None:
    plain = cascade.generate("a cat", stop_at=64)
    assert torch.equal(plain, cascade.generate("a cat", stop_at=64, guidance_scale=3.0))
    assert not torch.equal(plain, cascade.generate("a cat", stop_at=64, guidance_scale=1.0))
    assert not torch.equal(plain, cascade.generate("a cat", stop_at=64, guidance_scale=[3, 2]))


def test_tiles_draw_the_same_picture(cascade: Cascade) -> None:
    whole = cascade.generate("a cat", dtype=torch.float32)
    tiled = cascade.generate("a cat", dtype=torch.float32, tile=64)
    torch.testing.assert_close(tiled, whole, atol=1e-4, rtol=0)


def test_the_low_resolution_picture_is_noised_once(cascade: Cascade) -> None:
    """Augmentation adds the same noise to a picture whatever its batch mates."""
    stage = cascade.stage("sr256")
    prompt = next(iter(_prompts(cascade, 2)))
    low_res = torch.zeros(2, 3, 16, 16)
    both = stage.condition(prompt, [4, 5], low_res, 0.3)
    alone = stage.condition(prompt.map(lambda t: t[1:]), [5], low_res[1:], 0.3)
    assert torch.equal(both.low_res[1:], alone.low_res)  # type: ignore[index, arg-type]
    assert abs(float(both.low_res.std()) - 0.3) < 0.03  # type: ignore[union-attr]
    assert both.augmentation.tolist() == pytest.approx([0.3, 0.3])  # type: ignore[union-attr]


def _prompts(cascade: Cascade, count: int):  # type: ignore[no-untyped-def]
    from ediffi.encoders import make_prompt

    yield make_prompt(cascade.encoders, ["a cat"] * count)


def test_start_from(cascade: Cascade) -> None:
    small, large = Image.new("RGB", (16, 16), "red"), Image.new("RGB", (40, 40), "red")
    assert list(steps_of(cascade, start_from=small)) == ["sr256", "sr1024"]
    assert list(steps_of(cascade, start_from=large)) == ["sr1024"]
    assert list(steps_of(cascade, start_from=large, stop_at=64)) == ["sr256"]
    assert steps_of(cascade, start_from=large, num_steps=2) == {"sr1024": 2}
    red = cascade.generate("a cat", start_from=small)
    blue = cascade.generate("a cat", start_from=Image.new("RGB", (16, 16), "blue"))
    assert (red - blue).abs().mean() > 0.1


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ({"stop_at": 100}, "cannot stop at 100: this model draws 16, 64, 256"),
        ({"sampler": "euler"}, "unknown sampler 'euler': choose"),
        ({"num_steps": 0}, "stage base, num_steps"),
        ({"num_steps": [4, 4]}, r"2 values for 3 stages \(base, sr256, sr1024\)"),
        ({"guidance_scale": -1.0}, "stage base, guidance_scale"),
        ({"guidance_scale": float("nan")}, "stage base, guidance_scale"),
        ({"num_images": 0}, "num_images: Input should be greater than or equal to 1"),
        ({"seeds": -1}, "seeds start at 0"),
        ({"seeds": [1, 2]}, "2 seeds for 1 pictures"),
        ({"use": ["t6"]}, "unknown role"),
        ({"use": ["clip_text"]}, "no clip_text encoder"),
        ({"stop_at": 16, "start_from": Image.new("RGB", (16, 16))}, "needs an upscaler"),
    ],
)
def test_bad_options(cascade: Cascade, options: dict[str, object], complaint: str) -> None:
    with pytest.raises(UserError, match=complaint):
        cascade.stream("a cat", **options)  # type: ignore[arg-type]


def test_words_it_was_never_taught(cascade: Cascade) -> None:
    with pytest.warns(Notice, match="never taught 'dragon', 'castles'"):
        cascade.stream("two red foxes and a dragon next to castles", stop_at=16)


def test_a_cascade_is_called(cascade: Cascade) -> None:
    called = cascade("a red fox", seeds=7, stop_at=16)
    assert torch.equal(called, cascade.generate("a red fox", seeds=7, stop_at=16))
    pictures = cascade(["a cat", "a tree"], stop_at=64, output="pil")
    assert [picture.size for picture in pictures] == [(64, 64)] * 2
    with pytest.raises(UserError, match="output 'jpeg': choose tensor or pil"):
        cascade("a cat", output="jpeg")  # type: ignore[call-overload]


def test_a_request_is_planned_and_run(cascade: Cascade) -> None:
    text = '{"prompts": ["a cat", "a tree"], "seeds": 5, "num_images": 3, "stop_at": 16}'
    plan = cascade.plan(Request.from_json(text))
    assert len(plan) == 6 and plan.seeds == (5, 6, 7, 8, 9, 10)
    assert [subject.text for subject in plan.subjects] == ["a cat"] * 3 + ["a tree"] * 3
    drawn = [list(cascade.run(part))[-1] for part in plan.batches(4)]
    assert [len(event.images) for event in drawn if isinstance(event, StageDone)] == [4, 2]
    whole = cascade.generate(["a cat", "a tree"], seeds=5, num_images=3, stop_at=16)
    batched = torch.cat([event.images for event in drawn if isinstance(event, StageDone)])
    assert (batched - whole).abs().mean() < 2 / 255


def test_two_threads_draw_what_two_runs_draw(model_folder: Path) -> None:
    jobs = [("a red fox", 1), ("a cat", 2), ("a tree and a cat", 3), ("a blue rocket", 4)]

    def draw(cascade: Cascade, job: tuple[str, int]) -> torch.Tensor:
        return cascade.generate(job[0], seeds=job[1], stop_at=64)

    alone = [draw(Cascade.from_pretrained(model_folder), job) for job in jobs]
    shared = Cascade.from_pretrained(model_folder)  # read by whichever thread comes first
    with ThreadPoolExecutor(len(jobs)) as pool:
        together = list(pool.map(lambda job: draw(shared, job), jobs * 4))
    for picture, expected in zip(together, alone * 4, strict=True):
        assert torch.equal(picture, expected)


def test_it_moves_and_what_is_read_later_follows(model_folder: Path) -> None:
    cascade = Cascade.from_pretrained(model_folder)
    cascade.stage("base")
    assert cascade.to("meta") is cascade
    assert cascade.stage("base").device.type == cascade.stage("sr256").device.type == "meta"


def test_devices_by_name() -> None:
    assert pick_device("auto").type in ("cuda", "mps", "cpu") and pick_device("cpu").type == "cpu"
    with pytest.raises(UserError, match="unknown device 'gpu'"):
        pick_device("gpu")
    if not torch.cuda.is_available():
        with pytest.raises(UserError, match="no cuda device"):
            pick_device("cuda")


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_a_gpu_draws_the_same_picture(model_folder: Path) -> None:
    cascade = Cascade.from_pretrained(model_folder)
    cpu = cascade.generate("a red fox", dtype=torch.float32)
    gpu = cascade.to("cuda").generate("a red fox", dtype=torch.float32)
    torch.testing.assert_close(gpu, cpu, atol=1e-2, rtol=0)


def test_it_is_not_pickled(cascade: Cascade) -> None:
    with pytest.raises(TypeError, match=r"cannot be pickled.*Cascade\.from_pretrained\(name\)"):
        pickle.dumps(cascade)


@pytest.mark.parametrize("name", [5, None, b"pictogram"])
def test_a_model_is_named(name: object) -> None:
    with pytest.raises(UserError, match="a model is given by its name or folder, not by"):
        Cascade.from_pretrained(name)  # type: ignore[arg-type]


def test_what_a_user_should_know_is_said_once(model_folder: Path) -> None:
    for _ in range(2):  # once by each cascade
        cascade = Cascade.from_pretrained(model_folder)
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            for prompt in (
                "a fox, a dragon",
                "a fox, a dragon",
                "a fox, a castle",
                "fox " * 200,
                "fox " * 200,
            ):
                cascade(prompt, stop_at=16)
        said = [str(w.message) for w in caught if issubclass(w.category, Notice)]
        assert ["'dragon'" in said[0], "'castle'" in said[1], len(said)] == [True, True, 3]
        assert "the prompt has" in said[2]
        assert all(w.filename == __file__ for w in caught if issubclass(w.category, Notice))
