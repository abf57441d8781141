"""Pronouns resolved only where the turns before leave no doubt."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simplemem_service.pipeline.normalize import normalize_turn
from simplemem_service.pipeline.references import find_references
from tests.support.entries import make_turn

PEOPLE = ["Ada", "Ben"]


def resolve(*turns: str) -> str:
    """The last turn with what its pronouns mean; the two take turns, Ada begins."""
    said = [(PEOPLE[place % 2], text) for place, text in enumerate(turns)]
    speaker, text = said[-1]
    for found in reversed(find_references(text, speaker, said[:-1], PEOPLE)):
        text = f"{text[: found.end]} ({found.means}){text[found.end :]}"
    return text


@pytest.mark.parametrize(
    ("turns", "expected"),
    [
        (("My sister moved away.", "How is she doing?"), "How is she (Ada's sister) doing?"),
        (("My sister moved away.", "Nice!", "She loves it."), "She (Ada's sister) loves it."),
        (("How is your dad?", "He is fine."), "He (Ben's dad) is fine."),
        (("My brother Tom called.", "What did he want?"), "What did he (Ada's brother Tom) want?"),
        (("We adopted a puppy named Coco!", "Is she house-trained?"), "Is she (Coco) house-trained?"),
        (("I met Jean, and she sang for us.", "How did you meet her?"), "How did you meet her (Jean)?"),
        (("I saw Max today. He looked tired.", "Give him a hug"), "Give him (Max) a hug"),
        (("Ben's mom phoned.", "What did she say?"), "What did she (Ben's mom) say?"),
        (("My mom and my dad are here.", "Did he drive?"), "Did he (Ada's dad) drive?"),
        (("My cousin needs help.", "How is she now?"), "How is she (Ada's cousin) now?"),
    ],
)
def test_the_only_one_who_fits_is_named(turns: tuple[str, ...], expected: str) -> None:
    assert resolve(*turns) == expected


@pytest.mark.parametrize(
    "turns",
    [
        pytest.param(("My sister and my mom came.", "How is she?"), id="two who fit"),
        pytest.param(("My sister met her boss.", "How is she?"), id="a rival without a name"),
        pytest.param(("My sister met Clara at work.", "How is she?"), id="a rival with a name"),
        pytest.param(("My sister came.", "And your dog?", "She sleeps."), id="a pet as a rival"),
        pytest.param(("My sister moved to Rome.", "How is she?"), id="a name that may be anybody's"),
        pytest.param(("My brother came.", "How is she?"), id="another sex"),
        pytest.param(("My sister came.", "Fine.", "Yes.", "How is she?"), id="too far back"),
        pytest.param(("Nice.", "My sister came, she sang."), id="named in the turn itself"),
        pytest.param(("My sister's friend came.", "How is she?"), id="somebody of a relative"),
        pytest.param(("I love Rome.", "Is she/her your pronoun?"), id="pronouns as a word"),
        pytest.param(("A woman fell.", "Is she hurt?"), id="unnamed"),
        pytest.param(("The weather is bad.", "She is late."), id="nobody"),
        pytest.param(("My sister came.", "They are late, is it?"), id="they and it"),
    ],
)
def test_in_any_doubt_nothing_is_said(turns: tuple[str, ...]) -> None:
    assert resolve(*turns) == turns[-1]


def test_in_a_talk_of_three_nothing_is_said() -> None:
    assert find_references("How is she?", "Ben", [("Ada", "My sister came.")], [*PEOPLE, "Cleo"]) == []


def test_the_restatement_names_whom_a_pronoun_means_beside_its_dates() -> None:
    turn = make_turn(1, text="She came yesterday.")
    found = normalize_turn(turn, ["Ada", "Ben"], [("Ben", "How is your sister?")])
    assert found.restatement == "Ada: She (Ada's sister) came yesterday (28 February 2026)."
    assert normalize_turn(turn, ["Ada", "Ben"]).restatement == "Ada: She came yesterday (28 February 2026)."


@given(st.lists(st.text(alphabet="Aa Hhe shr.?my'd", max_size=60), min_size=1, max_size=4))
def test_any_text_is_data(turns: list[str]) -> None:
    assert len(resolve(*turns)) >= len(turns[-1])
