"""What a cascade is made of: stages and encoders, each read when it is first needed."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from threading import RLock
from typing import Any, NoReturn, Self

import torch

from ediffi.core.errors import note, noted_by
from ediffi.encoders import load_encoder
from ediffi.encoders.prompt import Encoder
from ediffi.model.config import ModelConfig, StageConfig
from ediffi.model.folder import MANIFEST, ModelFolder
from ediffi.model.stage import Stage


class Parts:
    """The stages and encoders of a model on one device. Threads may share it."""

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
        self.device = torch.device("cpu")
        self._read_stage = read_stage
        self._root = root
        self._stages: dict[str, Stage] = {}
        self._given = dict(encoders) if encoders is not None else None
        self._encoders: dict[str, Any] = {}
        self._told: set[str] = set()
        self.lock = RLock()  # held while something is read or encoded, not while pictures are drawn

    def stage(self, name: str) -> Stage:
        """A stage, its weights read and checked the first time."""
        with self.lock:
            if name not in self._stages:
                self._stages[name] = self._read_stage(self.config.stage(name)).to(self.device)
            return self._stages[name]

    @property
    def stages(self) -> list[Stage]:
        """All stages, from small to large."""
        return [self.stage(stage.name) for stage in self.config.stages]

    def encoder(self, role: str) -> Encoder:
        """The encoder of a role, its weights read and checked the first time."""
        if self._given is not None:
            return self._given[role]
        with self.lock:
            if role not in self._encoders:
                if self._root is not None and (self._root / MANIFEST).is_file():
                    ModelFolder(self._root).check_encoder(role)
                spec = self.config.encoders[role]
                encoder = load_encoder(spec, root=self._root, device=str(self.device))
                self._encoders[role] = encoder
            return self._encoders[role]

    @property
    def encoders(self) -> dict[str, Encoder]:
        """All encoders by role."""
        return {role: self.encoder(role) for role in self.roles}

    @property
    def roles(self) -> tuple[str, ...]:
        """The roles that have an encoder, e.g. ("t5",); reads nothing."""
        return tuple(self.config.encoders if self._given is None else self._given)

    def load(
        self, stages: Collection[str] | None = None, roles: Collection[str] | None = None
    ) -> None:
        """Read the named stages and the encoders of the roles now (None: all), so that the first
        picture need not wait for them.

        Raises:
            UserError: one of the files is missing, damaged or not the one expected.
        """
        for config in self.config.stages:
            if stages is None or config.name in stages:
                self.stage(config.name)
        for role in self.roles if roles is None else roles:
            self.encoder(role)

    def to(self, device: torch.device | str) -> Self:
        """Compute there from now on: what has been read is moved, what comes later is read to it.
        Encoders that were given stay where they are."""
        with self.lock:
            self.device = torch.device(device)
            for stage in self._stages.values():
                stage.to(self.device)
            for encoder in self._encoders.values():
                encoder.model.to(self.device)
        return self

    def tell(self, message: str) -> None:
        """A `note`, said once by this model."""
        with self.lock:
            new = message not in self._told
            self._told.add(message)
        if new:
            with noted_by(None):
                note(message)

    def __reduce__(self) -> NoReturn:
        raise TypeError(
            f"a {type(self).__name__} cannot be pickled or copied: open it by its name in each "
            "process, Cascade.from_pretrained(name); threads may share one"
        )
