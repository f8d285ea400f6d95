"""Style words that people use, as the styles of a model."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from ediffi.language.english import mended_articles
from ediffi.language.tracked import Tracked

# What people say -> what one of the model's captions calls the style.
SAID: dict[str, str] = {
    "line icon": r"outlines?|line[ -]?art|line drawing|line icon|colou?ring (?:page|book)|lineart"
    r"|pencil|pen and ink|sketch|sketched|doodle|black[ -](?:and|&|n)[ -]white|b&w|monochrome",
    "flat": r"flat|flat design|vector|minimalist|minimalistic|minimal|clip[ -]?art|material design",
    "3d": r"3[ -]?d|three[ -]dimensional|cgi|clay|claymation|pixar",
    "outlined": r"cartoon|cartoonish|cartoony|comic|kawaii|anime|manga|outlined|chibi",
    "silhouette": r"silhouettes?|shadow|stencil",
    "glossy": r"glossy|shiny",
}
# Styles that people ask for and no word above stands for.
OTHERS = (
    r"photo(?:graph(?:ic|y)?|realistic|real)?|realistic|hyper-?realistic|pixel[ -]art|8[ -]bit"
    r"|water ?colou?r|oil(?: painting)?|acrylic|mosaic|origami|graffiti|impressionist|cubist"
    r"|van gogh|picasso|monet|studio ghibli|ghibli|pop art|art deco|low[ -]poly|steampunk|cyberpunk"
)
KIND = (
    r"(?:[ -](?:drawings?|icons?|illustrations?|pictures?|images?|art(?:work)?|styles?|stickers?"
    r"|renders?|rendering|versions?|logos?|designs?|sketch|painting|emoji))"
)
WORDS_OF_COLOUR = r"black[ -](?:and|&|n)[ -]white|b&w|pencil|shadow|comic|minimal"


def _pattern(words: str) -> re.Pattern[str]:
    """A style as it is said of a whole picture: before "of", behind "in" or "as", or before what
    it describes; words that are colours and things as well only where that is plain."""
    certain = "|".join(w for w in words.split("|") if w not in WORDS_OF_COLOUR.split("|")) or words
    return re.compile(
        rf"(?P<of>\b(?:an?\s+|the\s+)?(?:{words}){KIND}*\s+of\b\s*)"
        rf"|(?P<in>,?\s*\b(?:drawn\s+)?(?:in|as)\s+(?:(?:an?|the)\s+)?(?:style\s+of\s+)?"
        rf"(?:{words}){KIND}*(?=\W|$))"
        rf"|(?P<before>(?<![-\w])(?:(?:{words}){KIND}+|(?:{certain}))(?![-\w])\s*)",
        re.IGNORECASE,
    )


PATTERNS = {key: _pattern(words) for key, words in SAID.items()}
OTHER = re.compile(rf"(?<![-\w])(?:{OTHERS})(?![-\w])", re.IGNORECASE)


def named_styles(
    prompt: Tracked, looks: Mapping[str, Sequence[str]]
) -> tuple[Tracked, list[tuple[str, str]], list[str]]:
    """The prompt with a style as the model calls it at its end; what was said and what it became;
    and what was said of styles that the model has not.

    >>> looks = {"fluent": ("as a line icon", "line icon")}
    >>> named_styles(Tracked.of("line art of a fox"), looks)[0].text
    'a fox, as a line icon'
    """
    if not looks:
        return prompt, [], []
    text = prompt.text.lower()
    if any(said in text for phrases in looks.values() for said in phrases):
        return prompt, [], []  # as the model calls it already
    for key, pattern in PATTERNS.items():
        style = _style_of(key, looks)
        match = pattern.search(prompt.text)
        if style is None or match is None:
            continue
        rest = prompt.replace(match.span(), " " if match["in"] else "")
        rest = mended_articles(rest, (match.start(), match.start() + 1)).tidied()
        if not re.search(r"\w", rest.text):
            continue
        whole = Tracked(f"{rest.text}, {style}", (*rest.origin, *[None] * (len(style) + 2)))
        return whole, [(match[0].strip(" ,").removesuffix(" of"), style)], []
    return prompt, [], [match[0] for match in OTHER.finditer(prompt.text)]


def _style_of(key: str, looks: Mapping[str, Sequence[str]]) -> str | None:
    """What the first style is called in whose names a word stands, as an ending of a caption."""
    pattern = re.compile(rf"\b{key}\b")
    return next((p[0] for p in looks.values() if any(map(pattern.search, p))), None)
