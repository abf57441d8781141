"""All benchmarks of a suite one after the other into one file of JSON lines.

    .venv/service/bin/python benchmarks/run.py [engine|operator] [--full] [--figures FILE] [--publish]

`make bench` runs the engine's, `make bench FULL=1 PUBLISH=1` with what takes longer and into the docs, `make bench
SUITE=operator` the operator's. Each step runs alone; says on standard error what runs, for how long to wait, and what
failed. The first line of the file says when, where and of which commit the figures were taken. With `--publish` the
lines, the tables and the plots of docs/ are written anew. Exit status 1 if a step failed; the others have run all the
same.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT)]

from benchmarks.environment import peers_python  # noqa: E402
from benchmarks.locomo import locomo_path  # noqa: E402
from benchmarks.summary import marks, read_lines, render, write_between_marks  # noqa: E402

FIGURES = ROOT / ".simplemem"
"""Folder of the lines unless told otherwise."""
PAGE = ROOT / "docs" / "benchmarks.md"
IMAGES = ROOT / "docs" / "images"
ENGINE_PLOTS = {
    "recall.svg": "Evidence found on LoCoMo by SimpleMem and four other engines, at 5, 10 and 20 results",
    "latency.svg": "Time of a search over HTTP by the entries in the store",
    "speed.svg": "Turns remembered a second and median time of a search, by engine",
}
QUIET = 0.3
"""Load of the machine below which it counts as at rest."""


@dataclass(frozen=True, slots=True)
class Step:
    """One benchmark."""

    command: str
    """Its file and arguments."""
    minutes: float
    """How long it takes on two cores at rest, about."""
    is_long: bool = False
    """Whether only a full run has it."""
    needs_locomo: bool = False
    """Whether it is left out where LoCoMo's development split is not there."""


@dataclass(frozen=True, slots=True)
class Suite:
    """Benchmarks that are published together."""

    steps: tuple[Step, ...]
    """In their order."""
    published: Path
    """The lines that its part of the page and its plots are made of."""
    marks: tuple[str, str]
    """Between which its part of the page stands."""
    plots: Mapping[str, str]
    """What each plot shows, for those who cannot see it."""


ENGINE_STEPS = (
    Step("recall.py", 1.5, needs_locomo=True),
    Step("storage.py", 1),
    Step("service.py", 3),
    Step("service.py --entries 100000 --prepared", 3),
    Step("service.py --entries 1000000 --prepared", 15, is_long=True),
    Step("small_batches.py", 17, is_long=True),
    Step("peers.py", 5, needs_locomo=True),
    Step("ablation.py", 5, is_long=True, needs_locomo=True),
    Step("durability.py", 25, is_long=True),
)
"""Speed first, as long as the machine is cool and its disk's caches are its own."""
SUITES = {
    "engine": Suite(ENGINE_STEPS, ROOT / "docs" / "figures.jsonl", marks("figures"), ENGINE_PLOTS),
    "operator": Suite(
        (Step("operator_scale.py", 20),), ROOT / "docs" / "operator-figures.jsonl", marks("figures of the operator"), {}
    ),
}


def describe_machine(*, is_full: bool) -> dict[str, object]:
    """When, where and of what the figures of a run are."""
    git = ["git", "-C", str(ROOT)]
    commit = subprocess.run([*git, "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False)
    changed = subprocess.run([*git, "diff", "--quiet", "HEAD"], check=False, capture_output=True)
    processors = [line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")]
    return {
        "date": datetime.now(UTC).strftime("%Y-%m-%d"),
        "commit": commit.stdout.strip() or "unknown",
        "is_changed": changed.returncode != 0,
        "is_full": is_full,
        "cores": os.cpu_count(),
        "processor": processors[0].partition(": ")[2] if processors else "unknown",
        "memory_gb": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30),
        "load": round(os.getloadavg()[0], 2),
    }


def run(step: Step, figures: Path) -> bool:
    """Run one step, its lines into the file; whether it succeeded."""
    name, *arguments = step.command.split()
    started = time.monotonic()
    with figures.open("a") as lines:
        done = subprocess.run(
            [sys.executable, str(ROOT / "benchmarks" / name), *arguments], cwd=ROOT, stdout=lines, check=False
        )
        seconds = time.monotonic() - started
        took = {"name": "duration", "value": round(seconds, 1), "unit": "s", "conditions": {"of": step.command}}
        print(json.dumps(took), file=lines)
    say(f"      {'done' if done.returncode == 0 else f'FAILED with status {done.returncode}'} after {seconds:.0f} s")
    return done.returncode == 0


def publish(suite: Suite, figures: Path) -> None:
    """Write the lines, the tables and the plots of the docs."""
    suite.published.write_text("".join(f"{json.dumps(line)}\n" for line in read_lines([figures])))
    if suite.plots:
        IMAGES.mkdir(exist_ok=True)
        plots = [str(peers_python()), str(ROOT / "benchmarks" / "plots.py"), str(suite.published), str(IMAGES)]
        subprocess.run(plots, check=True)
    shown = [f"![{about}](images/{name})" for name, about in suite.plots.items() if (IMAGES / name).is_file()]
    write_between_marks(PAGE, suite.marks, "\n\n".join([*shown, render(read_lines([suite.published]))]))


def say(text: str) -> None:
    """Tell the one who waits."""
    print(text, file=sys.stderr, flush=True)


def main() -> None:
    """Run the steps in their order."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("suite", nargs="?", choices=SUITES, default="engine", help="default: engine")
    parser.add_argument("--full", action="store_true", help="with what takes longer")
    parser.add_argument("--figures", type=Path, help="file of JSON lines (default .simplemem/SUITE-figures.jsonl)")
    parser.add_argument("--publish", action="store_true", help="write the docs' figures anew")
    options = parser.parse_args()
    suite = SUITES[options.suite]
    figures = options.figures or FIGURES / f"{options.suite}-figures.jsonl"
    has_locomo = locomo_path().is_file()
    steps = [
        step for step in suite.steps if (options.full or not step.is_long) and (has_locomo or not step.needs_locomo)
    ]
    if suite.plots:
        # Made before anything is measured, since installing it keeps both cores busy.
        peers_python()
    machine = describe_machine(is_full=options.full)
    if os.getloadavg()[0] > QUIET:
        say(f"The machine is not at rest (load {machine['load']}): figures of speed will be worse than they should be.")
    if not has_locomo and any(step.needs_locomo for step in suite.steps):
        say("LoCoMo's development split is not there (LOCOMO_PATH): recall and peers are left out.")
    figures.parent.mkdir(parents=True, exist_ok=True)
    figures.write_text(json.dumps({"run": machine}) + "\n")
    say(f"{len(steps)} benchmarks, about {sum(step.minutes for step in steps):.0f} minutes, into {figures}")
    failed = []
    for number, step in enumerate(steps, start=1):
        say(f"[{number}/{len(steps)}] {step.command} (about {step.minutes:g} min)")
        if not run(step, figures):
            failed.append(step.command)
    if options.publish:
        publish(suite, figures)
    else:
        print(render(read_lines([figures])))
    if failed:
        raise SystemExit(f"failed: {', '.join(failed)}")


if __name__ == "__main__":
    main()
