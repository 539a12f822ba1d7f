"""tokenizer.json of byte-level tokenizers, and those of models with random weights.

The latter take any text and are as large as the model says: each of the 256 bytes is a token, as is each of some
hundred common English words with the space before it and each beginning of one, so that English prose takes about as
many tokens as with a trained tokenizer; the rest of the vocabulary are reserved tokens that no text becomes. They have
a text, so that an answer of random ids can be printed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from tokenizers import pre_tokenizers

from benchmark_runner.model.texts import WORDS

COMMON: Final = (
    "about after again all also always an and any are as at back be because been before being between big both "
    "but by call came can capital case change child city come could country day did different do does down "
    "each end even every example eye fact far few find first follow for France from get give go good great "
    "group had hand has have he help her here high him his how I if important in into is it its just keep kind "
    "know large last late leave left life like line little long look made make man many may me mean might more "
    "most much must my name need never new next no not now number of off old on one only open or other our out "
    "over own part people person place point problem public put question read real right said same saw say see "
    "seem set she should show side small so some something state still story such system take tell than that "
    "the their them then there these they thing think this three through time to too took try two under until "
    "up us use very want was water way we week well went were what when where which while who why will with "
    "without word work world would write year you young your"
)
"""Frequent English words (chosen)."""

SPACE: Final = "Ġ"
"""How a byte-level vocabulary writes the space."""

TEMPLATE: Final = (
    "{{ bos_token }}{% for message in messages %}{{ message['role'] + ': ' + message['content'] + '\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ 'assistant:' }}{% endif %}"
)


def added_token(text: str) -> dict[str, Any]:
    """A special token's entry in tokenizer files, without its id."""
    return {
        "content": text,
        "single_word": False,
        "lstrip": False,
        "rstrip": False,
        "normalized": False,
        "special": True,
    }


def byte_level_tokenizer(
    vocabulary: Mapping[str, int], merges: Sequence[Any], special: Mapping[int, str]
) -> dict[str, Any]:
    """tokenizer.json: byte-level BPE with the special tokens by id; digits are split one by one before."""
    byte_level = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True}
    return {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [{"id": index, **added_token(text)} for index, text in special.items()],
        "normalizer": None,
        "pre_tokenizer": {
            "type": "Sequence",
            "pretokenizers": [{"type": "Digits", "individual_digits": True}, byte_level],
        },
        "post_processor": None,
        "decoder": byte_level | {"add_prefix_space": True},
        "model": {
            "type": "BPE",
            "dropout": None,
            "unk_token": None,
            "continuing_subword_prefix": None,
            "end_of_word_suffix": None,
            "fuse_unk": False,
            "byte_fallback": False,
            "ignore_merges": False,
            "vocab": dict(vocabulary),
            "merges": list(merges),
        },
    }


def _beginnings() -> Iterator[tuple[str, str]]:
    """Merges that build each word letter by letter from its space: (what is there, the next letter), none twice."""
    seen = set()
    for word in (*COMMON.split(), *WORDS):
        text = SPACE
        for letter in word:
            merge = (text, letter)
            text += letter
            if merge not in seen:
                seen.add(merge)
                yield merge


def _special_names(bos: int, eos: int) -> dict[int, str]:
    return {bos: "<|begin_of_text|>", eos: "<|end_of_text|>"}


def tokenizer(vocab_size: int, bos: int, eos: int) -> dict[str, Any]:
    """tokenizer.json of vocab_size tokens with the special ones at the ids that the shape's config.json gives them.

    Words take what room there is: a vocabulary below 258 does not even hold all bytes and raises ValueError.
    """
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    special = _special_names(bos, eos)
    room = vocab_size - len(letters) - len(special)
    if room < 0:
        raise ValueError(f"a byte-level vocabulary needs {len(letters) + len(special)} tokens, not {vocab_size}")
    merges = list(_beginnings())[:room]
    texts = [*letters, *("".join(merge) for merge in merges)]
    texts += [f"<|reserved_{number}|>" for number in range(room - len(merges))]
    ids = [index for index in range(vocab_size) if index not in special]
    vocabulary = dict(zip(texts, ids, strict=True)) | {text: index for index, text in special.items()}
    return byte_level_tokenizer(vocabulary, [list(merge) for merge in merges], dict(sorted(special.items())))


def tokenizer_config(bos: int, eos: int, context_length: int) -> dict[str, Any]:
    """tokenizer_config.json: names of the special tokens and a chat template that only joins the messages."""
    special = _special_names(bos, eos)
    return {
        "bos_token": special[bos],
        "eos_token": special[eos],
        "chat_template": TEMPLATE,
        "clean_up_tokenization_spaces": False,
        "model_max_length": context_length,
        "tokenizer_class": "PreTrainedTokenizerFast",
    }
