"""Examples drawn and encoded once, and kept on disk: training reads them at any time, in any run.

A block is BLOCK pictures of one stage with all that training asks of them. Blocks are made when a
run first needs them, by worker processes that are a few blocks ahead of it, and are found again by
every later run of the same data.
"""

from __future__ import annotations

import json
import signal
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from ediffi.core.errors import UserError
from ediffi.core.files import make_folder, write_atomically
from ediffi.encoders.cache import Halves
from ediffi.train.parallel import Ranks

BLOCK = 256
IN_MEMORY = 4_000_000_000  # bytes of blocks


@dataclass(frozen=True)
class Caption:
    """One caption of a picture, as encoded. tokens[role]: states (L, D) and pooled (D,), float16;
    marks[role]: (L,) uint8, bit n set where a token is of phrase n; masks: (NUM, SIDE, SIDE) uint8,
    of the phrases; things: whether each is a thing; tells_style: whether it names the style."""

    tokens: dict[str, Halves]
    marks: dict[str, NDArray[np.uint8]]
    masks: NDArray[np.uint8]
    things: tuple[bool, ...]
    tells_style: bool


@dataclass(frozen=True)
class Example:
    """One picture. pixels: (3, H, W) uint8; reference: its own `clip_image` tokens, if there is
    such an encoder; style: its drawing style, if known; alone: whether it shows a single thing."""

    pixels: Tensor
    captions: Sequence[Caption]
    reference: Halves | None
    style: str | None
    alone: bool


class Block:
    """BLOCK examples, or fewer at the end of a collection."""

    def __init__(self, tensors: Mapping[str, Tensor], facts: Mapping[str, object]) -> None:
        self._t, self._facts = tensors, facts
        self.bytes = sum(t.nbytes for t in tensors.values())
        self._roles = sorted(n.split(".")[0] for n in tensors if n.endswith(".states"))

    @classmethod
    def of(cls, examples: Sequence[Example]) -> Block:
        captions = [c for e in examples for c in e.captions]
        tensors = {
            "pixels": torch.stack([e.pixels for e in examples]),
            "first": _starts([len(e.captions) for e in examples]),
            "masks": torch.from_numpy(np.stack([c.masks for c in captions])),
        }
        texts = {role: [c.tokens[role] for c in captions] for role in captions[0].tokens}
        for role, halves in texts.items():
            tensors |= _packed(role, halves)
            marks = np.concatenate([c.marks[role] for c in captions])
            tensors[f"{role}.marks"] = torch.from_numpy(marks)
        references = [e.reference for e in examples if e.reference is not None]
        if references:
            tensors |= _packed("reference", references)
        facts = {
            "styles": [e.style for e in examples],
            "alone": [e.alone for e in examples],
            "things": [c.things for c in captions],
            "tells_style": [c.tells_style for c in captions],
        }
        return cls(tensors, facts)

    def __len__(self) -> int:
        return len(self._t["pixels"])

    def example(self, row: int) -> Example:
        """One of its pictures."""
        first, end = self._t["first"][row : row + 2].tolist()
        reference = self._halves("reference", row) if "reference" in self._roles else None
        return Example(
            self._t["pixels"][row],
            [self._caption(n) for n in range(first, end)],
            reference,
            self.style(row),
            self.alone(row),
        )

    def style(self, row: int) -> str | None:
        return self._facts["styles"][row]  # type: ignore[index]

    def alone(self, row: int) -> bool:
        return self._facts["alone"][row]  # type: ignore[index]

    def _caption(self, n: int) -> Caption:
        roles = [role for role in self._roles if role != "reference"]
        marks = {}
        for role in roles:
            begin, end = self._t[f"{role}.starts"][n : n + 2].tolist()
            marks[role] = self._t[f"{role}.marks"][begin:end].numpy()
        things, told = self._facts["things"], self._facts["tells_style"]
        return Caption(
            {role: self._halves(role, n) for role in roles},
            marks,
            self._t["masks"][n].numpy(),
            tuple(things[n]),  # type: ignore[index]
            told[n],  # type: ignore[index]
        )

    def _halves(self, role: str, n: int) -> Halves:
        begin, end = self._t[f"{role}.starts"][n : n + 2].tolist()
        return self._t[f"{role}.states"][begin:end], self._t[f"{role}.pooled"][n]

    def write(self, path: Path) -> None:
        """Raises UserError: the disk refuses; then there is no such file."""
        write_atomically(path, save(dict(self._t), {"facts": json.dumps(self._facts)}))

    @classmethod
    def read(cls, path: Path) -> Block:
        """Raises UserError: damaged."""
        try:
            with safe_open(path, "pt") as file:
                facts = json.loads((file.metadata() or {})["facts"])
                return cls({name: file.get_tensor(name) for name in file.keys()}, facts)
        except (OSError, ValueError, KeyError, SafetensorError) as error:
            raise UserError(f"{path} is damaged ({error}): delete it, it is made again") from error


