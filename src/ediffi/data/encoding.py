"""Encoding the captions (or the pictures) of a collection once, block by block, into files."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path

from PIL import Image

from ediffi.core.errors import UserError
from ediffi.core.files import make_folder
from ediffi.data.collection import Collection
from ediffi.encoders import EncoderSpec, TextEncoder, load_encoder
from ediffi.encoders.cache import Halves, encode_halves
from ediffi.encoders.clip import ClipImageEncoder
from ediffi.encoders.spec import resolve, weights_hash
from ediffi.encoders.stored import block_path, difference, header, read_header, write_block

BLOCK = 1_024  # pictures
IMAGES = 8  # pictures that CLIP sees at a time
SIDE = 256  # pixels that it is shown, before its own resizing


def encode_collection(
    collection: Collection,
    num_pictures: int,
    folder: Path,
    role: str,
    spec: EncoderSpec,
    *,
    rank: int = 0,
    world_size: int = 1,
    device: str = "cpu",
) -> Iterator[tuple[int, int]]:
    """Write the embeddings of the first pictures' captions (of the pictures themselves for
    `clip_image`), and yield (pictures done, pictures in all) after every block.

    Of `world_size` processes, each with its own `rank`, this one does every world_size-th block.
    Blocks that are there already are kept.

    Raises:
        UserError: the folder has embeddings of this role by another encoder or of other data.
    """
    spec = spec.model_copy(update={"sha256": weights_hash(resolve(spec))})
    num_blocks = -(-num_pictures // BLOCK)
    data = hashlib.sha256(json.dumps([collection.name(0), num_pictures]).encode()).hexdigest()
    make_folder(folder)
    todo = []
    for block in range(num_blocks):
        facts, path = header(role, spec, block, num_blocks, data), block_path(folder, role, block)
        if path.exists():
            different = difference(read_header(path), facts)
            if different:
                raise UserError(
                    f"{folder} has other {role} embeddings already ({different}): "
                    "choose another folder, or delete it first"
                )
        elif block % world_size == rank:
            todo.append((block, path, facts))
    encoder = load_encoder(spec, device=device) if todo else None
    mine = sum(1 for block in range(num_blocks) if block % world_size == rank)
    yield mine - len(todo), mine
    for done, (block, path, facts) in enumerate(todo, mine - len(todo) + 1):
        numbers = range(block * BLOCK, min((block + 1) * BLOCK, num_pictures))
        if isinstance(encoder, ClipImageEncoder):
            rows = _pictures(encoder, collection, numbers)
        else:
            assert isinstance(encoder, TextEncoder)
            texts = dict.fromkeys(text for n in numbers for text in collection.captions(n))
            halves = encode_halves(encoder, list(texts))
            rows = {text: halves[text] for text in texts}
        write_block(path, rows, facts)
        yield done, mine


def _pictures(
    encoder: ClipImageEncoder, collection: Collection, numbers: range
) -> dict[str, Halves]:
    rows: dict[str, Halves] = {}
    for start in range(0, len(numbers), IMAGES):
        some = numbers[start : start + IMAGES]
        images = [Image.fromarray(collection.pixels(n, SIDE)) for n in some]
        tokens = encoder.encode(images)
        for i, number in enumerate(some):
            rows[collection.name(number)] = tokens.states[i].half(), tokens.pooled[i].half()
    return rows
