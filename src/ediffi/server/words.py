"""What prompts mean to the model that is served."""

from __future__ import annotations

import re
from typing import Any, cast

from ediffi.encoders import check_prompt
from ediffi.encoders.prompt import EncodesText
from ediffi.language import Understood, understand
from ediffi.language.vocabulary import WORD
from ediffi.model import Cascade


class Words:
    """What prompts mean to a model. Threads may share it."""

    def __init__(self, cascade: Cascade) -> None:
        self.cascade = cascade
        self.vocabulary = cascade.config.claims

    def understood(self, prompt: str) -> dict[str, Any]:
        """As JSON. Positions are characters of the prompt as typed.

        Raises:
            UserError: a prompt that cannot be read.
        """
        meant = self.read(prompt)
        refusal = None if meant.drawable else meant.refusal(self.vocabulary)
        return {
            "text": meant.text,
            "words": [word for match in WORD.finditer(prompt) for word in self._word(match, meant)],
            "things": list(meant.things),
            "notes": list(meant.notes),
            "refusal": refusal,
        }

    def read(self, prompt: str, *, whole: bool = False) -> Understood:
        """whole: unknown words are kept. Raises UserError: a prompt that cannot be read."""
        with self.cascade.lock:  # tokenizers are not made for two threads
            return understand(check_prompt(prompt), self.vocabulary, self._encoder, whole=whole)

    def num_tokens(self, text: str) -> int:
        """As the text encoder counts them."""
        with self.cascade.lock:
            return len(self._encoder().offsets(text))

    def _word(self, match: re.Match[str], meant: Understood) -> list[dict[str, Any]]:
        """A word as typed, if it is not known or something near is offered for it."""
        word, span = match[0], match.span()
        known = not self.vocabulary.unknown_words(word)
        offers = [offer.label for offer in meant.offers if offer.word == word.lower()]
        place = meant.follow(span)
        read = meant.text[slice(*place)] if place else ""
        if not known and not offers and read and read.lower() != word.lower():
            offers = [read]
        if known and not offers:
            return []
        start, end = span
        return [{"start": start, "end": end, "word": word, "known": known, "offers": offers}]

    def _encoder(self) -> EncodesText:
        role = next(role for role in self.cascade.roles if role != "clip_image")
        return cast(EncodesText, self.cascade.encoder(role))
