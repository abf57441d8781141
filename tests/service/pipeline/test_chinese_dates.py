"""Chinese expressions of days, told on Wednesday 15 May 2024."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simplemem_service.pipeline.chinese_dates import find_chinese, read_number
from simplemem_service.pipeline.relative_dates import find_unclear

TOLD = datetime(2024, 5, 15, 9, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "first", "last"),
    [
        ("我昨天去了医院", (2024, 5, 14), (2024, 5, 14)),
        ("大前天下雨了", (2024, 5, 12), (2024, 5, 12)),
        ("昨晚没睡好", (2024, 5, 14), (2024, 5, 14)),
        ("下周五开会", (2024, 5, 24), (2024, 5, 24)),
        ("上星期天见面", (2024, 5, 12), (2024, 5, 12)),
        ("这周末去爬山", (2024, 5, 18), (2024, 5, 19)),
        ("上上周很忙", (2024, 4, 29), (2024, 5, 5)),
        ("上个月搬家", (2024, 4, 1), (2024, 4, 30)),
        ("下个月三号出发", (2024, 6, 3), (2024, 6, 3)),
        ("我去年三月从北京搬到了上海", (2023, 3, 1), (2023, 3, 31)),
        ("去年3月5日结婚", (2023, 3, 5), (2023, 3, 5)),
        ("前年十二月", (2022, 12, 1), (2022, 12, 31)),
        ("明年毕业", (2025, 1, 1), (2025, 12, 31)),
        ("三天前", (2024, 5, 12), (2024, 5, 12)),
        ("两个月前", (2024, 3, 1), (2024, 3, 31)),
        ("十二年以后", (2036, 1, 1), (2036, 12, 31)),
        ("两周后", (2024, 5, 27), (2024, 6, 2)),
    ],
)
def test_the_days_meant_are_found(text: str, first: tuple[int, int, int], last: tuple[int, int, int]) -> None:
    (span,) = find_unclear(text, TOLD)
    assert (span.first, span.last) == (date(*first), date(*last))


@pytest.mark.parametrize("text", ["我在日本住", "天气很好", "去年二月三十号", "月亮", "每周"])
def test_what_names_no_day_is_none(text: str) -> None:
    assert [span for span in find_unclear(text, TOLD) if span.first == span.last] == []


@pytest.mark.parametrize(
    ("text", "number"), [("十", 10), ("十二", 12), ("二十", 20), ("三十一", 31), ("两", 2), ("7", 7)]
)
def test_numbers_are_read(text: str, number: int) -> None:
    assert read_number(text) == number


@given(st.text(alphabet="上下前后去今明昨天日周月年一二两三十百个末晚5", max_size=30))
def test_no_text_breaks_it_and_no_expressions_overlap(text: str) -> None:
    spans = list(find_chinese(text, TOLD.date()))
    assert all(span.first <= span.last for span in spans)
    assert not any(a.overlaps(b) for n, a in enumerate(spans) for b in spans[n + 1 :])
