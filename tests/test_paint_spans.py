"""From characters to tokens: each tokenizer's own account, in T5's, CLIP's and BERT's manner."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch

from ediffi.encoders import DEFAULT_TEXT, CachedText, TextEncoder, load_encoder, make_prompt
from ediffi.encoders.clip import ClipTextEncoder
from ediffi.paint.spans import token_columns

TEXT = "A RED fox next to an avocado, on a rötlich background"
CORPUS = ["a red fox next to an avocado", "avocado on a rötlich background", "redder foxes"]


@pytest.fixture(scope="module")
def t5() -> TextEncoder:
    """A T5 encoder with a unigram tokenizer whose pieces begin with their space."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
    from transformers import PreTrainedTokenizerFast, T5Config, T5EncoderModel

    tokenizer = Tokenizer(models.Unigram())
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.decoder = decoders.Metaspace()
    special = ["<pad>", "</s>", "<unk>"]
    tokenizer.train_from_iterator(
        CORPUS * 9,
        trainers.UnigramTrainer(vocab_size=60, special_tokens=special, unk_token="<unk>"),
    )
    tokenizer.post_processor = processors.TemplateProcessing("$A </s>", None, [("</s>", 1)])
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token="<pad>", eos_token="</s>", unk_token="<unk>"
    )
    config = T5Config(vocab_size=100, d_model=16, d_kv=8, d_ff=16, num_layers=1, num_heads=2)
    return TextEncoder(
        T5EncoderModel(config), fast.backend_tokenizer, max_tokens=128, name="tiny T5"
    )


@pytest.fixture(scope="module")
def clip() -> ClipTextEncoder:
    """A CLIP text tower with its own kind of tokenizer: lower case, bytes, word ends marked."""
    from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer

    pieces = [*(chr(c) for c in range(33, 127)), *(chr(c) for c in range(161, 256))]
    merges = ["r e", "re d</w>", "f o", "fo x</w>", "a v", "av o", "c a"]
    names = [*pieces, *(p + "</w>" for p in pieces), *(m.replace(" ", "") for m in merges)]
    names += ["<|startoftext|>", "<|endoftext|>"]
    vocabulary = {name: number for number, name in enumerate(dict.fromkeys(names))}
    pairs = [(m.split()[0], m.split()[1]) for m in merges]
    tokenizer = CLIPTokenizer(vocab=vocabulary, merges=pairs)
    config = CLIPTextConfig(
        vocab_size=len(vocabulary),
        hidden_size=16,
        intermediate_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        bos_token_id=vocabulary["<|startoftext|>"],
        eos_token_id=vocabulary["<|endoftext|>"],
    )
    return ClipTextEncoder(
        CLIPTextModel(config), tokenizer.backend_tokenizer, max_tokens=128, name="tiny CLIP"
    )


@pytest.fixture(scope="module")
def encoders(t5: TextEncoder, clip: ClipTextEncoder) -> Iterator[dict[str, TextEncoder]]:
    yield {"t5": t5, "clip_text": clip}


def read_back(encoder: TextEncoder, text: str, row: torch.Tensor) -> str:
    """The text that the marked tokens stand for, without marks of the tokenizer."""
    ids = [
        i for i, marked in zip(encoder.tokenize([text])[0], row.tolist(), strict=False) if marked
    ]
    pieces = [encoder.tokenizer.id_to_token(i) for i in ids]
    return "".join(pieces).replace("▁", "").replace("</w>", "").replace("##", "")


@pytest.mark.parametrize("phrase", ["fox", "RED fox", "avocado", "A RED fox next to an avocado"])
def test_both_tokenizers_mark_the_phrase_and_nothing_else(
    encoders: dict[str, TextEncoder], phrase: str
) -> None:
    start = TEXT.index(phrase)
    prompt = make_prompt(encoders, [TEXT])
    columns = token_columns(encoders, prompt, [TEXT], [[(start, start + len(phrase))]])
    assert set(columns) == {"t5", "clip_text"}
    for role, marked in columns.items():
        assert marked.shape == (1, 1, prompt.tokens[role].states.shape[1])
        text = read_back(encoders[role], TEXT, marked[0, 0])
        expected = phrase.replace(" ", "")
        if role == "clip_text":
            assert text == expected.lower()
        else:  # capitals are unknown to this tiny T5, as one piece each
            assert text.replace("<unk>", "") == "".join(c for c in expected if c.islower())
        assert not marked[0, 0, -1]  # the end mark


def test_letters_of_several_bytes(encoders: dict[str, TextEncoder]) -> None:
    start = TEXT.index("rötlich")
    prompt = make_prompt(encoders, [TEXT])
    columns = token_columns(
        encoders, prompt, [TEXT], [[(start, start + 7), (start + 8, len(TEXT))]]
    )
    assert read_back(encoders["t5"], TEXT, columns["t5"][0, 0]) == "rötlich"
    for marked in columns.values():
        assert not (marked[0, 0] & marked[0, 1]).any()
    ids = torch.tensor(encoders["clip_text"].tokenize([TEXT])[0])[
        columns["clip_text"][0, 0]
    ].tolist()
    assert encoders["clip_text"].tokenizer.decode(ids).strip() == "rötlich"


def test_the_default_encoder_and_its_cache() -> None:
    encoder = load_encoder(DEFAULT_TEXT)
    assert isinstance(encoder, TextEncoder)
    texts = ["a rhinoceros and a fox", "a fox"]
    spans = [[(2, 12), (19, 22)], [(2, 5)]]
    rows = {}
    for name, kind in (("plain", encoder), ("cached", CachedText(encoder))):
        prompt = make_prompt({"t5": kind}, texts)
        rows[name] = token_columns({"t5": kind}, prompt, texts, spans)["t5"]
    assert torch.equal(rows["plain"], rows["cached"])
    marked = rows["plain"]
    assert marked.shape[:2] == (2, 2)
    assert read_back(encoder, texts[0], marked[0, 0]) == "rhinoceros"
    assert marked[0, 0].sum() > 1  # several pieces
    assert read_back(encoder, texts[0], marked[0, 1]) == "fox"
    assert read_back(encoder, texts[1], marked[1, 0]) == "fox"
    assert not marked[1, 1].any()  # the second text has one span


def test_what_is_cut_off_has_no_token(clip: ClipTextEncoder) -> None:
    text = "fox " * 90 + "avocado"
    with pytest.warns(UserWarning, match="first 77"):
        prompt = make_prompt({"clip_text": clip}, [text])
    spans = [[(0, 3), (len(text) - 7, len(text))]]
    marked = token_columns({"clip_text": clip}, prompt, [text], spans)["clip_text"]
    assert marked[0, 0].sum() == 1 and not marked[0, 1].any()


def test_roles_that_are_not_used_are_not_answered_for(encoders: dict[str, TextEncoder]) -> None:
    prompt = make_prompt(encoders, [TEXT], use={"t5"})
    assert set(token_columns(encoders, prompt, [TEXT], [[(0, 1)]])) == {"t5"}
