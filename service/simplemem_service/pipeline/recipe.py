"""The retrieval recipe: which signals there are, what each weighs, and why. The only table of weights."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

CANDIDATES = 50
"""Best entries taken from each ranker; every ranker then scores the union. 30 to 200 find the same on LoCoMo dev within
.5 points of recall; fewer cost less time."""

LEAST_TRUST = 0.01
"""Share of their weight that vectors keep where the model knows no token of the question, so that they still decide
where no word does."""

LEXICAL_CONTEXT = "lexical_context"
"""BM25 of the entry, three times, together with its two neighbours on each side. Weight .7; dropping it costs 5.5
points of recall@10 on LoCoMo dev, the most of all signals."""
DENSE_SENTENCE = "dense_sentence"
"""Cosine of the question with the best of the entry's sentences. Weight 1; dropping it costs 2.1 points."""
DENSE_CONTEXT = "dense_context"
"""Cosine of the question with the entry in its context. Weight .7; dropping it costs 1.4 points."""
LEXICAL_BIGRAMS = "lexical_bigrams"
"""BM25 of pairs of adjacent terms. Weight .1: set phrases and titles; within noise on LoCoMo dev."""
DATE = "date"
"""A date named in the question is the day the entry was told or one it speaks of. Weight 1; dropping it costs 1.3
points."""
SPEAKER = "speaker"
"""The only person named in the question is the entry's speaker. Weight .5; dropping it costs 3.3 points."""
QUESTION = "question"
"""The entry itself ends in a question: it asks more than it tells. Weight -.2; dropping it costs .9 points."""
ANSWER = "answer"
"""The entry before it in its session is a question and was found itself: its score, for an answer shares few words with
what it answers. Weight .3: .7 points of recall@5 and .03 of MRR on LoCoMo dev, the same at 10."""
VALIDITY = "validity"
"""What puts the entry that holds above the one it superseded, or the reverse where the question names a time; no
min-max score but exactly the difference, so its weight is 1 for on and 0 for off."""
RECENCY = "recency"
"""How late the entry was told. Weight 0, off: on LoCoMo dev .1 gains .3 points of recall@20 and costs .2 at 10 and .002
of MRR."""

WEIGHTS: Mapping[str, float] = MappingProxyType(
    {
        LEXICAL_CONTEXT: 0.7,
        DENSE_SENTENCE: 1.0,
        DENSE_CONTEXT: 0.7,
        LEXICAL_BIGRAMS: 0.1,
        DATE: 1.0,
        SPEAKER: 0.5,
        QUESTION: -0.2,
        ANSWER: 0.3,
        VALIDITY: 1.0,
        RECENCY: 0.0,
    },
)
"""Weight of each signal's min-max normalised score; found on LoCoMo and checked on other people's conversations."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """What a search is made of."""

    weights: Mapping[str, float] = field(default_factory=lambda: WEIGHTS)
    """Weight of each signal by its name; a signal of weight 0 is not computed."""
    candidates: int = CANDIDATES
    """Best entries taken from each ranker."""

    def __post_init__(self) -> None:
        unknown = sorted(set(self.weights) - set(WEIGHTS))
        if unknown:
            raise ValueError(f"unknown signals {unknown}; known are {sorted(WEIGHTS)}")

    def without(self, signal: str) -> Recipe:
        """The recipe with one signal switched off."""
        return Recipe({**self.weights, signal: 0.0}, self.candidates)

    def without_meaning(self) -> Recipe:
        """The recipe for a question that has no vector."""
        return self.without(DENSE_SENTENCE).without(DENSE_CONTEXT)

    def trusting(self, known_share: float) -> Recipe:
        """The recipe for a question of whose tokens the embedding model has learned that share, in [0, 1].

        The vector of a text that the model cannot read says nothing: with it at full weight MiniLM finds two of ten
        Chinese facts late that words alone find first.
        """
        trust = max(known_share, LEAST_TRUST)
        meaning = {name: self.weights.get(name, 0.0) * trust for name in (DENSE_SENTENCE, DENSE_CONTEXT)}
        return self if known_share == 1.0 else Recipe({**self.weights, **meaning}, self.candidates)

    def uses(self, signal: str) -> bool:
        """Whether a signal counts."""
        return self.weights.get(signal, 0.0) != 0.0
