"""A server under load: many clients at once, jobs in a row, and a process that is killed."""

from __future__ import annotations

import asyncio
import io
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from statistics import quantiles
from typing import Any

import httpx2
import numpy as np
from PIL import Image

from ediffi.core.pixels import to_uint8
from ediffi.model import Cascade
from studies.load_server import Process, batching_gain

NEAR = 4.0  # levels of 255, mean, that a picture in a batch may be from the one drawn alone
PAUSE = 0.5  # seconds between two looks at the jobs


@dataclass(frozen=True)
class Wanted:
    """A request, and its picture as the cascade draws it alone (H, W, 3)."""

    request: dict[str, Any]
    picture: np.ndarray[Any, Any]


@dataclass
class Seen:
    """What clients saw. seconds: from asking to the picture, of every job; sizes: resident bytes
    of the server after so many jobs."""

    seconds: list[float] = field(default_factory=list)
    accepted: list[str] = field(default_factory=list)
    refused: int = 0
    wrong: list[str] = field(default_factory=list)
    sizes: list[tuple[int, int]] = field(default_factory=list)

    def told(self) -> dict[str, Any]:
        cuts = quantiles(self.seconds, n=100)
        return {
            "jobs": len(self.accepted),
            "distinct": len(set(self.accepted)),
            "finished": len(self.seconds),
            "refused": self.refused,
            "wrong": self.wrong,
            "seconds": {"p50": cuts[49], "p90": cuts[89], "p99": cuts[98]},
            "resident": [{"jobs": jobs, "MB": size // 2**20} for jobs, size in self.sizes],
        }


def whole(
    model: str, clients: int, seconds: float, jobs: int, killed: int, size: int | None
) -> dict[str, Any]:
    """What batches gain, then the load, then a kill; see `python -m studies load`."""
    cascade = Cascade.from_pretrained(model)
    side = size or cascade.config.stages[0].resolution
    gain = batching_gain(cascade, resolution=side)
    asked = wanted(cascade, 24, side)
    with tempfile.TemporaryDirectory() as folder:
        server = Process(model, Path(folder))
        server.start()
        try:
            seen = asyncio.run(load(server, asked, clients=clients, seconds=seconds, jobs=jobs))
            requests = [asked[n % len(asked)].request for n in range(killed)]
            restart = kill_and_restart(server, requests)
        finally:
            server.stop()
    return {"batching": gain, "load": seen.told(), "killed": restart}


def wanted(cascade: Cascade, num: int, resolution: int) -> list[Wanted]:
    """So many requests of one picture each, no two alike, and what they ask for."""
    nouns = list(cascade.config.vocabulary) or ["a picture"]
    out = []
    for seed in range(num):
        prompt = f"a {nouns[seed % len(nouns)]}"
        request = {"prompts": [prompt], "seeds": [seed], "stop_at": resolution}
        images = cascade.generate(prompt, seeds=seed, stop_at=resolution)
        out.append(Wanted(request, to_uint8(images)[0].astype(float)))
    return out


async def load(
    server: Process, wanted: Sequence[Wanted], *, clients: int, seconds: float, jobs: int
) -> Seen:
    """`clients` ask again and again for `seconds`, or until `jobs` are accepted."""
    seen, end = Seen(), time.monotonic() + seconds
    limits = httpx2.Limits(max_connections=clients)
    async with httpx2.AsyncClient(base_url=server.url, timeout=300, limits=limits) as http:

        async def client(number: int) -> None:
            choice = Random(number)
            while time.monotonic() < end and len(seen.accepted) < jobs:
                await _one(http, choice.choice(wanted), wanted, seen)

        async def watch() -> None:
            while True:
                seen.sizes.append((len(seen.seconds), server.resident()))
                await asyncio.sleep(max(1.0, seconds / 20))

        watching = asyncio.create_task(watch())
        await asyncio.gather(*(client(number) for number in range(clients)))
        watching.cancel()
        seen.sizes.append((len(seen.seconds), server.resident()))
    return seen


async def _one(
    http: httpx2.AsyncClient, want: Wanted, all_wanted: Sequence[Wanted], seen: Seen
) -> None:
    """One job, from asking to its picture, which must be the one that was asked for."""
    start = time.monotonic()
    answer = await http.post("/v1/jobs", json=want.request)
    if answer.status_code == 429:
        seen.refused += 1
        await asyncio.sleep(0.5)
        return
    job = answer.json()
    seen.accepted.append(job["id"])
    async with http.stream("GET", f"/v1/jobs/{job['id']}/events") as events:
        async for _ in events.aiter_lines():  # to its end
            pass
    job = (await http.get(f"/v1/jobs/{job['id']}")).json()
    if job["status"] != "done":
        seen.wrong.append(f"{job['id']}: {job['status']}, {job['error']}")
        return
    file = await http.get(job["images"][0]["url"])
    seen.seconds.append(time.monotonic() - start)
    problem = mistaken(file.content, want, all_wanted)
    if problem:
        seen.wrong.append(f"{job['id']}: {problem}")


def mistaken(file: bytes, want: Wanted, all_wanted: Sequence[Wanted]) -> str | None:
    """Why a picture is not the one that was wanted; None if it is."""
    picture = np.asarray(Image.open(io.BytesIO(file)), float)
    off = [float(np.abs(picture - other.picture).mean()) for other in all_wanted]
    own = off[all_wanted.index(want)]
    if own > NEAR:
        return f"{own:.1f} levels from the picture drawn alone"
    if own > min(off):
        return "nearer to another request's picture"
    return None


def kill_and_restart(server: Process, requests: Sequence[dict[str, Any]]) -> dict[str, int]:
    """Kill the server when a third of the jobs are done, start it again, and wait for all: how
    many were accepted, were done before, and ended each way."""
    with httpx2.Client(base_url=server.url, timeout=300) as http:
        ids = [http.post("/v1/jobs", json=request).json()["id"] for request in requests]
        while (before := _count(http, ids)["done"]) < len(ids) / 3:
            time.sleep(PAUSE)
    server.kill()
    server.start()
    with httpx2.Client(base_url=server.url, timeout=300) as http:
        while sum((ended := _count(http, ids)).values()) < len(ids):
            time.sleep(PAUSE)
    return {"accepted": len(ids), "done before": before, **ended}


def _count(http: httpx2.Client, ids: Sequence[str]) -> dict[str, int]:
    listed = http.get("/v1/jobs", params={"limit": 500}).json()["jobs"]
    told = [job["status"] for job in listed if job["id"] in ids]
    return {status: told.count(status) for status in ("done", "failed", "cancelled")}
