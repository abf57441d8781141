"""Checksums of a folder, and signatures that OpenSSH makes and checks.

An SSH key is what maintainers have for their commits already, and ``ssh-keygen`` is on every machine, offline too. A
signature says that the holder of the key signed this file for this purpose; it says nothing of when, since no
transparency log is asked. To check one, with the maintainers' public keys in ``allowed_signers``::

    ssh-keygen -Y verify -f allowed_signers -I release@simplemem.io -n file -s SHA256SUMS.sig < SHA256SUMS
    sha256sum --check SHA256SUMS
"""

import hashlib
from pathlib import Path

from tests.harness.errors import HarnessError
from tests.harness.steps import run

SUMS = "SHA256SUMS"
"""Name of the file with the checksums."""

SIGNER = "release@simplemem.io"
"""Who signs, as a file of allowed signers names the holder of the key."""

NAMESPACE = "file"
"""Purpose of a signature: OpenSSH's own word for files, so that a signature of a commit cannot be passed off as one."""


def write_checksums(folder: Path) -> Path:
    """File with the SHA-256 of every file of a folder, in the form that ``sha256sum --check`` reads."""
    files = sorted(path for path in folder.iterdir() if path.name != SUMS and path.suffix != ".sig")
    lines = []
    for path in files:
        with path.open("rb") as file:
            lines.append(f"{hashlib.file_digest(file, 'sha256').hexdigest()}  {path.name}\n")
    sums = folder / SUMS
    sums.write_text("".join(lines))
    return sums


def sign(file: Path, key: Path) -> Path:
    """Signature of a file, beside it with the suffix ``.sig``.

    Parameters
    ----------
    file
        What is signed.
    key
        Private SSH key; a passphrase is asked for by OpenSSH itself, or by its agent.

    Raises
    ------
    HarnessError
        If OpenSSH refuses the key.
    """
    signature = file.with_name(f"{file.name}.sig")
    signature.unlink(missing_ok=True)
    run(["ssh-keygen", "-Y", "sign", "-f", key, "-n", NAMESPACE, file])
    return signature


def is_signed(file: Path, allowed_signers: Path) -> bool:
    """Whether the signature beside a file is of an allowed signer and of this content."""
    signature = file.with_name(f"{file.name}.sig")
    words: list[str | Path] = [
        "ssh-keygen",
        "-Y",
        "verify",
        "-f",
        allowed_signers,
        "-I",
        SIGNER,
        "-n",
        NAMESPACE,
        "-s",
        signature,
    ]
    try:
        run(words, stdin=file.read_bytes())
    except HarnessError:
        return False
    return True
