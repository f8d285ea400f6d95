"""How prompts that strangers type are understood, and how sensible offers for unknown nouns are.

    python -m studies.typed [typed.webp]

Reads the two committed lists beside this file. Given a file's name, draws every prompt that
`ediffi generate` would draw, at the base's size, the first with seed 0 and so on, on one sheet.
"""

from __future__ import annotations

import sys
from collections import Counter
from functools import cache
from importlib import resources
from pathlib import Path

from ediffi.core.errors import UserError
from ediffi.core.pixels import to_uint8
from ediffi.encoders.prompt import EncodesText
from ediffi.encoders.text import TextEncoder
from ediffi.language import understand
from ediffi.language.nearest import Nearest
from ediffi.model import Cascade, ModelFolder, locate
from studies.sheets import save_sheet

CONFIG = ModelFolder(locate("pictogram")).config
VOCABULARY = CONFIG.claims


@cache
def encoder() -> EncodesText:
    return TextEncoder.load(CONFIG.encoders["t5"])


def rows(name: str, divider: str) -> list[list[str]]:
    """The lines of a list without its heading."""
    text = resources.files("studies").joinpath(name).read_text(encoding="utf-8")
    return [line.split(divider) for line in text.splitlines()[1:]]


def typed_prompts() -> Counter[tuple[str, str]]:
    """(kind, outcome) -> prompts: drawn with the things that the list names; drawn otherwise;
    refused with an offer; refused."""
    out: Counter[tuple[str, str]] = Counter()
    for kind, prompt, things in rows("typed_prompts.txt", "\t"):
        understood = understand(prompt, VOCABULARY, encoder)
        right = set(things.split(", ")) - {"-"} == set(understood.things)
        if understood.drawable:
            outcome = "right" if right else "otherwise"
        else:
            outcome = "offered" if understood.nearest else "refused"
        out[kind, outcome] += 1
        if not right:
            got = ", ".join(understood.things) or "nothing"
            print(f"{prompt!r}: {got} instead of {things}")
    return out


def offers(half: int) -> tuple[int, int]:
    """Offers and sensible ones among the nouns of a half: 0, on which the least cosines were
    chosen, or 1."""
    nearest = Nearest(VOCABULARY, encoder())
    made = sensible = 0
    for noun, things in rows("typed_nouns.txt", ": ")[half::2]:
        offer = nearest.offer(noun)
        made += offer is not None
        sensible += offer is not None and offer.label in things.split(", ")
    return made, sensible


def draw(path: Path) -> None:
    """A sheet of all that is drawn, each with the prompt as it was typed."""
    cascade = Cascade.from_pretrained("pictogram")
    pictures, captions = [], []
    for seed, (_, prompt, _) in enumerate(rows("typed_prompts.txt", "\t")):
        try:
            images = cascade.generate(prompt, seeds=seed, stop_at=64, anyway=False)
        except UserError:
            continue
        pictures.append(to_uint8(images)[0])
        captions.append(prompt)
    save_sheet(path, pictures, captions, side=96, columns=14)


def main() -> None:
    found = typed_prompts()
    outcomes = ("right", "otherwise", "offered", "refused")
    print(f"\n| kind | {' | '.join(outcomes)} |\n|---|---|---|---|---|")
    for kind in dict.fromkeys(kind for kind, _ in found):
        print(f"| {kind} | {' | '.join(str(found[kind, outcome]) for outcome in outcomes)} |")
    for half in (0, 1):
        made, sensible = offers(half)
        print(f"half {half} of the nouns: {made} of 100 offered something, {sensible} sensible")
    for name in sys.argv[1:]:
        draw(Path(name))


if __name__ == "__main__":
    main()
