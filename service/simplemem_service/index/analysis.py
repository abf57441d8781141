"""Text to terms: the one way in which entries and questions become words, so that they meet.

Latin words are stemmed by Snowball's English rules, Cyrillic ones by its Russian rules; digits stay as they are.
Chinese, Japanese and Korean text, written without spaces, becomes bigrams of adjacent characters: any word of two
characters is found, and no segmenter has to agree with itself on both sides.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from functools import lru_cache
from itertools import pairwise

import snowballstemmer

TERM_LENGTH = 64
"""Longest term that is kept, in characters; what is longer is cut, since nobody searches for it."""
CJK = "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\uac00-\ud7af"
"""Ranges of the scripts written without spaces, for use inside a character class: kana, Han, Hangul."""

_FUNCTION_WORDS = """
a about am an and any are as at be been but by can could did do does for from had has have he her hers him his how i if
in into is it its just may me might my of on or our over s she should so some than that the their theirs them then there
these they this those to us was we were what when where which who whom whose why will with would you your yours
"""
STOP_WORDS = frozenset(_FUNCTION_WORDS.split())
"""English function words; a question's are not searched for, since its neighbours are full of them. Entries keep
theirs, so that phrases stay whole."""

_WORD = re.compile(rf"[{CJK}]+|[^\W_{CJK}]+")
_POSSESSIVE = re.compile(r"['\u2019\u00b4`]s\b")
_CJK_RUN = re.compile(rf"[{CJK}]")
_CYRILLIC = re.compile(r"[\u0400-\u04ff]")
_STEMMERS = {name: snowballstemmer.stemmer(name) for name in ("english", "russian")}


def tokenize(text: str) -> tuple[str, ...]:
    """Terms of a text in their order, stop words included.

    Lower case, compatibility forms folded (full-width digits, ligatures), possessive `'s` dropped, stemmed, each at
    most `TERM_LENGTH` characters long and free of white space.
    """
    folded = _POSSESSIVE.sub("", unicodedata.normalize("NFKC", text).casefold())
    terms: list[str] = []
    for word in _WORD.findall(folded):
        if _CJK_RUN.match(word):
            terms.extend(_character_bigrams(word))
        else:
            terms.append(_stem(word[:TERM_LENGTH]))
    return tuple(terms)


def question_terms(text: str) -> tuple[str, ...]:
    """Distinct terms of a question without its function words; with them where nothing else is left."""
    terms = tuple(dict.fromkeys(tokenize(text)))
    telling = tuple(term for term in terms if term not in _STOP_TERMS)
    return telling or terms


def bigrams(terms: Sequence[str]) -> tuple[str, ...]:
    """Pairs of adjacent terms, each joined by an underscore, which no term contains."""
    return tuple(f"{first}_{second}" for first, second in pairwise(terms))


def _character_bigrams(run: str) -> list[str]:
    """Overlapping pairs of a run of characters; the character itself where there is only one."""
    return [run[i : i + 2] for i in range(len(run) - 1)] or [run]


@lru_cache(maxsize=200_000)
def _stem(word: str) -> str:
    """Stem of a lower-case word by the rules of its script."""
    language = "russian" if _CYRILLIC.search(word) else "english"
    return str(_STEMMERS[language].stemWord(word))


_STOP_TERMS = frozenset(_stem(word) for word in STOP_WORDS)
