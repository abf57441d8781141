"""Commands with their arguments, by their parsers."""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterator

from docs.generators.markdown import table


def render_program(parser: argparse.ArgumentParser) -> str:
    """A program: its own arguments, then each command with its own."""
    parts = [f"## {parser.prog}\n", f"{_sentence(parser.description)}\n"]
    if rows := list(_rows(parser)):
        parts.append(table(["argument", "default", "means"], rows))
    for name, child in _children(parser):
        parts += [f"### {parser.prog} {name}\n", f"{_sentence(child.description)}\n"]
        if rows := list(_rows(child)):
            parts.append(table(["argument", "default", "means"], rows))
    return "\n".join(parts)


def _sentence(text: str | None) -> str:
    words = (text or "").strip()
    return words[:1].upper() + words[1:].rstrip(".") + "."


def _children(parser: argparse.ArgumentParser) -> Iterator[tuple[str, argparse.ArgumentParser]]:
    for action in parser._actions:  # noqa: SLF001 - argparse has no other way to be asked
        if isinstance(action, argparse._SubParsersAction):  # noqa: SLF001
            yield from action.choices.items()


def _rows(parser: argparse.ArgumentParser) -> Iterator[tuple[str, str, str]]:
    for action in parser._actions:  # noqa: SLF001
        if isinstance(action, argparse._HelpAction | argparse._SubParsersAction):  # noqa: SLF001
            continue
        yield _name(action), _default(action), re.sub(r" \(default [^)]*\)$", "", action.help or "")


def _name(action: argparse.Action) -> str:
    value = "" if action.nargs == 0 else f" {_value(action)}"
    if not action.option_strings:
        return f"`{_value(action)}`"
    return ", ".join(f"`{option}{value}`" for option in action.option_strings)


def _value(action: argparse.Action) -> str:
    if action.choices:
        return "|".join(map(str, action.choices))
    named = action.metavar if isinstance(action.metavar, str) else action.dest
    return named.upper()


def _default(action: argparse.Action) -> str:
    if action.required and action.option_strings:
        return "required"
    if action.default in (None, argparse.SUPPRESS, False, "") or action.default == []:
        return ""
    return f"`{action.default}`"
