"""English prompts as they are typed: typos, negations, styles, counts, unknown things."""

from __future__ import annotations

from functools import cache

import pytest

from ediffi.encoders.text import TextEncoder
from ediffi.language import Understood, Vocabulary, grouped, understand
from ediffi.language.nearest import Nearest
from ediffi.model import ModelFolder, locate

CONFIG = ModelFolder(locate("pictogram")).config
VOCABULARY = CONFIG.claims


@cache
def encoder() -> TextEncoder:
    return TextEncoder.load(CONFIG.encoders["t5"])


def read(text: str) -> Understood:
    return understand(text, VOCABULARY, encoder)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a hambruger and freis", "a hamburger and fries"),
        ("a pengiun on an icebrg", "a penguin"),
        ("a elefant", "an elephant"),
        ("an umbrela", "an umbrella"),
        ("a fpx", "a fox"),
        ("UNICRON!", "unicorn"),
        ("a rde apple", "a red apple"),
        ("a horse", "a horse"),  # not a house
        ("a goat on a lake", "a goat on a lake"),  # words themselves, one letter from known ones
        ("a trian", "a locomotive"),
    ],
)
def test_typos(text: str, said: str) -> None:
    assert read(text).text == said


def test_what_was_mended_is_told_and_followed() -> None:
    found = read("a hambruger and freis")
    assert found.notes == (
        "'hambruger' is understood as 'hamburger'",
        "'freis' is understood as 'fries'",
    )
    assert found.things == ("hamburger", "french fries")
    assert found.follow((2, 11)) == (2, 11) and found.follow((16, 21)) == (16, 21)


@pytest.mark.parametrize(
    ("text", "said", "left_out"),
    [
        ("a house without a chimney", "a house", "without a chimney"),
        ("a fox with no cats or dogs", "a fox", "with no cats or dogs"),
        ("no people, just a castle", "just a castle", "no people"),
        ("not a cat, a dog", "a dog", "not a cat"),
        ("a birthday cake but no candles", "a birthday cake", "but no candles"),
        ("an owl, don't add a moon", "an owl", "don't add a moon"),
        ("a house without a chimney and a tree", "a house and a tree", "without a chimney"),
        ("a fox without a hat on a red background", "a fox on a red background", "without a hat"),
    ],
)
def test_negations_are_left_out(text: str, said: str, left_out: str) -> None:
    found = read(text)
    assert found.text == said and found.notes[0].strip("\"'").startswith(left_out)
    start = text.index(left_out)
    assert found.follow((start, start + len(left_out))) is None


def test_words_with_no_in_them_are_no_negations() -> None:
    for text in ("a forget-me-not beside a tree", "a note and a knot and a fox"):
        assert not any("to be seen" in note for note in read(text).notes)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("outline of a fox", "a fox, as a line icon"),
        ("black and white drawing of a cat", "a cat, as a line icon"),
        ("a cat in black and white", "a cat, as a line icon"),
        ("line art penguin", "penguin, as a line icon"),
        ("a flat icon of a rocket", "a rocket, in flat fluent style"),
        ("3D lion", "lion, in 3d style"),
        ("a cartoon owl", "an owl, in outlined style"),
        ("a black and white cat", "a black and white cat"),  # its colours
        ("silhouette of an elephant", "silhouette of an elephant"),  # as captions say it
        ("a fox, 3d render", "a fox, 3d render"),
    ],
)
def test_styles_by_the_models_names(text: str, said: str) -> None:
    assert read(text).text == said


def test_styles_that_the_model_has_not() -> None:
    found = read("a photo of a dog")
    assert found.text == "a photo of a dog" and "has no style 'photo'" in found.notes[0]
    bare = understand("3D lion", Vocabulary({"lion": ()}))
    assert bare.text == "3D lion"  # no style has a name


@pytest.mark.parametrize(
    ("text", "said", "told"),
    [
        ("five foxes", "four foxes", True),
        ("100 big red bees", "four big red bees", True),
        ("a dozen balloons", "four balloons", True),
        ("3 foxes", "three foxes", False),
        ("a couple of dogs", "two dogs", False),
        ("a fox at 5 o'clock", "a fox", False),
    ],
)
def test_counts(text: str, said: str, told: bool) -> None:
    found = read(text)
    assert (
        found.text == said and any("four of a thing is the most" in n for n in found.notes) == told
    )


