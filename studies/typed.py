"""How prompts that strangers type are understood, and how sensible offers for unknown nouns are.

    python -m studies.typed

Reads the two committed lists beside this file; draws nothing.
"""

from __future__ import annotations

from collections import Counter
from functools import cache
from importlib import resources

from ediffi.encoders.prompt import EncodesText
from ediffi.encoders.text import TextEncoder
from ediffi.language import understand
from ediffi.language.nearest import Nearest
from ediffi.model import ModelFolder, locate

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


def main() -> None:
    found = typed_prompts()
    outcomes = ("right", "otherwise", "offered", "refused")
    print(f"\n| kind | {' | '.join(outcomes)} |\n|---|---|---|---|---|")
    for kind in dict.fromkeys(kind for kind, _ in found):
        print(f"| {kind} | {' | '.join(str(found[kind, outcome]) for outcome in outcomes)} |")
    for half in (0, 1):
        made, sensible = offers(half)
        print(f"half {half} of the nouns: {made} of 100 offered something, {sensible} sensible")


if __name__ == "__main__":
    main()
