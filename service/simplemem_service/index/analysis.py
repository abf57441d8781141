"""Text to terms: the one way in which entries and questions become words, so that they meet.

Latin words are stemmed by Snowball's rules for the text's language, Cyrillic ones by its Russian rules; digits stay as
they are. A German or Spanish text gets the English stems beside its own, on both sides: so a name is found in a
memory of several languages, and a remark too short to tell its language by any question.
Chinese, Japanese and Korean text, written without spaces, becomes bigrams of adjacent characters: any word of two
characters is found, and no segmenter has to agree with itself on both sides. A Chinese question is cut into words by
jieba all the same, to leave out its function words.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from functools import lru_cache
from itertools import pairwise

import snowballstemmer

from simplemem_service.index.languages import FUNCTION_WORDS, Language

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

_CHINESE_WORDS = """
的 了 吗 呢 吧 啊 是 在 有 和 跟 与 也 都 就 还 又 很 不 没 没有 把 被 对 从 到
去 来 我 你 您 他 她 它 我们 你们 他们 她们 这 那 这个 那个 这里 那里 什么 哪 哪里
哪儿 哪个 哪些 哪天 哪家 哪本 谁 怎么 怎样 怎么样 为什么 多少 几 几个 时候 什么时候 何时
过 着 得 地 会 能 要 想 可以 现在 一个 是否 有没有
"""
_CHINESE_FUNCTION_WORDS = frozenset(_CHINESE_WORDS.split())
"""Words of a Chinese question that tell nothing of what is looked for."""

_WORD = re.compile(rf"[{CJK}]+|[^\W_{CJK}]+")
_POSSESSIVE = re.compile(r"['\u2019\u00b4`]s\b")
_HAN = re.compile(r"[\u4e00-\u9fff]")
_CJK_RUN = re.compile(rf"[{CJK}]")
_CYRILLIC = re.compile(r"[\u0400-\u04ff]")
_STEMMERS = {name: snowballstemmer.stemmer(name) for name in (*Language, "russian")}


def tokenize(text: str, language: Language = Language.ENGLISH) -> tuple[str, ...]:
    """Terms of a text in their order, stop words included, each word stemmed by one language's rules.

    Lower case, compatibility forms folded (full-width digits, ligatures), possessive `'s` dropped, stemmed, each at
    most `TERM_LENGTH` characters long and free of white space.
    """
    if text.isascii():
        # No word of it is without spaces, which need not be looked for in each.
        return tuple(_stem(word[:TERM_LENGTH], language) for word in _words(text))
    terms: list[str] = []
    for word in _words(text):
        if _CJK_RUN.match(word):
            terms.extend(_character_bigrams(word))
        else:
            terms.append(_stem(word[:TERM_LENGTH], language))
    return tuple(terms)


def document_terms(text: str, language: Language = Language.ENGLISH) -> tuple[str, ...]:
    """Terms of an entry: those of `tokenize`, and behind them the English ones that differ."""
    own = tokenize(text, language)
    if language is Language.ENGLISH:
        return own
    return own + tuple(english for english, other in zip(tokenize(text), own, strict=True) if english != other)


def question_terms(text: str, language: Language = Language.ENGLISH) -> tuple[str, ...]:
    """Distinct terms of a question without its function words; with them where nothing else is left."""
    if language is not Language.ENGLISH:
        rest = " ".join(word for word in _words(text) if word not in FUNCTION_WORDS[language])
        return tuple(dict.fromkeys(document_terms(rest or text, language)))
    terms = tuple(dict.fromkeys(tokenize(text)))
    content = terms if not _HAN.search(text) else tuple(dict.fromkeys(tokenize(_without_function_words(text))))
    telling = tuple(term for term in content if term not in _STOP_TERMS)
    return telling or terms


def _words(text: str) -> list[str]:
    """Words of a text, folded, runs of characters without spaces in one piece."""
    return _WORD.findall(_POSSESSIVE.sub("", unicodedata.normalize("NFKC", text).casefold()))


def _without_function_words(text: str) -> str:
    """The words of a text but for Chinese function words, apart, so that no bigram reaches from one to the next."""
    # Imported here: its dictionary takes .2 s to load, and other questions never need it.
    import rjieba

    return " ".join(word for word in rjieba.cut(text) if word not in _CHINESE_FUNCTION_WORDS)


def bigrams(terms: Sequence[str]) -> tuple[str, ...]:
    """Pairs of adjacent terms, each joined by an underscore, which no term contains."""
    return tuple(f"{first}_{second}" for first, second in pairwise(terms))


def _character_bigrams(run: str) -> list[str]:
    """Overlapping pairs of a run of characters; the character itself where there is only one."""
    return [run[i : i + 2] for i in range(len(run) - 1)] or [run]


@lru_cache(maxsize=200_000)
def _stem(word: str, language: str) -> str:
    """Stem of a lower-case word by the rules of its script and language."""
    name = "russian" if _CYRILLIC.search(word) else language
    return str(_STEMMERS[name].stemWord(word))


_STOP_TERMS = frozenset(_stem(word, Language.ENGLISH) for word in STOP_WORDS)
