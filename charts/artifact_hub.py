"""The annotations of Chart.yaml that Artifact Hub shows, made from the values, the CRD, a sample and the changelog.

Everything above `annotations:` is written by hand; everything below is made here, so that what Artifact Hub shows is
what the chart installs. https://artifacthub.io/docs/topics/annotations/helm/ names them.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import yaml

KINDS = {
    "Backwards-incompatible changes": "changed",
    "New features": "added",
    "Other changes": "changed",
    "Bug fixes": "fixed",
    "Security fixes": "security",
}
"""Headings of the changelog, and the kind of change that Artifact Hub calls them."""

HOME = "https://github.com/simplemem/simplemem"
"""Where the project lives."""

DESCRIPTION_CHARACTERS = 200
"""Length to which a change is cut, at a sentence where there is one: a list is read for what there is."""


def render_chart(chart: Path) -> str:
    """Chart.yaml with its annotations made anew.

    Parameters
    ----------
    chart
        Folder of the chart, two below the checkout.
    """
    root = chart.parents[1]
    text = (chart / "Chart.yaml").read_text()
    head = text[: text.index("annotations:\n")]
    meta = yaml.safe_load(head)
    values = yaml.safe_load((chart / "values.yaml").read_text())
    crd = yaml.safe_load((root / "crds" / "memorystore.yaml").read_text())
    samples = [yaml.safe_load((root / "manifests" / f"{name}.yaml").read_text()) for name in ("minimal", "s3")]
    changed = changes((root / "CHANGELOG.md").read_text())
    blocks = {
        "changes": _dump(changed),
        "containsSecurityUpdates": str(any(change["kind"] == "security" for change in changed)).lower(),
        "crds": _dump(_crds(crd)),
        "crdsExamples": _dump(samples),
        "images": _dump(images(values, meta["appVersion"])),
        "license": "Apache-2.0",
        "links": _dump(_links()),
        "operator": "true",
        "operatorCapabilities": "Deep Insights",
        "prerelease": str(_is_prerelease(meta["version"])).lower(),
    }
    lines = [_annotation(f"artifacthub.io/{name}", block) for name, block in sorted(blocks.items())]
    return head + "annotations:\n" + "  # Made by `make generate`; edits here are overwritten.\n" + "".join(lines)


def images(values: dict[str, Any], app_version: str) -> list[dict[str, Any]]:
    """The images that a release with these values runs.

    Parameters
    ----------
    values
        Content of values.yaml.
    app_version
        Tag of the images where none is named.
    """
    named = {"operator": values["image"], "service": values["serviceImage"]}
    found = [
        {"name": name, "image": f"{image['repository']}:{image['tag'] or app_version}"} for name, image in named.items()
    ]
    return [*found, {"name": "redis", "image": values["redisImage"], "whitelisted": True}]


def changes(changelog: str) -> list[dict[str, str]]:
    """Entries of the newest part of the changelog, each with the kind that Artifact Hub calls it.

    Parameters
    ----------
    changelog
        Markdown: `## release`, `### kind`, and one list item a change, which may go on in indented lines.

    Raises
    ------
    ValueError
        If a kind has a heading that none of `KINDS` is.
    """
    newest = re.split(r"^## .*\n", changelog, flags=re.MULTILINE)[1]
    found: list[dict[str, str]] = []
    for part in re.split(r"^### ", newest, flags=re.MULTILINE)[1:]:
        heading, _, body = part.partition("\n")
        if heading.strip() not in KINDS:
            raise ValueError(f"CHANGELOG.md: heading '{heading.strip()}' must be one of {', '.join(KINDS)}")
        items = re.findall(r"^- (.*(?:\n  .*)*)", body, flags=re.MULTILINE)
        found += [{"kind": KINDS[heading.strip()], "description": _short(" ".join(item.split()))} for item in items]
    return found


def _short(text: str) -> str:
    """The whole sentences that fit, or else as many words as do."""
    if len(text) <= DESCRIPTION_CHARACTERS:
        return text
    cut = text[:DESCRIPTION_CHARACTERS]
    end = max(cut.rfind(". "), cut.rfind("; "), cut.rfind(": "))
    return cut[:end] + "." if end > 0 else cut[: cut.rfind(" ")] + " ..."


def _crds(crd: dict[str, Any]) -> list[dict[str, str]]:
    names = crd["spec"]["names"]
    return [
        {
            "kind": names["kind"],
            "version": version["name"],
            "name": crd["metadata"]["name"],
            "displayName": "Memory store",
            "description": "The lifelong memory of one tenant's agents: its tier, storage, models, budget and access",
        }
        for version in crd["spec"]["versions"]
    ]


def _links() -> list[dict[str, str]]:
    return [
        {"name": "source", "url": HOME},
        {"name": "documentation", "url": f"{HOME}/tree/main/docs"},
        {"name": "fields of a MemoryStore", "url": f"{HOME}/blob/main/crds/README.md"},
        {"name": "support", "url": f"{HOME}/issues"},
    ]


def _is_prerelease(version: str) -> bool:
    """Whether a version promises no stable interface: by its suffix, or by its major number."""
    return "-" in version or version.startswith("0.")


def _dump(value: Any) -> str:
    text: str = yaml.safe_dump(value, sort_keys=False, width=10_000, allow_unicode=True)
    return text


def _annotation(name: str, text: str) -> str:
    if "\n" not in text:
        return f'  {name}: "{text}"\n'
    body = "".join(f"    {line}\n" for line in text.splitlines())
    return f"  {name}: |\n{body}"
