"""Which device to compute on."""

from __future__ import annotations

import torch

from ediffi.core.errors import UserError


def pick_device(name: str = "auto") -> torch.device:
    """A device by name; "auto" is the first there is of cuda, mps and cpu.

    Raises:
        UserError: no such device on this machine.
    """
    there = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if name == "auto":
        return torch.device(next((kind for kind, found in there.items() if found), "cpu"))
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise UserError(f"unknown device {name!r}: choose auto, cpu, cuda or mps") from error
    if not there.get(device.type, True):
        raise UserError(f"this machine has no {device.type} device that torch can use")
    return device
