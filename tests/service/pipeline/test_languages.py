"""Small conversations in other languages than English, found with a model that knows English alone."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from benchmarks.in_process import Engine
from benchmarks.locomo import Asked, Conversation, Utterance, recall
from simplemem_service.embedding.local import LocalEmbedding
from simplemem_service.index.analysis import question_terms
from simplemem_service.index.tantivy_index import TantivyIndex

BEGIN = datetime(2024, 5, 15, 9, tzinfo=UTC)

CHINESE = (
    ("张伟", "你好，李娜，好久不见！"),
    ("李娜", "是啊，最近工作太忙了。"),
    ("张伟", "我去年三月从北京搬到了上海，现在住在浦东。"),
    ("李娜", "真的吗？我还以为你在北京。"),
    ("张伟", "公司把我调到了这边的分部，做数据工程师。"),
    ("李娜", "我上个月开始学游泳，每周二晚上都去体育馆。"),
    ("张伟", "厉害！我一直怕水。"),
    ("李娜", "我妹妹下周五结婚，婚礼在杭州的西湖边办。"),
    ("张伟", "恭喜恭喜！她的新郎是做什么的？"),
    ("李娜", "他是一名牙医，在省人民医院工作。"),
    ("张伟", "我家的猫叫豆包，上周生病了，花了三千块。"),
    ("李娜", "可怜的小猫，现在好了吗？"),
    ("张伟", "好多了，医生说它对鱼过敏。"),
    ("李娜", "我最喜欢的书是《三体》，已经看了三遍。"),
    ("张伟", "我更喜欢推理小说，尤其是东野圭吾的。"),
    ("李娜", "明年我打算去冰岛看极光。"),
)
CHINESE_QUESTIONS = (
    ("张伟什么时候搬到上海的？", 2),
    ("张伟现在做什么工作？", 4),
    ("李娜在学什么运动？", 5),
    ("李娜的妹妹在哪里举行婚礼？", 7),
    ("新郎在哪家医院工作？", 9),
    ("张伟的猫叫什么名字？", 10),
    ("小猫对什么过敏？", 12),
    ("李娜最喜欢哪本书？", 13),
    ("张伟喜欢什么小说？", 14),
    ("李娜明年打算去哪里？", 15),
)
GERMAN = (
    ("Jonas", "Hallo Miriam, wie geht es dir?"),
    ("Miriam", "Gut! Ich habe gestern den Arbeitsvertrag bei der Stadtbibliothek unterschrieben."),
    ("Jonas", "Glückwunsch! Ich bin im Januar nach Leipzig gezogen."),
    ("Miriam", "Meine Tochter spielt jetzt Geige im Schulorchester."),
    ("Jonas", "Schön. Unser Hund Bello musste letzte Woche zum Tierarzt."),
    ("Miriam", "Oh nein, was hatte er denn?"),
    ("Jonas", "Eine Entzündung am Ohr, jetzt bekommt er Tropfen."),
    ("Miriam", "Im Sommer wandern wir durch die Pyrenäen."),
    ("Jonas", "Ich backe sonntags immer Brot mit Sauerteig."),
    ("Miriam", "Seit dem Unfall fahre ich kein Fahrrad mehr."),
    ("Jonas", "Letzten Freitag habe ich mir ein Buch über Gärten gekauft."),
    ("Miriam", "Und ich habe vor zwei Wochen die Wohnung frisch gestrichen."),
)
GERMAN_QUESTIONS = (
    ("Wo hat Miriam einen Vertrag unterschrieben?", 1),
    ("Wohin ist Jonas gezogen?", 2),
    ("Welches Instrument spielt die Tochter?", 3),
    ("Warum musste Bello zum Tierarzt?", 4),
    ("Wo wandern sie im Sommer?", 7),
    ("Was backt Jonas am Sonntag?", 8),
    ("Warum fährt Miriam kein Fahrrad mehr?", 9),
    ("Welche Bücher hat Jonas gekauft?", 10),
    ("Was hat Jonas am 10. Mai 2024 gemacht?", 10),
    ("Welche Wohnungen streicht Miriam?", 11),
    ("Was hat Miriam am 14. Mai 2024 gemacht?", 1),
)
SPANISH = (
    ("Lucía", "¡Hola, Mateo! ¿Qué tal las vacaciones?"),
    ("Mateo", "Muy bien, ayer volví de Oaxaca con mi hermano."),
    ("Lucía", "Yo empecé un curso de cerámica los jueves por la tarde."),
    ("Mateo", "Mi abuela cumple noventa años en octubre."),
    ("Lucía", "Vendí el coche la semana pasada, ahora voy en bicicleta."),
    ("Mateo", "Me han ascendido a jefe de cocina en el restaurante."),
    ("Lucía", "¡Enhorabuena! Mi hijo es alérgico a las nueces."),
    ("Mateo", "Estoy aprendiendo a tocar el violonchelo."),
    ("Lucía", "El piso nuevo tiene una terraza enorme."),
    ("Mateo", "El médico me recomendó nadar por la espalda."),
    ("Lucía", "El viernes pasado visitamos una ciudad preciosa con murallas."),
    ("Mateo", "Hace dos meses empecé a cocinar platos tailandeses."),
)
SPANISH_QUESTIONS = (
    ("¿De dónde volvió Mateo?", 1),
    ("¿Qué curso hace Lucía?", 2),
    ("¿Cuándo cumple años la abuela de Mateo?", 3),
    ("¿Qué vendió Lucía?", 4),
    ("¿En qué trabaja Mateo en el restaurante?", 5),
    ("¿A qué es alérgico el hijo de Lucía?", 6),
    ("¿Qué instrumento aprende a tocar Mateo?", 7),
    ("¿Qué ciudades visitó Lucía?", 10),
    ("¿Qué hizo Lucía el 10 de mayo de 2024?", 10),
    ("¿Quién cocinaba un plato tailandés?", 11),
    ("¿Qué hizo Mateo en marzo de 2024?", 11),
)


def make(turns: tuple[tuple[str, str], ...], questions: tuple[tuple[str, int], ...]) -> Conversation:
    said = [
        Utterance(str(number), "chat", speaker, text, BEGIN + timedelta(minutes=number))
        for number, (speaker, text) in enumerate(turns)
    ]
    return Conversation("someone", tuple(said), tuple(Asked(text, (str(place),), 4) for text, place in questions))


@pytest.mark.parametrize(
    ("conversation", "least"),
    [
        pytest.param(make(CHINESE, CHINESE_QUESTIONS), 0.9, id="Chinese"),
        pytest.param(make(GERMAN, GERMAN_QUESTIONS), 1.0, id="German"),
        pytest.param(make(SPANISH, SPANISH_QUESTIONS), 1.0, id="Spanish"),
    ],
)
async def test_answers_are_among_the_first_five(
    minilm: LocalEmbedding, conversation: Conversation, least: float
) -> None:
    engine = Engine(minilm, TantivyIndex())
    await engine.remember(conversation)
    shares = {}
    for asked in conversation.questions:
        found = await engine.ask(conversation, asked.text, 5)
        sources = [source for hit in found.hits for source in hit.entry.sources]
        shares[asked.text] = recall(sources, asked.evidence, 5)
    engine.retriever.close()
    assert sum(shares.values()) / len(shares) >= least, shares


async def test_memories_of_several_languages_in_one_store_are_found(minilm: LocalEmbedding) -> None:
    engine = Engine(minilm, TantivyIndex())
    together = make((*GERMAN, *SPANISH, *CHINESE), ())
    await engine.remember(together)
    shifts = ((GERMAN_QUESTIONS, 0), (SPANISH_QUESTIONS, len(GERMAN)), (CHINESE_QUESTIONS, len(GERMAN + SPANISH)))
    missed = []
    for questions, shift in shifts:
        for text, place in questions:
            found = await engine.ask(together, text, 5)
            if str(place + shift) not in [source for hit in found.hits for source in hit.entry.sources]:
                missed.append(text)
    engine.retriever.close()
    assert len(missed) <= 2, missed


def test_function_words_of_a_chinese_question_are_not_looked_for() -> None:
    assert question_terms("李娜现在在哪里工作？") == ("李娜", "工作")
    assert question_terms("什么时候？") == ("什么", "么时", "时候")
