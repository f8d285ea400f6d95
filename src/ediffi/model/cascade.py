"""The cascade: a sentence becomes a small picture, and that a large one."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import Any, Literal, Unpack, cast, overload

import torch
from huggingface_hub import ModelHubMixin
from PIL import Image
from torch import Tensor

from ediffi.core.errors import UserError
from ediffi.core.pictures import Picture
from ediffi.core.pixels import to_uint8
from ediffi.core.types import Event, StageDone
from ediffi.diffusion import Router
from ediffi.encoders import Style
from ediffi.encoders.prompt import EncodesText
from ediffi.model.denoiser import read_denoiser
from ediffi.model.folder import ModelFolder, locate, save_model
from ediffi.model.parts import Parts
from ediffi.model.plan import Plan, plan
from ediffi.model.request import AnyPainting, AnyStyle, Options, Request, WordedOptions
from ediffi.model.run import run
from ediffi.model.stage import Stage
from ediffi.paint import Painting

Output = Literal["tensor", "pil"]


class Cascade(
    Parts, ModelHubMixin, library_name="ediffi", license="apache-2.0", tags=["text-to-image"]
):
    """Diffusion models from small to large, and the encoders that read the prompt.

    Stages and encoders of a model folder are read when they are first needed. Threads may share a
    cascade; each gets the pictures that it would get alone.

    Example:
        >>> cascade = Cascade.from_pretrained("pictogram")
        >>> cascade("a red fox on a light blue background", seeds=7, stop_at=64).shape
        torch.Size([1, 3, 64, 64])
    """

    @classmethod
    def from_pretrained(
        cls,
        pretrained_model_name_or_path: str | Path = "pictogram",
        *,
        one_resident: bool = False,
        **hub: Any,
    ) -> Cascade:
        """Open a model that ships with ediffi, a model folder, or a hub repository.

        one_resident: of a stage's experts, keep one in memory and read the next meanwhile;
        hub: `revision`, `cache_dir`, `token` ... for a model on the hub.

        Raises:
            UserError: no such model, or one of its files is missing or damaged.
        """
        name = pretrained_model_name_or_path
        if not isinstance(name, str | Path):
            raise UserError(f"a model is given by its name or folder, not by {name!r}")
        folder = ModelFolder(locate(name, **hub))
        return cls(
            folder.config,
            lambda config: Stage(
                config, read_denoiser(folder, config.name, one_resident=one_resident)
            ),
            hash=folder.hash,
            root=folder.path,
        )

    def _save_pretrained(self, save_directory: Path) -> None:
        weights, experts = {}, {}
        for stage in self.stages:
            name, denoiser = str(stage.config.name), stage.denoiser
            if isinstance(denoiser, Router):
                numbered = enumerate(denoiser.intervals)
                experts[name] = {i.node: denoiser.expert(n).state_dict() for n, i in numbered}
            else:
                weights[name] = denoiser.state_dict()
        root, sources = self._root, {spec.source for spec in self.config.encoders.values()}
        relative = [source for source in sources if not Path(source).is_absolute()]
        inside = {s: root / s for s in relative if root is not None and (root / s).is_dir()}
        save_model(save_directory, self.config, weights, experts=experts, encoders=inside)

    def plan(self, request: Request) -> Plan:
        """What a request means for this model. Reads no weights but, where a prompt has words that
        the model was never taught, those of its text encoder, to find what is near.

        Raises:
            UserError: the model cannot do it.
        """
        text_roles = [role for role in self.roles if role != "clip_image"]

        def encoder() -> EncodesText:
            return cast(EncodesText, self.encoder(text_roles[0]))

        with self.lock:
            return plan(request, self.config, self.roles, encoder if text_roles else None)

    def run(self, plan: Plan) -> Iterator[Event]:
        """Draw the pictures of a plan together. Prompts are encoded at once; stages are run as
        events are asked for.

        Yields:
            `Progress` at every denoising, `StageDone` with the pictures of every stage.

        Raises:
            UserError: weights cannot be read, or a painted phrase stands behind what is read.
        """
        return run(plan, self)

    def stream(
        self,
        prompts: str | Sequence[str] | None,
        *,
        seeds: int | Sequence[int] = 0,
        num_images: int = 1,
        stop_at: int | None = None,
        start_from: Picture | None = None,
        num_steps: int | Sequence[int] | None = None,
        guidance_scale: float | Sequence[float] | None = None,
        sampler: str | None = None,
        use: Collection[str] | None = None,
        style: AnyStyle = None,
        style_strength: float | None = None,
        style_stages: Collection[str] | None = None,
        regions: AnyPainting = None,
        looks: bool = True,
        anyway: bool = True,
        tile: int | None = None,
        dtype: torch.dtype = torch.bfloat16,
    ) -> Iterator[Event]:
        """Draw `num_images` pictures of every prompt, telling of each step as it is done.

        Args:
            prompts: one or several; the pictures of the first come first. None: no words, the
                pictures are variations of `style`.
            seeds: of the first picture, the next one's is one more; or one for every picture.
            num_images: pictures of every prompt.
            stop_at: resolution of the last stage to run, all stages if None.
            start_from: a picture that replaces the stages below. Up to 64 pixels a side it enters
                the first upscaler, larger ones the second; its middle square is resized to fit.
            num_steps: for the first stage that runs (the others keep their own), or for each.
            guidance_scale: likewise; 1 for none.
            sampler: of every stage, "dpmpp_2m" or "heun".
            use: roles to listen to, all if None.
            style: a reference picture, or a `Style` of several: for all prompts, or a list with
                one for each prompt (None for no reference).
            style_strength: 0 for no reference to 1, and above to exaggerate.
            style_stages: names of the stages that follow it, all if None.
            regions: which phrases belong where, see `ediffi.paint`: for all prompts, or one for
                each prompt.
            looks: whether seeds choose what the prompt leaves open: the style, where there is no
                reference either, and the background.
            anyway: whether words that the model was never taught are read, and prompts drawn that
                have no others. False: such words are left out, such prompts an error.
            tile: side of the tiles in which upscalers draw, to bound memory.
            dtype: bfloat16 for autocast; float32 is slower and repeats to 1e-4 in any batch.

        Yields:
            `Progress` at every denoising, `StageDone` with the pictures of every stage.

        Raises:
            UserError: a bad prompt or option, before anything is drawn.
        """
        request = Request.of(
            prompts=prompts,
            seeds=seeds,
            num_images=num_images,
            stop_at=stop_at,
            start_from=start_from,
            num_steps=num_steps,
            guidance_scale=guidance_scale,
            sampler=sampler,
            use=use,
            style=style,
            style_strength=style_strength,
            style_stages=style_stages,
            regions=regions,
            looks=looks,
            anyway=anyway,
            tile=tile,
            dtype=dtype,
        )
        return self.run(self.plan(request))

    @overload
    def generate(
        self,
        prompts: str | Sequence[str] | None,
        *,
        regions: AnyPainting = None,
        output: Literal["tensor"] = "tensor",
        **options: Unpack[WordedOptions],
    ) -> Tensor: ...

    @overload
    def generate(
        self,
        prompts: str | Sequence[str] | None,
        *,
        regions: AnyPainting = None,
        output: Literal["pil"],
        **options: Unpack[WordedOptions],
    ) -> list[Image.Image]: ...

    def generate(
        self,
        prompts: str | Sequence[str] | None,
        *,
        seeds: int | Sequence[int] = 0,
        num_images: int = 1,
        stop_at: int | None = None,
        start_from: Picture | None = None,
        num_steps: int | Sequence[int] | None = None,
        guidance_scale: float | Sequence[float] | None = None,
        sampler: str | None = None,
        use: Collection[str] | None = None,
        style: AnyStyle = None,
        style_strength: float | None = None,
        style_stages: Collection[str] | None = None,
        regions: AnyPainting = None,
        looks: bool = True,
        anyway: bool = True,
        tile: int | None = None,
        dtype: torch.dtype = torch.bfloat16,
        output: Output = "tensor",
    ) -> Tensor | list[Image.Image]:
        """The pictures of `stream`, when all is done; its options.

        Returns:
            (B, 3, H, W) in [-1, 1], or with output="pil" a list of PIL pictures.
        """
        request = Request.of(
            prompts=prompts,
            seeds=seeds,
            num_images=num_images,
            stop_at=stop_at,
            start_from=start_from,
            num_steps=num_steps,
            guidance_scale=guidance_scale,
            sampler=sampler,
            use=use,
            style=style,
            style_strength=style_strength,
            style_stages=style_stages,
            regions=regions,
            looks=looks,
            anyway=anyway,
            tile=tile,
            dtype=dtype,
        )
        return self._draw(request, output)

    __call__ = generate

    @overload
    def paint(
        self,
        prompts: str | Sequence[str],
        regions: Painting | Sequence[Painting | None],
        *,
        output: Literal["tensor"] = "tensor",
        **options: Unpack[WordedOptions],
    ) -> Tensor: ...

    @overload
    def paint(
        self,
        prompts: str | Sequence[str],
        regions: Painting | Sequence[Painting | None],
        *,
        output: Literal["pil"],
        **options: Unpack[WordedOptions],
    ) -> list[Image.Image]: ...

    def paint(
        self,
        prompts: str | Sequence[str],
        regions: Painting | Sequence[Painting | None],
        *,
        seeds: int | Sequence[int] = 0,
        num_images: int = 1,
        stop_at: int | None = None,
        start_from: Picture | None = None,
        num_steps: int | Sequence[int] | None = None,
        guidance_scale: float | Sequence[float] | None = None,
        sampler: str | None = None,
        use: Collection[str] | None = None,
        style: AnyStyle = None,
        style_strength: float | None = None,
        style_stages: Collection[str] | None = None,
        looks: bool = True,
        anyway: bool = True,
        tile: int | None = None,
        dtype: torch.dtype = torch.bfloat16,
        output: Output = "tensor",
    ) -> Tensor | list[Image.Image]:
        """`generate`, with phrases of the prompts where they are painted: see `ediffi.paint`.

        >>> regions = from_map("map.png", {"#ff0000": "cat"})         # doctest: +SKIP
        >>> cascade.paint("a cat and a rocket", regions).shape        # doctest: +SKIP
        torch.Size([1, 3, 1024, 1024])
        """
        request = Request.of(
            prompts=prompts,
            regions=regions,
            seeds=seeds,
            num_images=num_images,
            stop_at=stop_at,
            start_from=start_from,
            num_steps=num_steps,
            guidance_scale=guidance_scale,
            sampler=sampler,
            use=use,
            style=style,
            style_strength=style_strength,
            style_stages=style_stages,
            looks=looks,
            anyway=anyway,
            tile=tile,
            dtype=dtype,
        )
        return self._draw(request, output)

    @overload
    def vary(
        self,
        picture: Picture | Style,
        *,
        output: Literal["tensor"] = "tensor",
        **options: Unpack[Options],
    ) -> Tensor: ...

    @overload
    def vary(
        self, picture: Picture | Style, *, output: Literal["pil"], **options: Unpack[Options]
    ) -> list[Image.Image]: ...

    def vary(
        self,
        picture: Picture | Style,
        *,
        seeds: int | Sequence[int] = 0,
        num_images: int = 1,
        stop_at: int | None = None,
        start_from: Picture | None = None,
        num_steps: int | Sequence[int] | None = None,
        guidance_scale: float | Sequence[float] | None = None,
        sampler: str | None = None,
        style_strength: float | None = None,
        style_stages: Collection[str] | None = None,
        tile: int | None = None,
        dtype: torch.dtype = torch.bfloat16,
        output: Output = "tensor",
    ) -> Tensor | list[Image.Image]:
        """Variations of a picture, told of by its embedding alone; options of `generate`.

        >>> cascade.vary("fox.png", num_images=4, stop_at=64).shape   # doctest: +SKIP
        torch.Size([4, 3, 64, 64])
        """
        request = Request.of(
            style=picture,
            seeds=seeds,
            num_images=num_images,
            stop_at=stop_at,
            start_from=start_from,
            num_steps=num_steps,
            guidance_scale=guidance_scale,
            sampler=sampler,
            style_strength=style_strength,
            style_stages=style_stages,
            tile=tile,
            dtype=dtype,
        )
        return self._draw(request, output)

    def _draw(self, request: Request, output: Output) -> Tensor | list[Image.Image]:
        if output not in ("tensor", "pil"):
            raise UserError(f"output {output!r}: choose tensor or pil")
        for event in self.run(self.plan(request)):
            if isinstance(event, StageDone):
                images = event.images
        return images if output == "tensor" else [Image.fromarray(p) for p in to_uint8(images)]
