# ruff: noqa: RUF001
"""Prompts in other languages and emoji: what they are understood as, and what is left alone."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ediffi.core.errors import Notice, UserError
from ediffi.language import Vocabulary, understand
from ediffi.language.lexicon import TABLE, form, spell, table
from ediffi.model import Cascade, ModelFolder, locate
from studies import first_weights

CONFIG = ModelFolder(locate("pictogram")).config
VOCABULARY = CONFIG.claims


def english(text: str) -> str:
    return understand(text, VOCABULARY).text


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("红色背景上的一只狐狸", "a fox on a red background"),
        ("紅色背景上的一隻狐狸", "a fox on a red background"),
        ("赤い背景のキツネ", "a fox on a red background"),
        ("빨간 배경의 여우", "a fox on a red background"),
        ("ein Fuchs auf rotem Hintergrund", "a fox on a red background"),
        ("un renard sur fond rouge", "a fox on a red background"),
        ("un zorro sobre fondo rojo", "a fox on a red background"),
        ("una volpe su uno sfondo rosso", "a fox on a red background"),
        ("uma raposa em um fundo vermelho", "a fox on a red background"),
        ("лиса на красном фоне", "a fox on a red background"),
    ],
)
def test_one_sentence_in_ten_ways(text: str, said: str) -> None:
    assert english(text) == said


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("狐狸在火箭旁边，浅蓝色背景", "a fox next to a rocket on a light blue background"),
        ("火箭上面的企鹅", "a rocket below a penguin"),
        ("两只企鹅和一把吉他，黄色背景", "two penguins and a guitar on a yellow background"),
        ("一只黑色的猫在白色背景上", "a black cat on a white background"),
        ("一只fox在红色背景上", "a fox on a red background"),
        ("水色の背景にキツネとロケット", "a fox and a rocket on a light blue background"),
        (
            "ein roter Apfel neben einer Rakete, auf hellblauem Hintergrund",
            "a red apple next to a rocket on a light blue background",
        ),
        ("zwei Füchse auf blauem Grund", "two foxes on a blue background"),
        # a rose, and what is pink
        ("une rose sur fond bleu clair", "a rose on a light blue background"),
        ("un renard sur fond rose", "a fox on a pink background"),
        ("un pingüino encima de una guitarra", "a penguin above a guitar"),
        ("dos zorros", "two foxes"),
    ],
)
def test_places_colours_and_numbers(text: str, said: str) -> None:
    assert english(text) == said


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("🦊", "a fox"),
        ("🦊🚀", "a fox and a rocket"),
        ("🦊 on a red background", "a fox on a red background"),
        ("a 🦊 next to a red 🚗", "a fox next to a red car"),
        ("👩🏽\N{ZERO WIDTH JOINER}🚀 in the snow", "an astronaut in the snow"),
        ("☀️", "a sun"),
    ],
)
def test_emoji(text: str, said: str) -> None:
    assert english(text) == said


@pytest.mark.parametrize(
    ("text", "said", "left_out"),
    [
        ("eine Katze ohne Hund", "a cat", "ohne Hund"),
        ("eine weiße Katze, keine Hunde und Füchse", "a white cat", "keine Hunde und Füchse"),
        ("ein Haus ohne Schornstein und ein Baum", "a house and a tree", "ohne Schornstein"),
        ("ein Fuchs ohne Hut auf rotem Hintergrund", "a fox on a red background", "ohne Hut"),
        ("un chat sans chien", "a cat", "sans chien"),
        ("un zorro sin sombrero", "a fox", "sin sombrero"),
        ("una volpe senza gatti", "a fox", "senza gatti"),
        ("uma raposa sem chapéu", "a fox", "sem chapéu"),
        ("een vos zonder hond", "a fox", "zonder hond"),
        ("en räv utan hund", "a fox", "utan hund"),
        ("kot bez psa", "a cat", "bez psa"),
        ("лиса без собаки", "a fox", "без собаки"),
        ("лисиця без собаки", "a fox", "без собаки"),
        ("没有狗的猫", "a cat", "没有狗"),
        ("一只猫，没有狗", "a cat", "没有狗"),
        ("犬のいない猫", "a cat", "犬のいない"),
        ("개 없는 고양이", "a cat", "개 없는"),
        ("kettu ilman koiraa", "a fox", "ilman koiraa"),
    ],
)
def test_what_is_not_to_be_seen_is_left_out(text: str, said: str, left_out: str) -> None:
    found = understand(text, VOCABULARY)
    assert found.text == said
    assert f"{left_out!r} is left out: only say what is to be seen" in found.notes


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("drei Erdbeeren auf weißem Hintergrund", "three strawberries on a white background"),
        ("eine weiße Katze", "a white cat"),
        ("des pommes vertes", "a green apple"),
        ("une maison blanche et deux chats gris", "a white house and two gray cats"),
        ("dos gatos azules y una casa roja", "two blue cats and a red house"),
        ("due gatte bianche", "two white cats"),
        ("uma raposa vermelha em fundo azul", "a red fox on a blue background"),
        ("een vos op een blauwe achtergrond", "a fox on a blue background"),
        ("en svart katt bredvid ett hus", "a black cat next to a house"),
        ("две красные лисы", "two red foxes"),
        ("собака рядом с домом", "a dog next to a house"),
    ],
)
def test_colours_and_things_in_their_forms(text: str, said: str) -> None:
    assert english(text) == said


def test_what_is_not_known_is_told() -> None:
    found = understand("跳舞的狐狸", VOCABULARY)
    assert found.text == "a fox" and found.things == ("fox",)
    assert found.notes == ("'跳舞的狐狸' is understood as 'a fox'; nothing is known of 跳舞",)
    for text in ("哲学与自由", "философия"):
        found = understand(text, VOCABULARY)
        assert found.text == text and not found.drawable
        assert f"nothing is known in {text!r}" in found.refusal(VOCABULARY)


@pytest.mark.parametrize(
    ("typed", "phrase", "said"),
    [
        ("eine Katze neben einem Hund", "Katze", "cat"),
        ("eine Katze neben einem Hund", "einem Hund", "dog"),
        ("zwei rote Füchse und ein Ball", "rote Füchse", "red foxes"),
        ("红色背景上的一只狐狸", "狐狸", "fox"),
        ("红色背景上的一只狐狸", "红色背景", "red background"),
        ("火箭上面的企鹅", "企鹅", "penguin"),
        ("лиса и ракета", "ракета", "rocket"),
        ("a 🦊 next to a red 🚗", "🚗", "car"),
        ("une pomme rouge", "pomme rouge", "red apple"),
    ],
)
def test_phrases_are_followed_into_english(typed: str, phrase: str, said: str) -> None:
    found, start = understand(typed, VOCABULARY), typed.index(phrase)
    span = found.follow((start, start + len(phrase)))
    assert span is not None and said in found.text[slice(*span)]


def test_spelling_keeps_places() -> None:
    for language in ("de", "fr", "ru", "zh", "ja", "ko", "hi", "vi"):
        for entry in table()["languages"][language]:
            for phrase in entry:
                assert spell(phrase).text == form(phrase)
    spelled = spell("  Ein  Füchslein, weiß!")
    assert spelled.text == "ein fuchslein weiss"
    assert spelled.source((4, 13)) == (7, 16) and spelled.follow((18, 22)) == (14, 19)


def test_things_beyond_the_vocabulary_have_their_english_name() -> None:
    assert "zebra" not in CONFIG.vocabulary and english("斑马") == "a zebra"
    assert english("斑马和狐狸") == "a fox"  # beside one that is drawn it is left out


@pytest.mark.parametrize(
    ("language", "least"),
    [("zh", 1.0), ("ja", 0.97), ("ru", 0.97), ("de", 0.8), ("fr", 0.8), ("es", 0.8)],
)
def test_labels_of_the_things_it_draws(language: str, least: float) -> None:
    """The rest of a language's labels are nearly all English words as well: taxi, koala."""
    rows = zip(table()["names"].values(), table()["languages"][language], strict=True)
    ours = [(names[0], row[0]) for names, row in rows if names[0] in CONFIG.vocabulary]
    said = {label: english(label) for _, label in ours}
    right = [name for name, label in ours if name in said[label] and said[label] != label]
    wrong = [label for name, label in ours if said[label] != label and name not in said[label]]
    assert len(ours) > 120 and len(right) >= least * len(ours) and len(wrong) <= 0.03 * len(ours)


