"""Days meant by Chinese expressions such as 昨天, 下周五, 去年三月 or 两个月前, against the day of telling (pure).

Weeks run from Monday to Sunday and are counted as calendar weeks: 下周五 is the Friday of the next week, even on a
Monday. An expression that goes beyond the calendar is none.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from datetime import date, timedelta

from simplemem_service.pipeline.dates import DateSpan, Days, add_months, month_of

_DAYS = {"大前": -3, "前": -2, "昨": -1, "今": 0, "明": 1, "后": 2, "大后": 3}
_YEARS = {"前": -2, "去": -1, "今": 0, "明": 1, "后": 2}
_STEPS = {"上上": -2, "上": -1, "这": 0, "本": 0, "下": 1, "下下": 2}
_DIGITS = {"一": 1, "二": 2, "两": 2, "三": 3, "四": 4, "五": 5, "六": 6, "七": 7, "八": 8, "九": 9}
_WEEKDAYS = {"一": 0, "二": 1, "三": 2, "四": 3, "五": 4, "六": 5, "日": 6, "天": 6}

_NUMBER = r"\d{1,3}|[一二两三四五六七八九]?十[一二三四五六七八九]?|[一二两三四五六七八九]"
_STEP = r"(?P<step>上上|上|这|本|下下|下)"
_WEEK = r"个?(?:周|星期|礼拜)"
_DAY_OF_MONTH = rf"(?P<day>{_NUMBER})[日号]"


def find_chinese(text: str, today: date) -> Iterator[DateSpan]:
    """Days meant by every expression, longer ones before those they hold; none overlaps another."""
    found: list[DateSpan] = []
    for pattern, resolve in _RULES:
        for match in pattern.finditer(text):
            try:
                first, last = resolve(match, today)
            except (ValueError, OverflowError):
                continue
            span = DateSpan(first, last, match.start(), match.end())
            if not any(span.overlaps(other) for other in found):
                found.append(span)
    yield from found


def read_number(text: str) -> int:
    """A number below a hundred in Chinese, or one in digits."""
    if text.isdigit():
        return int(text)
    tens, has_ten, ones = text.rpartition("十")
    if not has_ten:
        return _DIGITS[text]
    return 10 * (_DIGITS[tens] if tens else 1) + (_DIGITS[ones] if ones else 0)


def _day(match: re.Match[str], today: date) -> Days:
    day = today + timedelta(_DAYS[match["which"]])
    return day, day


def _week(match: re.Match[str], today: date) -> Days:
    monday = today - timedelta(today.weekday()) + timedelta(7 * _STEPS[match["step"]])
    named = match["weekday"]
    if named == "末":
        return monday + timedelta(5), monday + timedelta(6)
    if named:
        day = monday + timedelta(_WEEKDAYS[named])
        return day, day
    return monday, monday + timedelta(6)


def _month(match: re.Match[str], today: date) -> Days:
    return _of_month(add_months(today, _STEPS[match["step"]]), match["day"])


def _year(match: re.Match[str], today: date) -> Days:
    year = today.year + _YEARS[match["which"]]
    if not match["month"]:
        return date(year, 1, 1), date(year, 12, 31)
    return _of_month(date(year, read_number(match["month"]), 1), match["day"])


def _of_month(month: date, named: str | None) -> Days:
    if not named:
        return month_of(month)
    day = month.replace(day=read_number(named))
    return day, day


def _away(match: re.Match[str], today: date) -> Days:
    count = read_number(match["count"]) * (-1 if "前" in match["way"] else 1)
    unit = match["unit"]
    if unit == "天":
        return today + timedelta(count), today + timedelta(count)
    if unit == "月":
        return month_of(add_months(today, count))
    if unit == "年":
        return date(today.year + count, 1, 1), date(today.year + count, 12, 31)
    monday = today - timedelta(today.weekday()) + timedelta(7 * count)
    return monday, monday + timedelta(6)


_RULES: tuple[tuple[re.Pattern[str], Callable[[re.Match[str], date], Days]], ...] = (
    (
        re.compile(rf"(?<!以)(?P<which>去|前|今|明|后)年(?:(?P<month>{_NUMBER})月份?(?:{_DAY_OF_MONTH})?)?"),
        _year,
    ),
    (re.compile(rf"{_STEP}{_WEEK}(?P<weekday>[一二三四五六日天末])?"), _week),
    (re.compile(rf"{_STEP}个?月(?:{_DAY_OF_MONTH})?"), _month),
    (re.compile(rf"(?P<count>{_NUMBER})个?(?P<unit>天|周|星期|礼拜|月|年)(?P<way>以前|之前|前|以后|之后|后)"), _away),
    (re.compile(r"(?P<which>大前|大后|前|昨|今|明|后)(?:天(?:[早晚]上?)?|[早晚]上?|日(?!本))"), _day),
)
