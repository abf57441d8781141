"""Images of a few programs, written without any image tool.

Such an image is one layer and a few lines of JSON, laid out as the OCI image format says; ``ctr images import`` reads
it. That spares a node the minutes that a base image takes.
"""

import hashlib
import io
import json
import platform
import tarfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.harness.errors import HarnessError
from tests.harness.paths import cache_dir

_OCI = "application/vnd.oci.image"

ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}
"""What OCI calls the machines that Python names."""


def program_image(name: str, program: Path, links: tuple[str, ...] = ()) -> tuple[str, Path]:
    """Reference and archive of an image that holds one static program and ``/tmp``.

    Parameters
    ----------
    name
        Name of the image and of the program in it, which is its entry point.
    program
        The program's file.
    links
        Further names in ``/bin`` under which the program can be called, as busybox is.
    """
    key = hashlib.sha256(program.read_bytes() + repr((name, links)).encode()).hexdigest()[:16]
    reference = f"localhost/harness/{name}:{key}"
    archive = cache_dir("images") / f"harness-{name}-{key}.tar"
    if not archive.exists():
        partial = archive.with_suffix(".partial")
        inside = f"/{name}"
        _write_archive(partial, reference, _layer({inside: program}, dict.fromkeys(links, inside)), [inside])
        partial.rename(archive)
    return reference, archive


def image_of_files(name: str, files: Mapping[str, Path]) -> tuple[str, Path]:
    """Reference and archive of an image that holds some files and ``/tmp``; it has no entry point.

    Parameters
    ----------
    name
        Name of the image.
    files
        The file for each absolute path in the image; all of them may be run.
    """
    digest = hashlib.sha256()
    for inside, path in sorted(files.items()):
        digest.update(inside.encode() + b"\0" + path.read_bytes() + b"\0")
    key = digest.hexdigest()[:16]
    reference = f"localhost/harness/{name}:{key}"
    archive = cache_dir("images") / f"harness-{name}-{key}.tar"
    if not archive.exists():
        partial = archive.with_suffix(".partial")
        _write_archive(partial, reference, _layer(files, {}), [])
        partial.rename(archive)
    return reference, archive


def rename_archive(source: Path, target: Path, reference: str) -> None:
    """Copy an OCI archive of one image under another name; its digest stays.

    Parameters
    ----------
    source, target
        The archive, and its copy.
    reference
        Name of the image in the copy.

    Raises
    ------
    HarnessError
        If the archive holds more than one image.
    """
    partial = target.with_suffix(".partial")
    with tarfile.open(source) as old, tarfile.open(partial, "w") as new:
        for info in old:
            file = old.extractfile(info) if info.isfile() else None
            if info.name == "index.json" and file is not None:
                data = _renamed_index(json.load(file), source, reference)
                info.size, file = len(data), io.BytesIO(data)
            new.addfile(info, file)
    partial.rename(target)


def _renamed_index(index: dict[str, Any], source: Path, reference: str) -> bytes:
    if len(index["manifests"]) != 1:
        raise HarnessError(f"'{source}' holds {len(index['manifests'])} images; it must be one")
    # The second is what `ctr images import` reads, the first what all others do.
    names = dict.fromkeys(("org.opencontainers.image.ref.name", "io.containerd.image.name"), reference)
    index["manifests"][0]["annotations"] = names
    return _json(index)


def _layer(files: Mapping[str, Path], links: Mapping[str, str]) -> bytes:
    """A tar archive of the files by their paths, and of links in ``/bin`` by their names."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for folder, mode in (("tmp", 0o1777), ("bin", 0o755)):
            info = tarfile.TarInfo(folder)
            info.type, info.mode = tarfile.DIRTYPE, mode
            tar.addfile(info)
        for inside, path in files.items():
            info = tarfile.TarInfo(inside.lstrip("/"))
            info.mode, info.size = 0o755, path.stat().st_size
            with path.open("rb") as file:
                tar.addfile(info, file)
        for link, target in links.items():
            info = tarfile.TarInfo(f"bin/{link}")
            info.type, info.linkname = tarfile.SYMTYPE, target
            tar.addfile(info)
    return buffer.getvalue()


def _write_archive(path: Path, reference: str, layer: bytes, entrypoint: list[str]) -> None:
    machine = ARCHITECTURES.get(platform.machine(), platform.machine())
    config = {
        "architecture": machine,
        "os": "linux",
        "config": {"Entrypoint": entrypoint, "Env": ["PATH=/bin"]},
        "rootfs": {"type": "layers", "diff_ids": [_digest(layer)]},
    }
    blobs = [layer, _json(config)]
    manifest = {
        "schemaVersion": 2,
        "mediaType": f"{_OCI}.manifest.v1+json",
        "config": _descriptor(blobs[1], f"{_OCI}.config.v1+json"),
        "layers": [_descriptor(layer, f"{_OCI}.layer.v1.tar")],
    }
    blobs.append(_json(manifest))
    named = {
        **_descriptor(blobs[2], f"{_OCI}.manifest.v1+json"),
        "annotations": {"io.containerd.image.name": reference},
        "platform": {"architecture": machine, "os": "linux"},
    }
    files = {f"blobs/sha256/{hashlib.sha256(blob).hexdigest()}": blob for blob in blobs}
    files["index.json"] = _json({"schemaVersion": 2, "manifests": [named]})
    files["oci-layout"] = _json({"imageLayoutVersion": "1.0.0"})
    with tarfile.open(path, "w") as tar:
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))


def _json(value: Any) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()


def _digest(blob: bytes) -> str:
    return f"sha256:{hashlib.sha256(blob).hexdigest()}"


def _descriptor(blob: bytes, media_type: str) -> dict[str, Any]:
    return {"mediaType": media_type, "digest": _digest(blob), "size": len(blob)}
