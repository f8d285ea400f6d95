"""How a server is run, and what it lets its clients ask for."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from platformdirs import user_data_path

from ediffi.trust.safety import Filters

DATA = user_data_path("ediffi") / "server"


@dataclass(frozen=True)
class Limits:
    """What one request may ask for, and how much may wait.

    pictures: of a request; prompt: characters; regions: painted phrases of a prompt; references:
    pictures that a request brings; pixels: of those together; steps: of a stage; body: bytes;
    queue: jobs that wait, of one client and of all together.
    """

    pictures: int = 16
    prompt: int = 2000
    regions: int = 64
    references: int = 32
    pixels: int = 50_000_000
    steps: int = 200
    body: int = 32 * 2**20
    queue: tuple[int, int] = (64, 256)


@dataclass(frozen=True)
class Settings:
    """How a server is run.

    keys: API keys, any of which is asked for; () for none. data: where jobs and pictures are kept,
    for `days` and up to `kept_bytes`. active: pictures drawn at once. grace: seconds that jobs get
    to end when the server stops; those that do not are begun again at its next start. filters: of
    prompts and pictures.
    """

    keys: tuple[str, ...] = ()
    data: Path = DATA
    days: float = 30.0
    kept_bytes: int = 10 * 10**9
    active: int = 16
    grace: float = 10.0
    log_prompts: bool = False
    filters: Filters = field(default_factory=Filters)
    limits: Limits = Limits()
