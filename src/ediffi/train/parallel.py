"""Several processes that train as one, as torchrun starts them.

Every rank takes its share of each batch. `ddp` keeps all weights on every rank; `fsdp` (PyTorch's
FSDP2, Zhao et al. 2023) keeps a share of each weight, of its average and of its moments, and
gathers a block's weights while it is computed.
"""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any, Literal

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import FSDPModule, fully_shard
from torch.distributed.rendezvous import rendezvous
from torch.distributed.tensor import DTensor, distribute_tensor
from torch.nn.parallel import DistributedDataParallel

from ediffi.core.errors import UserError
from ediffi.model.devices import pick_device
from ediffi.networks.attention import TransformerBlock
from ediffi.networks.blocks import ResBlock

Form = Literal["ddp", "fsdp"]
LOST = ("Connection closed by peer", "Connection reset by peer", "NCCL", "gloo")  # in errors' words
CPU = torch.device("cpu")


@dataclass(frozen=True)
class Ranks:
    """Which of `world` processes this is, and the device it computes on; one alone by default."""

    device: torch.device = CPU
    rank: int = 0
    world: int = 1
    form: Form = "ddp"

    @property
    def first(self) -> bool:
        """Whether this rank is the one that writes files and talks."""
        return self.rank == 0

    def spread(self, model: nn.Module) -> nn.Module:
        """Put a model that is the same on every rank on the device, sharded in place with `fsdp`;
        returns what a step calls."""
        model.to(self.device)
        if self.world == 1:
            return model
        if self.form == "ddp":
            here = [self.device] if self.device.type == "cuda" else None
            # roles that a run has no encoder for do not learn
            return DistributedDataParallel(model, device_ids=here, find_unused_parameters=True)
        model.to(memory_format=torch.contiguous_format)  # type: ignore[call-overload]
        # blocks return views, which nobody changes in place
        warnings.filterwarnings("ignore", message="FSDP2-wrapped module")
        mesh = init_device_mesh(self.device.type, (self.world,))
        for block in blocks(model):
            fully_shard(block, mesh=mesh)
        fully_shard(model, mesh=mesh)
        return model

    def any(self, flag: bool) -> bool:
        """Whether it is so on any rank; all wait for each other here."""
        return bool(self.total(torch.tensor(float(flag))))

    def total(self, values: Tensor) -> Tensor:
        """The sum over all ranks."""
        if self.world > 1:
            dist.all_reduce(values)
        return values


ALONE = Ranks()


def blocks(model: nn.Module) -> list[nn.Module]:
    """The parts of a network that are compiled, and sharded, one by one."""
    return [part for part in model.modules() if isinstance(part, (ResBlock, TransformerBlock))]


def without_sync(model: nn.Module, last: bool) -> AbstractContextManager[None]:
    """Gradients of a backward pass stay on their rank, unless it is the last of a step."""
    if isinstance(model, FSDPModule):
        model.set_requires_gradient_sync(last)
    elif isinstance(model, DistributedDataParallel) and not last:
        return model.no_sync()
    return nullcontext()


def local(tensor: Tensor) -> Tensor:
    """The part of a tensor that this rank has."""
    return tensor.to_local() if isinstance(tensor, DTensor) else tensor


@torch.no_grad()
def whole(tensor: Tensor) -> Tensor:
    """All of it, on the CPU and contiguous; every rank must ask."""
    full = tensor.full_tensor() if isinstance(tensor, DTensor) else tensor
    return full.detach().cpu().contiguous()


@torch.no_grad()
def fill(target: Tensor, value: Tensor) -> None:
    """Copy a whole tensor into one that may be shared out among ranks."""
    if isinstance(target, DTensor):
        mesh, value = target.device_mesh, value.to(target.device)
        value = distribute_tensor(value, mesh, target.placements, src_data_rank=None)
    target.copy_(value)


@contextmanager
def processes(device: str, form: Form = "ddp") -> Iterator[Ranks]:
    """The ranks of this run: those that torchrun has started, or this process alone.

    Raises:
        UserError: no such device; or another process ended while this one waited for it, which one
            of those that are left says, and the rest leave with exit code 2.
    """
    here = pick_device(device, int(os.environ.get("LOCAL_RANK", 0)))
    if int(os.environ.get("WORLD_SIZE", 1)) == 1:
        yield Ranks(here)
        return
    backend = "cpu:gloo,cuda:nccl" if here.type == "cuda" else "gloo"
    store, rank, world = next(rendezvous("env://"))
    dist.init_process_group(backend, store=store, rank=rank, world_size=world)
    try:
        yield Ranks(here, rank, world, form)
    except RuntimeError as error:
        if not any(word in str(error) for word in LOST):
            raise
        if not _first_to_say(store):
            sys.exit(2)
        raise UserError(
            "another process of the run ended, so this one stops too: its last checkpoint is good, "
            "the same command goes on from there"
        ) from error
    finally:
        dist.destroy_process_group()


def _first_to_say(store: Any) -> bool:
    """Whether no other rank has said so before: one line is enough."""
    try:
        return bool(store.add("said", 1) == 1)
    except RuntimeError:  # kept by the process that ended
        return True
