# ruff: noqa: RUF001
"""What a prompt in another language says is not to be seen."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ediffi.language.lexicon import Found

STOP = re.compile(r"[,.;:、，。；]")


@dataclass(frozen=True)
class Negation:
    """words: no, not, without; also: what goes on with it, as in "no cats and dogs"; both divided
    by commas. last: the words follow what they speak of."""

    words: str
    also: str = ""
    last: bool = False


_CHINESE = Negation("没有,沒有,不要,不带,不帶,不含,没,沒,无,無", "和,或,或者,与")
_NORSE = Negation("uten,uden,ingen,intet,ikke", "og,eller")
_SPANISH = Negation("sin,ningún,ninguno,ninguna,excepto,salvo,no,ni", "y,e,o,u,ni")

NEGATIONS: dict[str, Negation] = {
    "bn": Negation("ছাড়া,নেই,বিহীন", last=True),
    "da": _NORSE,
    "de": Negation("ohne,kein,keine,keinen,keinem,keiner,keines,nicht,außer", "und,oder,noch"),
    "es": _SPANISH,
    "es-mx": _SPANISH,
    "et": Negation("ilma,mitte,ei", "ja,või"),
    "fi": Negation("ilman,ei,eikä", "ja,tai"),
    "fr": Negation("sans,pas de,pas d,pas,aucun,aucune,sauf,ni", "et,ou,ni"),
    "hi": Negation("के बिना,बिना,नहीं,रहित", last=True),
    "hu": Negation("nélkül,nincs,nélküli", last=True),
    "it": Negation("senza,nessun,nessuno,nessuna,niente,tranne,non,né", "e,ed,o,né"),
    "ja": Negation("のいない,のない,いない,ない,なしの,なし,無し,抜き", last=True),
    "ko": Negation("없는,없이,없다,말고", last=True),
    "lt": Negation("be,ne,nėra", "ir,ar"),
    "ms": Negation("tanpa,tiada,tidak,bukan", "dan,atau"),
    "nb": _NORSE,
    "nl": Negation("zonder,geen,niet,behalve", "en,of,noch"),
    "pl": Negation("bez,żadnych,nie,oprócz", "i,oraz,lub,ani"),
    "pt": Negation("sem,nenhum,nenhuma,exceto,não,nem", "e,ou,nem"),
    "ru": Negation("без,нет,кроме,не", "и,или,ни"),
    "sv": Negation("utan,ingen,inget,inga,inte", "och,eller"),
    "th": Negation("ไม่มี,ปราศจาก,ไม่", "และ,หรือ"),
    "uk": Negation("без,немає,крім,не", "і,й,та,або"),
    "vi": Negation("không có,không,thiếu", "và,hoặc,hay"),
    "zh": _CHINESE,
    "zh-hant": _CHINESE,
}


def affirmed(
    parts: Sequence[Found], text: str, also: frozenset[str], *, last: bool
) -> tuple[list[Found], list[str]]:
    """The parts of a text that are to be seen, and what it says is not.

    also, last: of the language's `Negation`, spelled as the parts are.
    """
    gone: set[int] = set()
    for at, part in enumerate(parts):
        if part.kind == "negation" and at not in gone:
            gone |= _before(parts, at, text) if last else _behind(parts, at, text, also)
    runs: list[list[int]] = []
    for at in sorted(gone):
        if runs and at == runs[-1][-1] + 1:
            runs[-1].append(at)
        else:
            runs.append([at])
    said = [text[parts[run[0]].span[0] : parts[run[-1]].span[1]] for run in runs]
    return [part for at, part in enumerate(parts) if at not in gone], said


def _behind(parts: Sequence[Found], at: int, text: str, also: frozenset[str]) -> set[int]:
    """A negation and what it speaks of: up to a stop, a place, or what begins something new."""
    gone, said = {at}, False
    for n in range(at + 1, len(parts)):
        part = parts[n]
        if STOP.search(text[parts[n - 1].span[1] : part.span[0]]) or part.kind == "place":
            break
        if said and part.phrase in also:
            follows = parts[n + 1].kind if n + 1 < len(parts) else None
            if follows in ("count", "passing"):  # no hat and a tree
                break
        elif part.kind == "joining" or (said and part.kind in ("count", "passing", "background")):
            break
        said = said or part.kind in (None, "thing", "background", "colour")
        gone.add(n)
    return gone


def _before(parts: Sequence[Found], at: int, text: str) -> set[int]:
    """A negation and what it speaks of: the nearest noun before it, with its colours and counts."""
    gone, said = {at}, False
    for n in range(at - 1, -1, -1):
        part = parts[n]
        if STOP.search(text[part.span[1] : parts[n + 1].span[0]]):
            break
        if part.kind in ("joining", "place", "negation") or (
            said and part.kind not in ("colour", "count")
        ):
            break
        said = said or part.kind in (None, "thing", "background")
        gone.add(n)
    return gone
