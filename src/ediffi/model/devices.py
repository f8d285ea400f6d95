"""Which device to compute on."""

from __future__ import annotations

import torch

from ediffi.core.errors import UserError


def pick_device(name: str = "auto", index: int = 0) -> torch.device:
    """A device by name; "auto" is the first there is of cuda, mps and cpu.

    index: which of several CUDA devices, where the name does not say: one for each process.

    Raises:
        UserError: no such device on this machine.
    """
    there = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if name == "auto":
        name = next((kind for kind, found in there.items() if found), "cpu")
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise UserError(f"unknown device {name!r}: choose auto, cpu, cuda or mps") from error
    if not there.get(device.type, True):
        raise UserError(f"this machine has no {device.type} device that torch can use")
    if device.type == "cuda":
        device = torch.device("cuda", index if device.index is None else device.index)
        if device.index >= torch.cuda.device_count():
            raise UserError(
                f"this machine has {torch.cuda.device_count()} CUDA devices, none numbered "
                f"{device.index}: start as many processes as there are devices"
            )
    return device
