"""Prices of one's own at the command line, and what is said of wrong ones."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest

from simplemem_api.prices import BUILT_IN
from simplemem_operator.config import read_config


def test_prices_are_the_built_in_ones_unless_a_file_names_others(tmp_path: Path) -> None:
    file = tmp_path / "prices.yaml"
    file.write_text("{catalogue: acme, gpuNode: 200}")
    assert read_config([]).prices == BUILT_IN
    prices = read_config(["--prices", str(file)]).prices
    assert (prices.catalogue, prices.gpu_node) == ("acme", Decimal(200))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (None, "cannot be read"),
        ("gpuNode: 200", "catalogue: required, and missing"),
        ("{catalogue: x, tiers: {Minimal: {sever: 1}}}", "no item 'sever'; Minimal has server"),
    ],
)
def test_a_wrong_file_ends_the_start_with_its_name(
    text: str | None, words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "prices.yaml"
    if text is not None:
        file.write_text(text)
    with pytest.raises(SystemExit):
        read_config(["--prices", str(file)])
    said = capsys.readouterr().err
    assert "--prices" in said
    assert str(file) in said
    assert words in said