@pytest.mark.parametrize(
    ("text", "things"),
    [
        ("A RED FOX, and two FOXES!", ("fox",)),
        ("berries? cherries; strawberries.", ("cherries", "strawberry")),
        ("a fire truck", ("fire truck",)),  # no fire
        ("coffee", ("cup of coffee",)),
        ("a fox in the light", ("fox",)),
        ("an orange cat", ("cat",)),
    ],
)
def test_things_that_are_named(text: str, things: tuple[str, ...]) -> None:
    assert read(text).things == things


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a zebra next to a lion", "a lion"),
        ("a wolf howling at the moon", "the moon"),
        ("a cow jumping over the moon", "a cow over the moon"),
        ("a ghost in a haunted house", "a house"),
        ("a fox chasing a rabbit", "a fox and a rabbit"),
        ("a cat on a skateboard next to a dog", "a cat next to a dog"),
        ("a zebra on the left and a fox on the right", "a fox on the right"),
        ("a wolf, a bear and a fox", "a bear and a fox"),
        ("an angry cat on a red background, in 3d style", "a cat on a red background, in 3d style"),
        ("a lion with a zebra on a red background", "a lion on a red background"),
        ("A fluffy cat & a dog!!", "A cat and a dog"),
        ("the mountain of a wizard", "the mountain"),
        ("a t-rex wearing glasses", "glasses"),
    ],
)
def test_what_the_model_was_never_taught_is_left_out(text: str, said: str) -> None:
    found = read(text)
    assert found.text == said
    assert not VOCABULARY.unknown_words(found.text)
    assert any(f"so {said!r} is drawn" in note for note in found.notes) or "&" in text
    whole = understand(text, VOCABULARY, encoder, whole=True)
    assert whole.text == text.replace("&", "and").rstrip("!") and whole.things == found.things


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("A Rocket!", "A Rocket"),
        ('"a fox" & a (cute) dog...', "a fox and a, cute, dog"),
        ("an \N{LEFT DOUBLE QUOTATION MARK}owl\N{RIGHT DOUBLE QUOTATION MARK}?", "an owl"),
        ("a fox's tail / a bell", "a fox's tail, a bell"),
        ("a t-shirt, a jack-o-lantern", "a t-shirt, a jack-o-lantern"),
    ],
)
def test_marks_that_captions_do_not_have(text: str, said: str) -> None:
    assert understand(text, VOCABULARY, whole=True).text == said


def test_a_hyphen_makes_another_word() -> None:
    found = read("spider-man")
    assert not found.drawable and found.nearest == ("spider",)
    assert read("a spider - a big one").things == ("spider",)


def test_what_cannot_be_drawn_is_refused_with_what_is_near() -> None:
    found = read("a wolf and a sandwich")
    assert not found.drawable and found.nearest == ("fox", "hamburger")
    assert "fox, hamburger" in found.refusal(VOCABULARY)
    for text in ("asdfgh", "???", "red", "background"):
        assert not read(text).drawable
    beside = read("a zebra next to a lion")
    assert beside.drawable and [(o.word, o.label) for o in beside.offers] == [("zebra", "lion")]


def test_nearest_things() -> None:
    nearest = Nearest(VOCABULARY, encoder())
    offers = {word: nearest.offer(word) for word in ("ship", "train", "chair")}
    assert offers["ship"] and (offers["ship"].label, offers["ship"].same) == ("sailboat", False)
    assert offers["train"] and (offers["train"].label, offers["train"].same) == ("locomotive", True)
    assert offers["chair"] is None


def test_a_model_that_claims_nothing_gets_every_prompt_as_it_is() -> None:
    found = understand("no pengiun 狐狸 3D", Vocabulary({}), encoder)
    assert found.text == "no pengiun 狐狸 3D" and found.drawable and not found.notes


def test_groups() -> None:
    groups = grouped(VOCABULARY)
    assert sorted(n for names in groups.values() for n in names) == sorted(CONFIG.vocabulary)
    assert "fox" in groups["animals-nature"] and "pizza" in groups["food-drink"]
    assert "other" not in groups and grouped(Vocabulary({"sprocket": ()})) == {
        "other": ["sprocket"]
    }