ENGLISH = [
    "a majestic steampunk zeppelin drifting over Paris at dusk",
    "steampunk zeppelin",
    "rose taxi orange",
    "die cat",
    "5 °C and Acme™ © → café",
    "A FOX, two of them",
    "naïve fiancée with a piñata",
]


def test_english_is_left_alone() -> None:
    """Byte for byte: odd sentences, every prompt of the evaluation, every label of the table."""
    evaluated = Path(first_weights.__file__).with_name("first_weights_prompts.jsonl")
    prompts = [json.loads(line)["prompt"] for line in evaluated.read_text().splitlines()]
    labels = [entry[0] for entry in table()["languages"]["en"]]
    assert len(prompts) == 256 and len(labels) == 1451
    for text in (*ENGLISH, *prompts):
        assert understand(text, VOCABULARY, whole=True).text == text
    negated = [label for label in labels if understand(label, VOCABULARY, whole=True).text != label]
    assert len(negated) < 100  # "no entry", "snowman without snow", "seven-thirty"


def test_the_model_says_how_it_understands(model_folder: Path) -> None:
    cascade = Cascade.from_pretrained(model_folder)
    options = {"seeds": 3, "stop_at": 16}
    with pytest.warns(Notice, match="'狐狸' is understood as 'a fox'"):
        foreign = cascade.generate("狐狸", **options)
    assert foreign.equal(cascade.generate("a fox", **options))
    with pytest.warns(Notice, match="nothing is known of 跳舞"):
        cascade.stream("跳舞的狐狸", **options)
    with pytest.raises(UserError, match="nothing is known in '哲学与自由'"):
        cascade.stream("哲学与自由", **options)
    assert understand("狐狸", Vocabulary({})).text == "狐狸"  # to a model that claims nothing


def test_the_table_is_small_and_says_whose_it_is() -> None:
    assert TABLE.stat().st_size < 1_500_000
    facts = table()
    assert "emojibase-data" in facts["source"] and facts["licence"].startswith("MIT")
    assert len(facts["languages"]) == 27
    assert all(len(rows) == len(facts["names"]) for rows in facts["languages"].values())
