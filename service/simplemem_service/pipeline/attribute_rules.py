"""How facts that can change are worded: patterns in English, German, Spanish and Chinese (data for `attributes.py`)."""

from __future__ import annotations

from simplemem_service.index.analysis import CJK

_RELATIONS = (
    r"sister|brother|mother|mom|mum|father|dad|wife|husband|partner|girlfriend|boyfriend|son|daughter|aunt|uncle|cousin"
    r"|grandma|grandmother|grandpa|grandfather|best friend|friend|boss|roommate|flatmate"
)
_NAME = r"[A-Z\u00c0-\u00de][\w\u2019'-]*(?:\s+[A-Z\u00c0-\u00de][\w\u2019'-]*)?"
_SUBJECT = rf"(?:(?P<me>\bI\b)|\b[Mm]y\s+(?P<relation>{_RELATIONS})\b|\b(?P<name>{_NAME}))"
_IS = r"(?:\s+am|\s*['\u2019]m|\s+is|\s*['\u2019]s|\s+are)"
_HAVE = r"(?:\s+have|\s*['\u2019]ve|\s+has|\s*['\u2019]s)?"
_ADVERBS = r"(?:\s+(?:now|currently|just|recently|finally|already|officially|actually|also|still))*"
_PROPER = (
    r"(?P<value>(?:the\s+)?[A-Z\u00c0-\u00de][\w\u2019'&.-]*"
    r"(?:\s+(?:de|del|of|la|do)?\s*[A-Z\u00c0-\u00de][\w\u2019'&-]*){0,3})"
)
_FORMER = _PROPER.replace("<value>", "<former>")
_STOP = (
    r"now|since|with|and|but|because|for|at|after|before|last|this|so|which|where|when|to|from|as|in|on|anymore|again"
    r"|currently|until|though|right|today|by|of|who|that|these"
)
_WORDS = rf"(?P<value>(?:(?!(?:{_STOP})\b)[\w\u2019'&+#-]+)(?:\s+(?!(?:{_STOP})\b)[\w\u2019'&+#-]+){{0,3}})"
_FORMER_WORDS = _WORDS.replace("<value>", "<former>")
_OBJECTS = (
    r"car|bike|phone|laptop|computer|boss|manager|doctor|dentist|teacher|coach|trainer|therapist|roommate|apartment"
    r"|landlord|school|university|college|team|gym|bank|job|company|employer|major|hobby"
)
_NOT_FAVOURITE = (
    r"(?:part|parts|thing|things|moment|memory|memories|time|one|ones|way|bit|aspect|scene|quote|photo|line)"
)

