"""Which language a remark is written in, by its function words (pure).

Told apart are English, German and Spanish, whose words are stemmed by different rules. A remark is often three words
long: statistics of letters guess wildly there, function words either decide or say that nothing is known. A wrong
guess costs little, since an entry is found by English stems in any case (`analysis.py`).
"""

from __future__ import annotations

import re
from enum import StrEnum

LONGEST_READ = 2_000
"""Characters that are looked at; nobody changes the language after them."""


class Language(StrEnum):
    """Languages with stems of their own; the values are Snowball's names."""

    ENGLISH = "english"
    GERMAN = "german"
    SPANISH = "spanish"


_ENGLISH = """
a about am an and any are as at be been but by can could did do does for from had has have he her hers him his how i if
in into is it its just me might my of on or our over s she should so some than that the their theirs them then there
these they this those to us was we were what when where which who whom whose why will with would you your yours
not no yes don t m ve re ll d out up all too very really like love good great thanks oh hey wow yeah new one more get
got see ya bye been being because after before while ago last next
"""
_GERMAN = """
aber alle allem allen aller alles als also am an ander andere anderen auch auf aus bald bei beide beiden beim bin bis
bist da dabei damit dann daran darauf darin das dass davon dazu dein deine deinem deinen deiner dem den denn der des
deshalb dessen deutsch dich die dies diese diesem diesen dieser dieses dir doch dort du durch ein eine einem einen einer
eines er erst es etwas euch euer eure für ganz gar geht genau gern gerne gestern gewesen gibt gut hab habe haben habt
hast hat hatte hatten heute hier ich ihm ihn ihnen ihr ihre ihrem ihren ihrer im immer in ist ja jede jedem jeden jeder
jedes jetzt kann kannst kein keine keinem keinen keiner können konnte lange machen macht mal man mehr mein meine meinem
meinen meiner meines mich mir mit morgen muss musste nach nachdem natürlich nein nicht nichts noch nun nur ob oder ohne
schon sehr sein seine seinem seinen seiner seit selbst sich sie sind so sogar sonst über um und uns unser unsere unserem
unseren unserer unter viel viele vielen vielleicht vom von vor vorgestern wann war waren warum was weil welche welchem
welchen welcher welches wem wen wenn wer werde werden wie wieder wieso will willst wir wird wirklich wo woher wohin
womit worüber wurde wurden zu zum zur zwei zwischen
"""
_SPANISH = """
a adónde ahora al algo alguien algún alguna algunas algunos allí anoche ante antes aquel aquella aquí así aunque ayer
bien bueno cada casi claro como cómo con conmigo contigo cual cuál cuáles cuando cuándo cuántas cuánto cuántos de del
desde después dónde donde dos durante e el él ella ellas ellos en entre era eran eres es esa esas ese eso esos esta está
están estaba estaban estado estamos estar estas este esto estos estoy estuve fue fueron fui gracias ha haber había hace
hacer hacia hago han has hasta hay he hemos hola hoy iba ir la las le les lo los mañana más me mejor mi mí mis
mientras mucha muchas mucho muchos muy nada ni ninguna ninguno no nos nosotros nuestra nuestro nunca o os otra otras
otro otros para pero poco podemos por porque pues puede puedo que qué quien quién quiénes quiero se sea según ser será
si sí sido siempre sin sobre sois solo sólo somos son soy su sus también tampoco tan tanto te tengo tiene tienen
todavía todo todos tu tú tus tuve un una unas uno unos va vale vamos van vas ver vez voy y ya yo
"""
FUNCTION_WORDS = {
    Language.ENGLISH: frozenset(_ENGLISH.split()),
    Language.GERMAN: frozenset(_GERMAN.split()),
    Language.SPANISH: frozenset(_SPANISH.split()),
}
"""Words of a language that tell it from others and nothing of what is looked for, in lower case."""

_CALENDAR = {
    Language.ENGLISH: "monday tuesday wednesday thursday friday saturday sunday week month year day january february",
    Language.GERMAN: (
        "montag dienstag mittwoch donnerstag freitag samstag sonntag januar februar märz juni juli oktober dezember"
        " tag tage woche wochen monat monate jahr jahre jahren uhr abend"
    ),
    Language.SPANISH: (
        "lunes martes miércoles jueves viernes sábado domingo enero febrero marzo abril mayo junio julio agosto"
        " septiembre octubre noviembre diciembre día días semana semanas mes meses año años tarde noche"
    ),
}
_TELLING = {language: words | set(_CALENDAR[language].split()) for language, words in FUNCTION_WORDS.items()}

_WORD = re.compile(r"[^\W\d_]+")
_LETTERS = (
    (Language.GERMAN, re.compile("[äöüß]")),
    (Language.SPANISH, re.compile("[áíóú]")),
    (Language.SPANISH, re.compile("[ñ¿¡]")),
)


def detect_language(text: str) -> Language | None:
    """The language with the most function words and days in a text, its own letters counting as one each.

    None where no language has any, or where two have as many.
    """
    read = text[:LONGEST_READ].lower()
    words = _WORD.findall(read)
    scores = {language: sum(map(own.__contains__, words)) for language, own in _TELLING.items()}
    if not read.isascii():
        for language, letters in _LETTERS:
            scores[language] += bool(letters.search(read))
    best, second = sorted(scores, key=lambda language: -scores[language])[:2]
    return best if scores[best] > scores[second] else None
