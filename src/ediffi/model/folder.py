"""Model folders: written so that a crash leaves no half file, read only if every hash agrees.

- config.json: ModelConfig, its stages by name
- STAGE/config.json: StageConfig
- STAGE/model.safetensors: weights, bfloat16; of an ensemble, the tensors that all experts share
- STAGE/NODE.safetensors: what is an expert's own
- NAME/...: an encoder that comes with the model, as transformers saves it
- manifest.json: sha256 of each file above
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import warnings
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from pydantic import ValidationError
from torch import Tensor

from ediffi.core.errors import Notice, UserError
from ediffi.core.files import file_sha256, make_folder, replace_all
from ediffi.encoders.spec import EncoderSpec
from ediffi.model.config import ModelConfig, StageConfig

BUNDLED = Path(__file__).parent.parent / "models"
MANIFEST = "manifest.json"
ENCODER_SUFFIXES = (".json", ".txt", ".model", ".safetensors")
State = Mapping[str, Tensor]
HUB_NAME = re.compile(r"[\w.-]+/[\w.-]+")


def locate(name: str | Path, **hub: Any) -> Path:
    """The folder of a model: one that ships with ediffi, a folder on disk, or a hub repository.

    hub: passed to `huggingface_hub.snapshot_download`, e.g. revision.

    Raises:
        UserError: found nowhere.
    """
    if os.path.isfile(BUNDLED / name / MANIFEST) and os.sep not in str(name):
        return BUNDLED / name
    folder = Path(name).expanduser()
    if os.path.isdir(folder):  # unlike Path.is_dir, False for impossible names
        return folder
    shipped = sorted(path.parent.name for path in BUNDLED.glob(f"*/{MANIFEST}"))
    missing = f"no model folder {str(name)!r} (shipped with ediffi: {', '.join(shipped) or 'none'})"
    # "runs/fox" where runs/ is here is a mistyped folder, not a repository of user "runs".
    if not HUB_NAME.fullmatch(str(name)) or os.path.isdir(folder.parent):
        raise UserError(missing)
    from huggingface_hub import snapshot_download

    warnings.warn(f"no folder {str(name)!r} here: asking the hub for it", Notice, stacklevel=2)
    try:
        return Path(snapshot_download(str(name), **hub))
    except Exception as error:  # the hub's client raises many unrelated classes
        raise UserError(f"{missing}, and not on the hub: {type(error).__name__}") from error


class ModelFolder:
    """A model folder, opened: its configuration is checked now, weights when they are read."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.hashes = read_manifest(path)
        top = self._json("config.json")
        stages = [self._json(f"{name}/config.json") for name in top["stages"]]
        try:
            self.config = ModelConfig.model_validate(top | {"stages": stages})
        except ValidationError as error:
            first = error.errors()[0]
            place = ".".join(str(part) for part in first["loc"])
            raise UserError(f"{path}: bad configuration at {place}: {first['msg']}") from error

    @property
    def hash(self) -> str:
        """One sha256 that stands for the whole model."""
        return manifest_hash(self.hashes)

    def weights(self, stage: str, node: str | None = None) -> dict[str, Tensor]:
        """The state of a stage's network, or of its expert of that name; bfloat16.

        Raises:
            UserError: a file is missing or damaged, or the stage has no such network.
        """
        config = self.config.stage(stage)
        files = {expert.node: expert.file for expert in config.experts}
        if node is None and files:
            raise UserError(
                f"{self.path}: stage {stage} is an ensemble of {len(files)} experts, not one "
                "network. `ediffi experts merge --one` makes one of them"
            )
        if node is not None and node not in files:
            raise UserError(f"{self.path}: stage {stage} has no expert {node}: it has {[*files]}")
        state = safetensors.torch.load_file(self._checked(config.files[0]))
        if node is None:
            return state
        return state | safetensors.torch.load_file(self._checked(files[node]))

    def shared(self, stage: str) -> set[str]:
        """The names of the tensors that all experts of a stage share."""
        return set(self._shapes(self.config.stage(stage).files[0]))

    def num_parameters(self, stage: str) -> int:
        """Numbers in a stage's weights, shared ones counted once; read from the files' headers."""
        shapes = [self._shapes(file).values() for file in self.config.stage(stage).files]
        return sum(torch.Size(shape).numel() for of_file in shapes for shape in of_file)

    def check_encoder(self, role: str) -> None:
        """Hash the files of a role's encoder if it lies in the folder.

        Raises:
            UserError: one is missing or damaged.
        """
        for name in inside(self.hashes, [self.config.encoders[role]]):
            self._checked(name)

    def read(self, name: str) -> bytes:
        """One of its files.

        Raises:
            UserError: it is missing or damaged.
        """
        return self._checked(name).read_bytes()

    def update(self, files: Mapping[str, bytes]) -> str:
        """Replace some of its files; returns the model's hash, which is a new one.

        Raises:
            UserError: the folder cannot be written; then it is as it was.
        """
        self.hashes |= {name: hashlib.sha256(data).hexdigest() for name, data in files.items()}
        written = {self.path / name: data for name, data in files.items()}
        replace_all(written | {self.path / MANIFEST: _dump({"files": self.hashes})})
        return self.hash

    def _shapes(self, name: str) -> dict[str, list[int]]:
        with safetensors.safe_open(self._checked(name), "pt") as file:
            return {key: file.get_slice(key).get_shape() for key in file.keys()}

    def _json(self, name: str) -> Any:
        return json.loads(self._checked(name).read_text())

    def _checked(self, name: str) -> Path:
        path = self.path / name
        if name not in self.hashes:
            raise UserError(f"{self.path / MANIFEST} does not list {name}. Copy the model again")
        if not path.is_file():
            raise UserError(f"{path} is missing. Copy the model again")
        found = file_sha256(path)
        if found != self.hashes[name]:
            raise UserError(
                f"{path} is damaged: sha256 {found}, expected {self.hashes[name]}. "
                "Copy the model again"
            )
        return path