def _packed(role: str, rows: Sequence[Halves]) -> dict[str, Tensor]:
    return {
        f"{role}.states": torch.cat([states for states, _ in rows]),
        f"{role}.starts": _starts([len(states) for states, _ in rows]),
        f"{role}.pooled": torch.stack([pooled for _, pooled in rows]),
    }


def _starts(lengths: Sequence[int]) -> Tensor:
    return torch.tensor([0, *np.cumsum(lengths)])


class Kept:
    """The blocks of one run's data.

    Args:
        folder: of these data alone.
        make: all examples of some numbers, a pure function of them.
        num: how many pictures there are.
        workers: processes that make blocks ahead of who reads them; 0 makes them when asked.
    """

    def __init__(
        self,
        folder: Path,
        make: Callable[[Sequence[int]], list[Example]],
        num: int,
        *,
        workers: int = 0,
    ) -> None:
        self.folder, self.num, self.workers = folder, num, workers
        self._make = make
        self._memory: OrderedDict[int, Block] = OrderedDict()
        self._bytes = 0
        self._coming: Iterator[int] | None = None

    def __getitem__(self, number: int) -> Example:
        return self.block(number // BLOCK).example(number % BLOCK)

    def block(self, index: int) -> Block:
        """Block `index`, made now if nobody has made it."""
        if index not in self._memory:
            self._wait_for(index)
            block = Block.read(self.path(index))
            self._memory[index] = block
            self._bytes += block.bytes
            while self._bytes > IN_MEMORY and len(self._memory) > 1:
                self._bytes -= self._memory.popitem(last=False)[1].bytes
        self._memory.move_to_end(index)
        return self._memory[index]

    def path(self, index: int) -> Path:
        return self.folder / f"block-{index:06d}.safetensors"

    def missing(self) -> list[int]:
        """The blocks that nobody has made yet."""
        count = -(-self.num // BLOCK)
        return [index for index in range(count) if not self.path(index).is_file()]

    def write(self, index: int) -> int:
        """Make one block and put it on disk; returns its index."""
        numbers = range(index * BLOCK, min((index + 1) * BLOCK, self.num))
        make_folder(self.folder)
        Block.of(self._make(numbers)).write(self.path(index))
        return index

    def make_missing(self, ranks: Ranks) -> Iterator[tuple[int, int]]:
        """Make what nobody has made, every rank its share, in step with each other; yields how many
        blocks are there, of how many that were missing.

        Raises:
            UserError: the ranks do not see the same folder.
        """
        missing = self.missing()
        ranks.any(False)  # nobody writes before all have looked
        made = self._made(missing[ranks.rank :: ranks.world])
        for first in range(0, len(missing), ranks.world):
            next(made, None)
            ranks.any(False)
            yield min(first + ranks.world, len(missing)), len(missing)
        if ranks.any(bool(self.missing())):
            raise UserError(f"{self.folder} must be a folder that all processes see: --examples")

    def _wait_for(self, index: int) -> None:
        if self.path(index).is_file():
            return
        if self._coming is None:
            self._coming = self._made([i for i in self.missing() if i >= index])
        for made in self._coming:
            if made == index:
                return
        self._coming = None  # it was before the first of those: start again there
        self._wait_for(index)

    def _made(self, indices: Sequence[int]) -> Iterator[int]:
        """Make these blocks one after the other, ahead of who asks if there are workers."""
        if not self.workers:
            yield from map(self.write, indices)
            return
        for made in DataLoader(
            _Missing(self, indices),
            batch_size=None,
            num_workers=self.workers,
            worker_init_fn=_unstopped,
        ):
            if isinstance(made, UserError):
                raise made
            yield made


def _unstopped(worker: int) -> None:
    """A terminal's Ctrl-C reaches a run's workers as well: it is the run that stops them, when it
    has finished its step and saved."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


class _Missing(Dataset[int | UserError]):
    """Blocks to make, as the worker processes of a `DataLoader` take them. What a person should
    know goes back as it is: raised, it would come with the worker's traceback."""

    def __init__(self, kept: Kept, indices: Sequence[int]) -> None:
        self.kept, self.indices = kept, indices

    def __len__(self) -> int:
        return len(self.indices)

    def __getitem__(self, n: int) -> int | UserError:
        index = self.indices[n]
        try:
            return index if self.kept.path(index).is_file() else self.kept.write(index)
        except UserError as error:
            return error
