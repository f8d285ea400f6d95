"""The cascade: a sentence becomes a small picture, and that a large one."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Collection, Generator, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from huggingface_hub import ModelHubMixin
from torch import Tensor

from ediffi.core.errors import Notice, UserError
from ediffi.core.pictures import Picture, open_picture
from ediffi.core.types import Event, Prompt, StageDone
from ediffi.encoders import Style, check_prompt, load_encoder, make_prompt
from ediffi.encoders.prompt import Encoder
from ediffi.language.vocabulary import in_english, unknown_words
from ediffi.model.config import ModelConfig, Sampling, StageConfig
from ediffi.model.folder import MANIFEST, ModelFolder, locate, save_model
from ediffi.model.looks import with_look
from ediffi.model.options import per_stage, picture_seeds, stages_to_run
from ediffi.model.references import AnyStyle, check_listeners, readers, styles_of
from ediffi.model.stage import Stage
from ediffi.model.start import low_resolution
from ediffi.paint import Painting, paint, place


class Cascade(ModelHubMixin, library_name="ediffi", license="apache-2.0", tags=["text-to-image"]):
    """Diffusion models from small to large, and the encoders that read the prompt.

    Stages and encoders of a model folder are read when they are first needed.

    Example:
        >>> cascade = Cascade.from_pretrained("pictogram")
        >>> cascade.generate("a red fox on a light blue background", seeds=7, stop_at=64).shape
        torch.Size([1, 3, 64, 64])
    """

    def __init__(
        self,
        config: ModelConfig,
        read_stage: Callable[[StageConfig], Stage],
        *,
        encoders: Mapping[str, Encoder] | None = None,
        hash: str | None = None,
        root: Path | None = None,
    ) -> None:
        """read_stage: makes the stage of a configuration when it is first needed; encoders: by
        role, instead of those the configuration names; hash: of the model folder; root: the
        folder that encoders' relative sources are in."""
        self.config = config
        self.hash = hash
        self._read_stage = read_stage
        self._root = root
        self._stages: dict[str, Stage] = {}
        self._given = encoders is not None
        self._encoders = dict(encoders or {})

    @classmethod
    def from_pretrained(
        cls, pretrained_model_name_or_path: str | Path = "pictogram", **hub: Any
    ) -> Cascade:
        """Open a model that ships with ediffi, a model folder, or a hub repository.

        hub: `revision`, `cache_dir`, `token` ... for a model on the hub.

        Raises:
            UserError: no such model, or one of its files is missing or damaged.
        """
        folder = ModelFolder(locate(pretrained_model_name_or_path, **hub))
        return cls(
            folder.config,
            lambda config: Stage.from_weights(config, folder.weights(config.name)),
            hash=folder.hash,
            root=folder.path,
        )

    def _save_pretrained(self, save_directory: Path) -> None:
        stages = [self.stage(stage.name) for stage in self.config.stages]
        weights = {str(s.config.name): s.denoiser.network.state_dict() for s in stages}
        root, sources = self._root, {spec.source for spec in self.config.encoders.values()}
        relative = [source for source in sources if not Path(source).is_absolute()]
        inside = {s: root / s for s in relative if root is not None and (root / s).is_dir()}
        save_model(save_directory, self.config, weights, encoders=inside)

    def stage(self, name: str) -> Stage:
        """A stage, its weights read and checked the first time."""
        if name not in self._stages:
            self._stages[name] = self._read_stage(self.config.stage(name))
        return self._stages[name]

    @property
    def stages(self) -> list[Stage]:
        """All stages, from small to large."""
        return [self.stage(stage.name) for stage in self.config.stages]

    def encoder(self, role: str) -> Encoder:
        """The encoder of a role, its weights read and checked the first time."""
        if role not in self._encoders:
            if self._root is not None and (self._root / MANIFEST).is_file():
                ModelFolder(self._root).check_encoder(role)
            self._encoders[role] = load_encoder(self.config.encoders[role], root=self._root)
        return self._encoders[role]

    @property
    def encoders(self) -> dict[str, Encoder]:
        """All encoders by role."""
        return {role: self.encoder(role) for role in self.roles}

    @property
    def roles(self) -> tuple[str, ...]:
        """The roles that have an encoder, e.g. ("t5",); reads nothing."""
        return tuple(self._encoders if self._given else self.config.encoders)

    def load(
        self, stages: Collection[str] | None = None, roles: Collection[str] | None = None
    ) -> None:
        """Read the named stages and the encoders of the roles now (None: all), so that `stream`
        starts at once.

        Raises:
            UserError: one of the files is missing, damaged or not the one expected.
        """
        for config in self.config.stages:
            if stages is None or config.name in stages:
                self.stage(config.name)
        for role in self.roles if roles is None else roles:
            self.encoder(role)

    def plan(
        self,
        *,
        stop_at: int | None = None,
        start_from: Picture | None = None,
        num_steps: int | Sequence[int] | None = None,
        guidance_scale: float | Sequence[float] | None = None,
        sampler: str | None = None,
        tile: int | None = None,
        style_strength: float | None = None,
        style_stages: Collection[str] | None = None,
    ) -> list[tuple[StageConfig, Sampling]]:
        """The stages that `stream` would run with these options, and how; reads no weights."""
        picture = None if start_from is None else open_picture(start_from)
        stages = stages_to_run(self.config, stop_at, picture)
        how = per_stage(
            stages, num_steps, guidance_scale, sampler, tile, style_strength, style_stages
        )
        return list(zip(stages, how, strict=True))

    def stream(
        self,
        prompts: str | Sequence[str] | None,
        *,
        seeds: int | Sequence[int] = 0,
        num_images: int = 1,
        start_from: Picture | None = None,
        use: Collection[str] | None = None,
        style: AnyStyle = None,
        regions: Painting | Sequence[Painting | None] | None = None,
        looks: bool = True,
        dtype: torch.dtype = torch.bfloat16,
        **options: Any,
    ) -> Iterator[Event]:
        """Draw `num_images` pictures of every prompt, telling of each step as it is done.

        Args:
            prompts: one or several; the pictures of the first come first. None: no words, the
                pictures are variations of `style`.
            seeds: of the first picture, the next one's is one more; or one for every picture.
            start_from: a picture that replaces the stages below. Up to 64 pixels a side it enters
                the first upscaler, larger ones the second; its middle square is resized to fit.
            use: roles to listen to, all if None.
            style: a reference picture, or a `Style` of several: for all prompts, or a list with
                one for each prompt (None for no reference).
            regions: which phrases belong where, see `ediffi.paint`: for all prompts, or one for
                each prompt.
            looks: whether seeds choose what the prompt leaves open: the style, where there is no
                reference either, and the background.
            dtype: bfloat16 for autocast; float32 is slower and repeats to 1e-4 in any batch.
            options: those of `plan`:
                stop_at: resolution of the last stage to run, all stages if None;
                num_steps, guidance_scale: one value for the first stage that runs (the others keep
                their own), or one for each stage that runs;
                sampler: of every stage;
                tile: side of the tiles in which upscalers draw, to bound memory;
                style_strength: 0 for no reference to 1, see `diffusion.Referenced`;
                style_stages: names of the stages that follow it, all if None.

        Yields:
            `Progress` at every denoising, `StageDone` with the pictures of every stage.

        Raises:
            UserError: a bad prompt or option, before anything is drawn.
        """
        styles = styles_of(style, prompts)
        texts = [prompts] if isinstance(prompts, str) else prompts and list(prompts)
        numbers = picture_seeds(seeds, len(styles) * num_images)
        roles = readers(self.roles, use, texts is not None, any(styles))
        picture = None if start_from is None else open_picture(start_from)
        plan = self.plan(start_from=picture, **options)
        if any(styles):
            check_listeners([config for config, _ in plan])
        paintings = _one_each(regions, len(styles))
        if texts is not None:
            texts = [self._understood(text) for text in texts]
            for text, painting in zip(texts, paintings, strict=True):
                place(text, painting)  # a wrong phrase is told of before weights are read
            self._note_unknown_words(texts)
            each = [n for n in range(len(texts)) for _ in range(num_images)]
            looked = [
                with_look(self.config, texts[n], number, referred=styles[n] is not None)
                for n, number in zip(each, numbers, strict=True)
            ]
            if looks and looked != [texts[n] for n in each]:  # every picture has its own text
                texts, styles = looked, [styles[n] for n in each]
                paintings, num_images = [paintings[n] for n in each], 1
        low_res = None
        if picture is not None:
            low_res = low_resolution(picture, plan[0][0].input_resolution)
            low_res = low_res.expand(len(numbers), -1, -1, -1)
        stages = [(self.stage(config.name), sampling) for config, sampling in plan]
        encoders = {role: self.encoder(role) for role in roles}
        prompt = make_prompt(encoders, texts, styles=styles)
        if texts is not None:
            prompt = paint(prompt, encoders, texts, paintings)
        prompt = prompt.map(lambda t: t.repeat_interleave(num_images, dim=0))
        return _run(stages, prompt, numbers, low_res, dtype)

    def _understood(self, text: str) -> str:
        """The prompt in the model's words; as it was, where it is in them, so that painted spans
        keep their places."""
        config, tidy = self.config, check_prompt(text)
        english = in_english(tidy, config.vocabulary, config.phrases, config.name)
        return text if english == tidy else english

    def _note_unknown_words(self, texts: Sequence[str]) -> None:
        vocabulary, phrases = self.config.vocabulary, self.config.phrases
        unknown = dict.fromkeys(
            word for text in texts for word in unknown_words(text, vocabulary, phrases)
        )
        if unknown:
            words = ", ".join(repr(word) for word in unknown)
            warnings.warn(
                f"{self.config.name} was never taught {words}: it draws "
                f"{len(self.config.vocabulary)} things, see `ediffi info --vocabulary`",
                Notice,
                stacklevel=3,
            )

    def generate(self, prompts: str | Sequence[str] | None, **options: Any) -> Tensor:
        """The pictures of `stream`, (B, 3, H, W) in [-1, 1], when all is done. Same options."""
        for event in self.stream(prompts, **options):
            if isinstance(event, StageDone):
                images = event.images
        return images

    def vary(self, picture: Picture | Style, **options: Any) -> Tensor:
        """Variations of a picture, told of by its embedding alone. Options of `stream`.

        >>> cascade.vary("fox.png", num_images=4, stop_at=64).shape   # doctest: +SKIP
        torch.Size([4, 3, 64, 64])
        """
        return self.generate(None, style=picture, **options)


def _one_each(
    regions: Painting | Sequence[Painting | None] | None, num: int
) -> list[Painting | None]:
    if regions is None or isinstance(regions, Painting):
        return [regions] * num
    if len(regions) != num:
        raise UserError(f"{len(regions)} paintings for {num} prompts: give one for each")
    return list(regions)


def _run(
    stages: Sequence[tuple[Stage, Sampling]],
    prompt: Prompt,
    seeds: Sequence[int],
    low_res: Tensor | None,
    dtype: torch.dtype,
) -> Generator[Event]:
    for stage, sampling in stages:
        low_res = yield from stage.sample(
            prompt, seeds, low_res=low_res, sampling=sampling, dtype=dtype
        )
        yield StageDone(stage.config.name, low_res)
