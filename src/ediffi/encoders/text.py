"""Text encoders: prompts to token states, for the `t5` and `clip_text` roles.

Shape legend: B texts, L tokens, D token width.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer
from torch import Tensor

from ediffi.core.errors import UserError, note
from ediffi.core.types import Tokens
from ediffi.encoders.spec import EncoderSpec, resolve
from ediffi.encoders.tokens import cut, read_tokenizer
from ediffi.encoders.towers import read_tower

MAX_CHARACTERS = 10_000


def check_prompt(text: str) -> str:
    """The prompt with its white space tidied.

    Raises:
        UserError: blank, longer than 10,000 characters, or not Unicode text.
    """
    if len(text) > MAX_CHARACTERS:
        raise UserError(
            f"the prompt has {len(text):,} characters; at most {MAX_CHARACTERS:,} are read. "
            "Shorten it to a sentence or two"
        )
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise UserError(f"the prompt is not valid Unicode text: {error}") from error
    tidy = " ".join(text.split())
    if not tidy:
        raise UserError("the prompt is empty. Say what the picture should show")
    return tidy


class TextEncoder:
    """Any text encoder of `transformers` (T5, MiniLM, BERT ...), frozen. BERT and CLIP are read by
    `towers`, in a fraction of the time.

    Example:
        >>> encoder = TextEncoder.load(DEFAULT_TEXT)
        >>> encoder.encode(["a red fox"]).states.shape
        torch.Size([1, 5, 384])
    """

    def __init__(self, model: Any, tokenizer: Tokenizer, *, max_tokens: int, name: str) -> None:
        self.model = model.eval().requires_grad_(False)
        self.tokenizer = tokenizer
        self.max_tokens = max_tokens
        self.name = name

    @classmethod
    def load(
        cls,
        spec: EncoderSpec,
        *,
        root: Path | None = None,
        device: str = "cpu",
        dtype: torch.dtype = torch.float32,
    ) -> TextEncoder:
        """Read the encoder that `spec` names. `root`: the model folder, for relative sources."""
        folder = resolve(spec, root=root)
        with readable(folder):
            model = read_tower(folder, dtype) or cls._read(folder, dtype)
            tokenizer = read_tokenizer(folder)
        return cls(model.to(device), tokenizer, max_tokens=spec.max_tokens, name=spec.source)

    @staticmethod
    def _read(folder: Path, dtype: torch.dtype) -> Any:
        from transformers import AutoModelForTextEncoding

        with quiet_loading(folder):
            return AutoModelForTextEncoding.from_pretrained(
                folder, dtype=dtype, local_files_only=True, use_safetensors=True
            )

    @property
    def width(self) -> int:
        """D, the width of token states and of the pooled vector."""
        return int(self.model.config.hidden_size)

    def tokenize(self, texts: Sequence[str]) -> list[list[int]]:
        """Token numbers of every text, cut at `max_tokens` with a `Notice`."""
        tidy = [check_prompt(text) for text in texts]
        longest = max(len(encoding) for encoding in self.tokenizer.encode_batch(tidy))
        if longest > self.max_tokens:
            note(f"the prompt has {longest} tokens; {self.name} reads the first {self.max_tokens}")
        return [cut(self.tokenizer, text, self.max_tokens).ids for text in tidy]

    def offsets(self, text: str) -> list[tuple[int, int]]:
        """Where each token of a text stands among its characters, by the tokenizer's own account:
        (start, end), empty for marks that are no text. As long as the text's row of `tokenize`."""
        return cut(self.tokenizer, check_prompt(text), self.max_tokens).offsets

    def encode(self, texts: Sequence[str]) -> Tokens:
        """states (B, L, D), mask (B, L), pooled (B, D); L is the longest of these texts.

        All float32 on the CPU; states of padding are zero.
        """
        ids = self.tokenize(texts)
        return self.run(ids, pad_to=max(len(row) for row in ids))

    @torch.no_grad()
    def run(self, ids: Sequence[Sequence[int]], *, pad_to: int) -> Tokens:
        """Encode token numbers, padded to `pad_to` tokens."""
        padding = self.model.config.pad_token_id or 0
        numbers = torch.tensor([[*row, *[padding] * (pad_to - len(row))] for row in ids])
        mask = torch.arange(pad_to) < torch.tensor([len(row) for row in ids])[:, None]
        device = self.model.device
        states, pooled = self._outputs(numbers.to(device), mask.to(device))
        states = states.float().cpu() * mask[..., None]
        if pooled is None:
            pooled = states.sum(1) / mask.sum(1, keepdim=True)
        return Tokens(states, mask, pooled.float().cpu())

    def _outputs(self, ids: Tensor, mask: Tensor) -> tuple[Tensor, Tensor | None]:
        """Token states, and the pooled vector where it is not their masked mean."""
        return self.model(input_ids=ids, attention_mask=mask.long()).last_hidden_state, None


@contextmanager
def readable(folder: Path) -> Iterator[None]:
    """Damaged files of an encoder become `UserError`."""
    try:
        yield
    except UserError:
        raise
    except Exception as error:  # of tokenizers a bare Exception
        raise UserError(f"cannot read the encoder in {folder}: {error}") from error


@contextmanager
def quiet_loading(folder: Path) -> Iterator[None]:
    """`readable`, without the progress bars and key reports of `transformers`."""
    from transformers.utils import logging

    level, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        with readable(folder):
            yield
    finally:
        logging.set_verbosity(level)
        if bars:
            logging.enable_progress_bar()
