"""How much a question asks for, and how many entries that takes (pure; SimpleMem paper, stage 3).

`C_q = min(1, sum of the weights of the terms present)`, in [0, 1]. Several things or several people asked for weigh
.75 each: their evidence is spread over many turns (on LoCoMo dev such questions have found 75 and 50 % of it after ten
entries, others 91 %). A conjunction, a comparison, a further clause, or a second date weigh .1 each: they gain little
there, but every one of them can ask for a fact of its own.

`k_dyn = floor(k_base * (1 + d * C_q))`. With k_base 10 and d 1 that finds 87.0 % of LoCoMo dev's evidence with 12.3
entries a question on average, while 12.3 for every question find 85.8 %, and 10 find 85.2 %.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

from simplemem_service.index.languages import Language

DEPTH_GAIN = 1.0
"""The formula's `d`: how much deeper the most complex question is searched; 1 doubles the entries."""
SPREAD_WEIGHT = 0.75
"""Weight of several things, and of several people, asked for."""
PART_WEIGHT = 0.1
"""Weight of each of the smaller terms."""


@dataclass(frozen=True, slots=True)
class _Signs:
    """Patterns of one language; all are matched without case."""

    several: str
    """Several things are asked for."""
    joined: str
    """Two things are named together or against each other."""
    compared: str
    """Things are compared."""
    clause: str
    """A further clause begins; not at the question's own beginning."""


_SIGNS = {
    Language.ENGLISH: _Signs(
        several=(
            r"^(?:what|which)\s+(?:\w+\s+){0,2}?(?!(?:is|does|was|has|this)\b)[a-z]+(?<!s)s\b(?!['\u2019])"
            r"|\b(?:how\s+(?:many|often)|all|both|list|every|each|several|different|various|(?:kind|type|way)s?)\b"
            r"|\bin\s+common\b"
        ),
        joined=r"\b(?:and|or|as\s+well\s+as|besides)\b",
        compared=r"\b(?:more|less|most|least|than|compared?|differ\w*|similar\w*|same|better|rather|prefers?)\b",
        clause=r"\b(?:when|while|because|after|before|since|during|if|that|who|where|whose|why|until)\b",
    ),
    Language.GERMAN: _Signs(
        several=(
            r"\b(?:wie\s+(?:viele|oft)|alles?|allen|beide[nr]?|jede[nrms]?|mehrere|verschiedene\w*|sämtliche\w*|gemeinsam)\b"
            r"|\b(?:arten|sorten|welche\s+\w+(?:en|er))\b"
        ),
        joined=r"\b(?:und|oder|sowie|außer)\b",
        compared=r"\b(?:mehr|weniger|meisten?|als|vergl\w+|unter?schie\w*|ähnlich\w*|gleiche\w*|besser|lieber)\b",
        clause=r"\b(?:wenn|während|weil|nachdem|bevor|seit|ob|dass|deren|dessen|bis|wo|warum)\b",
    ),
    Language.SPANISH: _Signs(
        several=(
            r"\b(?:cuáles|cuánt[oa]s|quiénes|tod[oa]s|amb[oa]s|cada|vari[oa]s|distint[oa]s|diferentes|en\s+común)\b"
            r"|\bqué\s+\w+[aeo]s\b|\b(?:cuántas\s+veces|tipos?\s+de|clases?\s+de)\b"
        ),
        joined=r"\b(?:y|e|o|u|además\s+de|así\s+como)\b",
        compared=r"\b(?:más|menos|que\s+el|compar\w+|diferenci\w*|parecid\w*|mism[oa]s?|mejor|prefiere)\b",
        clause=r"\b(?:cuando|mientras|porque|después|antes|desde|durante|si|quien|donde|cuy[oa]s?|hasta)\b",
    ),
}
_CHINESE = _Signs(
    several=r"哪些|几[次个本种只]|多少|所有|全部|每|分别|都|各",
    joined="和|跟|与|或者|还是|以及",
    compared="比|更|最|一样|相同|不同|差别",
    clause="的时候|因为|之后|以后|之前|以前|如果|为什么",
)


def _compile(signs: _Signs) -> tuple[re.Pattern[str], ...]:
    patterns = (signs.several, signs.joined, signs.compared, signs.clause)
    return tuple(re.compile(pattern, re.IGNORECASE) for pattern in patterns)


_COMPILED = {language: _compile(signs) for language, signs in _SIGNS.items()}
_COMPILED_CHINESE = _compile(_CHINESE)
_HAN = re.compile(r"[\u4e00-\u9fff]")


def rate_complexity(text: str, language: Language, people: int, dates: int) -> float:
    """The complexity C_q of a question, in [0, 1].

    Parameters
    ----------
    text
        The question.
    language
        Its language; Chinese is seen from its characters.
    people, dates
        How many different people and dates it names.
    """
    several, joined, compared, clause = _COMPILED_CHINESE if _HAN.search(text) else _COMPILED[language]
    asked = text.strip(" \u00bf\u00a1")
    spread = bool(several.search(asked)) + (people > 1)
    parts = bool(joined.search(asked)) + bool(compared.search(asked)) + bool(clause.search(asked, 1)) + (dates > 1)
    return min(1.0, SPREAD_WEIGHT * spread + PART_WEIGHT * parts)


def deepen(base: int, complexity: float, gain: float = DEPTH_GAIN) -> int:
    """Entries for a question, `k_dyn = floor(k_base * (1 + d * C_q))`.

    Parameters
    ----------
    base
        k_base, entries for a simple question.
    complexity
        C_q, in [0, 1].
    gain
        d, at least 0.
    """
    return math.floor(base * (1.0 + gain * complexity))