def inside(names: Iterable[str], encoders: Iterable[EncoderSpec]) -> list[str]:
    """Those of a model's files that belong to one of these encoders."""
    folders = {f"{spec.source}/" for spec in encoders}
    return [name for name in names if any(name.startswith(folder) for folder in folders)]


def save_model(
    folder: Path,
    config: ModelConfig,
    weights: Mapping[str, State],
    *,
    experts: Mapping[str, Mapping[str, State]] | None = None,
    encoders: Mapping[str, Path] | None = None,
) -> str:
    """Write or update a model folder; returns the model's hash.

    weights: state of each stage's network, by stage name; experts: of each of its experts, by
    stage name and node, where the stage is an ensemble. encoders: folders that are copied in, by
    the relative `source` that the configuration gives them. Stages and encoders that are not given
    stay as they are in the folder. All new files are written under temporary names first.

    Raises:
        UserError: a network is missing, or the folder cannot be written; what was there remains.
    """
    old = read_manifest(folder) if (folder / MANIFEST).is_file() else {}
    stages = [stage.name for stage in config.stages]
    top = config.model_dump(mode="json") | {"stages": stages}
    files: dict[str, bytes] = {"config.json": _dump(top)}
    for stage in config.stages:
        files[f"{stage.name}/config.json"] = _dump(stage.model_dump(mode="json"))
        if stage.name in weights:
            files[stage.files[0]] = safetensors.torch.save(_half(weights[stage.name]))
        elif experts and stage.name in experts:
            files |= _ensemble(stage, experts[stage.name])
    for name, source in (encoders or {}).items():
        files |= {f"{name}/{file.name}": file.read_bytes() for file in encoder_files(source)}
    hashes = {name: hashlib.sha256(data).hexdigest() for name, data in files.items()}
    hashes |= {
        name: old[name] for name in inside(old, config.encoders.values()) if name not in hashes
    }
    for stage in config.stages:
        for kept in stage.files:
            if kept not in hashes and kept not in old:
                raise UserError(f"stage {stage.name} has no weights, neither given nor in {folder}")
            hashes.setdefault(kept, old.get(kept, ""))  # not hashed anew: damage stays visible
    hashes = dict(sorted(hashes.items()))
    files[MANIFEST] = _dump({"files": hashes})
    for name in ["", *stages, *(encoders or {})]:
        make_folder(folder / name)
    replace_all({folder / name: data for name, data in files.items()})
    _clean(folder, stages, hashes)
    return manifest_hash(hashes)


def _half(state: State) -> dict[str, Tensor]:
    return {name: t.detach().cpu().bfloat16().contiguous() for name, t in state.items()}


def _ensemble(stage: StageConfig, states: Mapping[str, State]) -> dict[str, bytes]:
    """The files of an ensemble: a tensor that all experts have alike is written once."""
    missing = [expert.node for expert in stage.experts if expert.node not in states]
    if missing:
        raise UserError(f"stage {stage.name} has no weights for its experts {', '.join(missing)}")
    half = [_half(states[expert.node]) for expert in stage.experts]
    first, *others = half
    if any(state.keys() != first.keys() for state in others):
        raise UserError(f"stage {stage.name}: its experts are not of one architecture")
    shared = {n for n, t in first.items() if all(torch.equal(t, state[n]) for state in others)}
    kept, *own = stage.files
    files = {kept: safetensors.torch.save({n: first[n] for n in sorted(shared)})}
    for name, state in zip(own, half, strict=True):
        files[name] = safetensors.torch.save({n: t for n, t in state.items() if n not in shared})
    return files


def _clean(folder: Path, stages: Iterable[str], hashes: Mapping[str, str]) -> None:
    """Delete weights that no configuration names any more, and what a killed process left."""
    for part in folder.rglob(".*.part"):
        part.unlink(missing_ok=True)
    for stage in stages:
        for path in (folder / stage).glob("*.safetensors"):
            if f"{stage}/{path.name}" not in hashes:
                path.unlink(missing_ok=True)


def encoder_files(folder: Path) -> list[Path]:
    """What makes an encoder: configuration, tokenizer, weights."""
    return sorted(path for path in folder.iterdir() if path.suffix in ENCODER_SUFFIXES)


def read_manifest(folder: Path) -> dict[str, str]:
    """The sha256 of every file of a model, by its path in the folder."""
    path = folder / MANIFEST
    if not path.is_file():
        raise UserError(f"{folder} is not a model folder: it has no {MANIFEST}")
    try:
        files = json.loads(path.read_text())["files"]
        return {str(name): str(digest) for name, digest in files.items()}
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise UserError(f"{path} is damaged: {error}. Copy the model again") from error


def manifest_hash(hashes: Mapping[str, str]) -> str:
    lines = "".join(f"{digest} {name}\n" for name, digest in sorted(hashes.items()))
    return hashlib.sha256(lines.encode()).hexdigest()


def _dump(value: Any) -> bytes:
    return (json.dumps(value, indent=2, ensure_ascii=False) + "\n").encode()
