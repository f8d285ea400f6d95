"""Tokenizers: text to token numbers, by the `tokenizers` library alone where the folder allows."""

from __future__ import annotations

from pathlib import Path

from tokenizers import Encoding, Tokenizer

from ediffi.core.errors import UserError

SAVED = "tokenizer.json"


def read_tokenizer(folder: Path) -> Tokenizer:
    """The tokenizer in the folder of an encoder, without padding and truncation of its own.

    Raises:
        UserError: it is one that does not know where its tokens stand in a text.
    """
    if (folder / SAVED).is_file():
        tokenizer = Tokenizer.from_file(str(folder / SAVED))
    else:  # of a T5 in its first format, a SentencePiece model
        from transformers import AutoTokenizer

        loaded = AutoTokenizer.from_pretrained(folder, local_files_only=True)
        if not loaded.is_fast:
            raise UserError(
                f"the tokenizer in {folder} cannot say where its tokens stand in a text"
            )
        tokenizer = loaded.backend_tokenizer
    tokenizer.no_padding()
    tokenizer.no_truncation()
    return tokenizer


def cut(tokenizer: Tokenizer, text: str, max_tokens: int) -> Encoding:
    """A text's tokens; of a longer text the first, with the marks around them."""
    whole = tokenizer.encode(text)
    if len(whole) <= max_tokens:
        return whole
    tokenizer.enable_truncation(max_tokens)
    try:
        return tokenizer.encode(text)
    finally:
        tokenizer.no_truncation()
