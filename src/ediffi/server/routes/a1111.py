"""/sdapi/v1: as much of the API of AUTOMATIC1111's web UI as its clients need to draw pictures.

What this model cannot do, negative prompts for one, is named in the answer's `info`.
"""

from __future__ import annotations

import asyncio
import base64
import json
import secrets
from typing import Any

from fastapi import APIRouter, Request
from pydantic import BaseModel, ConfigDict, Field

from ediffi.diffusion import SAMPLERS
from ediffi.model import ModelConfig
from ediffi.server.calls import called, drawn
from ediffi.server.errors import RESPONSES
from ediffi.server.job import Job, picture_path
from ediffi.server.openai import resolution
from ediffi.server.rendered import rendered
from ediffi.server.service import Client, Service, TheService
from ediffi.server.sse import data_uri

router = APIRouter(prefix="/sdapi/v1", tags=["AUTOMATIC1111"], responses=RESPONSES)


class Txt2Img(BaseModel):
    """The fields that are read; `steps` and `cfg_scale` with a `sampler_name` of this server's
    alone, for others mean another scale of steps and guidance."""

    model_config = ConfigDict(extra="allow")

    prompt: str = Field(min_length=1)
    seed: int = -1
    batch_size: int = Field(default=1, ge=1, le=10)
    n_iter: int = Field(default=1, ge=1, le=10)
    width: int = 512
    height: int = 512
    steps: int | None = None
    cfg_scale: float | None = None
    sampler_name: str | None = None

    @property
    def ignored(self) -> list[str]:
        """Fields that were given and change nothing."""
        others = [name for name, value in (self.model_extra or {}).items() if value]
        if self.sampler_name in SAMPLERS:
            return others
        unread = ("steps", "cfg_scale", "sampler_name")
        return [*others, *(name for name in unread if getattr(self, name) is not None)]

    def request(self, config: ModelConfig) -> bytes:
        """The request that it stands for.

        Raises:
            ApiError: a size that cannot be drawn.
        """
        asked: dict[str, Any] = {
            "prompts": [self.prompt],
            "seeds": [secrets.randbelow(2**31) if self.seed < 0 else self.seed],
            "num_images": self.batch_size * self.n_iter,
            "stop_at": resolution(f"{self.width}x{self.height}", config)[1],
        }
        if self.sampler_name in SAMPLERS:
            asked["sampler"] = self.sampler_name
            if self.steps is not None:
                asked["num_steps"] = [self.steps]
            if self.cfg_scale is not None:
                asked["guidance_scale"] = [self.cfg_scale]
        return json.dumps(asked).encode()


@router.post("/txt2img")
async def txt2img(
    request: Request, service: TheService, client: Client, asked: Txt2Img
) -> dict[str, Any]:
    """Draw pictures while the client waits."""
    async with called(service.jobs, asked.request(service.cascade.config), client) as job:
        await drawn(request, job)
        return await asyncio.to_thread(_answer, service, asked, job)


@router.get("/progress")
def progress(service: TheService, client: Client) -> dict[str, Any]:
    """How far the client's oldest job is."""
    jobs = service.jobs.running(client)
    step = jobs[0].progress if jobs else None
    preview = next((p for p in jobs[0].previews() if p is not None), None) if jobs else None
    return {
        "progress": step.step / step.num_steps if step else 0.0,
        "eta_relative": 0.0,
        "state": {
            "job": jobs[0].id if jobs else "",
            "job_count": len(jobs),
            "sampling_step": step.step if step else 0,
            "sampling_steps": step.num_steps if step else 0,
        },
        "current_image": None if preview is None else data_uri(preview).partition(",")[2],
        "textinfo": step.stage if step else None,
    }


@router.post("/interrupt")
async def interrupt(service: TheService, client: Client) -> dict[str, Any]:
    """Stop what is being drawn for the client."""
    for job in service.jobs.running(client):
        await service.jobs.cancelled(job.id)
    return {}


@router.get("/sd-models")
def models(service: TheService) -> list[dict[str, Any]]:
    """The model that is served."""
    cascade = service.cascade
    name = cascade.config.name
    return [{"title": name, "model_name": name, "sha256": cascade.hash, "filename": name}]


@router.get("/samplers")
def samplers() -> list[dict[str, Any]]:
    """Their names."""
    return [{"name": name, "aliases": [], "options": {}} for name in SAMPLERS]


@router.get("/options")
def options(service: TheService) -> dict[str, Any]:
    """Which model is used."""
    return {"sd_model_checkpoint": service.cascade.config.name}


def _answer(service: Service, asked: Txt2Img, job: Job) -> dict[str, Any]:
    folder = service.jobs.store.files(job.id)
    files = [picture_path(folder, picture) for picture in range(job.num_pictures)]
    info = {
        "prompt": asked.prompt,
        "all_seeds": list(job.plan.seeds),
        "seed": job.plan.seeds[0],
        "width": asked.width,
        "height": asked.height,
        "sd_model_name": service.cascade.config.name,
        "sd_model_hash": service.cascade.hash,
        "ignored": asked.ignored,
        "notes": list(job.plan.notes),
    }
    return {
        "images": [base64.b64encode(rendered(path, asked.width)).decode() for path in files],
        "parameters": asked.model_dump(),
        "info": json.dumps(info, ensure_ascii=False),
    }
