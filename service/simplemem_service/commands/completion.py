"""`simplemem completion`: the script that makes a shell complete commands and options."""

from __future__ import annotations

import argparse

from argcomplete.shell_integration import shellcode

from simplemem_api import exits


def run(options: argparse.Namespace) -> int:
    """Print the script; exit status 0."""
    print(shellcode(["simplemem"], shell=options.shell))  # noqa: T201 - a command speaks to its user
    return exits.DONE
