"""A model, and a prompt, told to programs."""

from __future__ import annotations

import math
import re
from typing import Any, cast

from ediffi.diffusion import SAMPLERS
from ediffi.encoders import check_prompt
from ediffi.encoders.prompt import EncodesText
from ediffi.language import Understood, Vocabulary, grouped, understand
from ediffi.language.vocabulary import WORD
from ediffi.model import Cascade


def described(cascade: Cascade) -> dict[str, Any]:
    """Stages, styles, vocabulary, samplers and defaults; sigma_max None means no upper end."""
    config = cascade.config
    return {
        "model": config.name,
        "hash": cascade.hash,
        "stages": [
            {
                "name": stage.name,
                "resolution": stage.resolution,
                "input_resolution": stage.input_resolution if stage.network.scale > 1 else None,
                "parameters": sum(
                    p.numel() for p in cascade.stage(str(stage.name)).denoiser.parameters()
                ),
                "experts": [
                    {
                        "node": expert.node,
                        "file": expert.file,
                        "sigma_min": expert.sigma_min,
                        "sigma_max": None if math.isinf(expert.sigma_max) else expert.sigma_max,
                    }
                    for expert in stage.experts
                ],
                "defaults": stage.sampling.model_dump(mode="json"),
            }
            for stage in config.stages
        ],
        "roles": list(cascade.roles),
        "samplers": list(SAMPLERS),
        "styles": [
            {"name": name, "phrase": phrases[0], "phrases": list(phrases)}
            for name, phrases in config.looks.items()
        ],
        "vocabulary": grouped(Vocabulary(config.vocabulary)),
    }


class Words:
    """What prompts mean to a model. Threads may share it."""

    def __init__(self, cascade: Cascade) -> None:
        config = cascade.config
        self.cascade = cascade
        self.vocabulary = Vocabulary(
            config.vocabulary, config.phrases, config.looks, model=config.name
        )

    def understood(self, prompt: str) -> dict[str, Any]:
        """As JSON. Positions are characters of the prompt as typed.

        Raises:
            UserError: a prompt that cannot be read.
        """
        check_prompt(prompt)
        with self.cascade.lock:  # tokenizers are not made for two threads
            meant = understand(prompt, self.vocabulary, self._encoder)
        refusal = None if meant.drawable else meant.refusal(self.vocabulary)
        return {
            "text": meant.text,
            "words": [word for match in WORD.finditer(prompt) for word in self._word(match, meant)],
            "things": list(meant.things),
            "notes": list(meant.notes),
            "refusal": refusal,
        }

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
