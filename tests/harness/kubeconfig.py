"""Kubeconfig files, with all data inside so that they can be copied anywhere."""

import base64
import json
from pathlib import Path


def write_kubeconfig(path: Path, server: str, ca: Path, token: str) -> Path:
    """The path given, holding a kubeconfig (JSON is YAML) that its owner alone may read.

    Parameters
    ----------
    path
        File to write.
    server
        Address of the API server, with scheme and port.
    ca
        Certificate of the authority that signed the server's.
    token
        Bearer token of the user.
    """
    authority = base64.b64encode(ca.read_bytes()).decode()
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "harness", "cluster": {"server": server, "certificate-authority-data": authority}}],
        "users": [{"name": "harness", "user": {"token": token}}],
        "contexts": [{"name": "harness", "context": {"cluster": "harness", "user": "harness"}}],
        "current-context": "harness",
    }
    path.touch(mode=0o600)
    path.write_text(json.dumps(config, indent=1))
    return path