RULES: tuple[tuple[str, str], ...] = (
    ("home", rf"{_SUBJECT}(?:{_IS})?{_ADVERBS}\s+(?:lives?|living|reside|resides)(?:\s+now)?\s+in\s+{_PROPER}"),
    ("home", rf"{_SUBJECT}{_IS}{_ADVERBS}\s+based\s+in\s+{_PROPER}"),
    (
        "home",
        (
            rf"{_SUBJECT}{_HAVE}{_ADVERBS}\s+(?P<change>moved|relocated)(?:\s+(?:back|away|over|house))?"
            rf"(?:\s+from\s+{_FORMER})?\s+to\s+{_PROPER}(?:\s+from\s+(?P<left>[A-Z\u00c0-\u00de]\w+))?"
        ),
    ),
    (
        "employer",
        rf"{_SUBJECT}(?:{_IS})?{_ADVERBS}\s+(?:works?|working|employed)(?:\s+now)?\s+(?:at|for|by)\s+{_PROPER}",
    ),
    (
        "employer",
        (
            rf"{_SUBJECT}{_HAVE}{_ADVERBS}\s+(?P<change>started(?:\s+working|\s+a\s+new\s+job)?|got\s+a\s+(?:new\s+)?job)"
            rf"\s+(?:at|for)\s+{_PROPER}"
        ),
    ),
    ("job", rf"{_SUBJECT}(?:{_IS})?{_ADVERBS}\s+(?:works?|working)(?:\s+now)?\s+as\s+(?:an?|the)\s+{_WORDS}"),
    ("job", rf"{_SUBJECT}{_IS}\s+now\s+(?:working\s+as\s+)?(?:an?|the)\s+{_WORDS}"),
    ("job", rf"{_SUBJECT}{_HAVE}{_ADVERBS}\s+(?P<change>became)\s+(?:an?|the)\s+{_WORDS}"),
    (
        "job",
        (
            rf"{_SUBJECT}(?:\s+(?:was|got)|{_HAVE}\s+been){_ADVERBS}\s+(?P<change>promoted)\s+to\s+(?:an?"
            rf"\s+|the\s+)?{_WORDS}"
        ),
    ),
    (
        "relationship",
        rf"{_SUBJECT}(?:{_IS}|\s+got){_ADVERBS}\s+(?P<value>single|married|divorced|engaged|widowed|separated)\b(?!\s+in\b)",
    ),
    ("age", rf"{_SUBJECT}{_IS}{_ADVERBS}\s+(?P<value>\d{{1,3}})\s+years\s+old"),
    ("age", rf"{_SUBJECT}{_HAVE}{_ADVERBS}\s+(?P<change>turned)\s+(?P<value>\d{{1,3}})\b"),
    (
        "phone",
        (
            r"\b[Mm]y\s+(?P<change>new\s+)?(?:(?:cell|mobile|phone)\s+)*number\s+is\s+(?:now\s+)?"
            r"(?P<value>\+?\d[\d ()/-]{4,}\d)"
        ),
    ),
    (
        "email",
        (
            r"\b[Mm]y\s+(?P<change>new\s+)?e-?mail(?:\s+address)?\s+is\s+(?:now\s+)?"
            r"(?P<value>[^\s,;]+@[^\s,;]+\w)"
        ),
    ),
    (
        "address",
        (
            r"\b[Mm]y\s+(?P<change>new\s+)?(?:home\s+|postal\s+)?address\s+is\s+(?:now\s+)?"
            r"(?P<value>\w[^.;!?\n]{4,60})"
        ),
    ),
    (
        "favourite",
        (
            rf"(?<!of\s)\b[Mm]y\s+(?P<change>new\s+)?favou?rite\s+(?!{_NOT_FAVOURITE}\b)(?P<noun>\w+(?:\s+\w+)?)\s+(?:is|are)"
            rf"(?:\s+now)?\s+(?:an?\s+|the\s+)?{_WORDS}"
        ),
    ),
    (
        "favourite",
        (
            rf"\b(?P<name>{_NAME})['\u2019]s\s+(?P<change>new\s+)?favou?rite\s+(?!{_NOT_FAVOURITE}\b)(?P<noun>\w+(?:\s+\w+)?)"
            rf"\s+(?:is|are)(?:\s+now)?\s+(?:an?\s+|the\s+)?{_WORDS}"
        ),
    ),
    (
        "own",
        (
            rf"\b[Mm]y\s+(?P<change>new\s+)?(?P<noun>{_OBJECTS})\s+is(?:\s+now)?\s+(?:an?\s+|the\s+|called"
            rf"\s+)?{_PROPER}"
        ),
    ),
    (
        "own",
        (
            rf"\b(?P<name>{_NAME})['\u2019]s\s+(?P<change>new\s+)?(?P<noun>{_OBJECTS})\s+is(?:\s+now)?\s+"
            rf"(?:an?\s+|called\s+)?{_PROPER}"
        ),
    ),
    (
        "",
        (
            rf"{_SUBJECT}{_HAVE}{_ADVERBS}\s+(?P<change>switched|changed)(?:\s+\w+)?\s+from\s+"
            rf"{_FORMER_WORDS}\s+to\s+{_WORDS}"
        ),
    ),
    (
        "home",
        (
            rf"\b(?:(?P<me>[Ii]ch)\s+(?:wohne|lebe)|(?P<name>{_NAME})\s+(?:wohnt|lebt))(?:\s+"
            rf"(?:jetzt|nun|inzwischen))?\s+in\s+{_PROPER}"
        ),
    ),
    (
        "home",
        (
            rf"\b(?:(?P<me>[Ii]ch)\s+bin|(?P<name>{_NAME})\s+ist)(?:\s+\w+)?(?:\s+von\s+{_FORMER})?\s+nach"
            rf"\s+{_PROPER}\s+(?P<change>(?:um)?gezogen)"
        ),
    ),
    ("home", rf"\b(?P<name>{_NAME})\s+(?P<change>zog)(?:\s+von\s+{_FORMER})?\s+nach\s+{_PROPER}"),
    (
        "employer",
        (
            rf"\b(?:(?P<me>[Ii]ch)\s+arbeite|(?P<name>{_NAME})\s+arbeitet)(?:\s+(?:jetzt|nun|inzwischen))?"
            rf"\s+(?:bei|f\u00fcr)\s+{_PROPER}"
        ),
    ),
    (
        "favourite",
        (
            rf"\b(?P<me>[Mm]eine?)\s+Lieblings-?(?P<noun>\w+)\s+(?:ist|sind)(?:\s+(?:jetzt|nun))?\s+(?:der"
            rf"\s+|die\s+|das\s+)?{_WORDS}"
        ),
    ),
    ("home", rf"\b(?:(?P<me>[Vv]ivo)|(?P<name>{_NAME})\s+vive)(?:\s+ahora)?\s+en\s+{_PROPER}"),
    (
        "home",
        (
            rf"\b(?:(?P<me>[Mm]e\s+mud\u00e9)|(?P<name>{_NAME})\s+se\s+mud\u00f3)(?P<change>)(?:\s+de\s+"
            rf"{_FORMER})?\s+a\s+{_PROPER}"
        ),
    ),
    ("employer", rf"\b(?:(?P<me>[Tt]rabajo)|(?P<name>{_NAME})\s+trabaja)(?:\s+ahora)?\s+(?:en|para)\s+{_PROPER}"),
    (
        "favourite",
        (
            rf"\b(?P<me>[Mm]i)\s+(?P<noun>\w+)\s+favorit[oa]s?(?:\s+ahora)?\s+es(?:\s+ahora)?\s+(?:el\s+|la"
            rf"\s+)?{_WORDS}"
        ),
    ),
)
"""Attribute and pattern of each rule. Groups: `me`, `relation` or `name` for whom it is about, `value`, `former` or
`left` for the value before, `noun` for what is owned or liked, `change` where the words say that something changed. An
empty attribute is that of the former value."""
HAN = rf"[{CJK}]"
_END = r"(?=[\u3002\uff0c\uff01\uff1b\s,.!;]|$)"
CHINESE_RULES: tuple[tuple[str, str], ...] = (
    ("home", rf"(?P<who>我|{{names}})(?:现在|目前|如今)?(?:还)?住在(?P<value>{HAN}{{{{1,6}}}}?){_END}"),
    (
        "home",
        (
            rf"(?P<who>我|{{names}})(?:[^\u3002\uff0c\uff01\uff1f]{{{{0,4}}}}?)(?:从(?P<former>{HAN}{{{{1,6}}}}?))?"
            rf"(?P<change>搬)(?:家)?(?:到|去)(?:了)?(?P<value>{HAN}{{{{1,6}}}}?)(?:了|来了|去了)?{_END}"
        ),
    ),
    ("employer", rf"(?P<who>我|{{names}})(?:现在|目前)?在(?P<value>{HAN}{{{{1,8}}}}?)(?:工作|上班){_END}"),
    (
        "favourite",
        rf"(?P<who>我|{{names}})(?:现在)?最喜欢的(?P<noun>{HAN}{{{{1,4}}}}?)是(?P<value>{HAN}{{{{1,8}}}}?){_END}",
    ),
)
"""The same for sentences in Chinese; `who` is "我" or one of the `names` put in."""
