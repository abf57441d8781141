"""Keeps a package that LanceDB reaches into from loading all of itself.

LanceDB takes data classes from the client of a REST catalogue of tables (lance-namespace-urllib3-client 0.13). That
package's own `__init__` imports every call of the client too, each of which builds validators: half of the time that
`import lancedb` takes, and 13 MB, for calls that nobody makes here.
"""

from __future__ import annotations

import sys
from importlib import import_module
from importlib.util import find_spec
from types import ModuleType
from typing import Any

CATALOGUE_CLIENT = "lance_namespace_urllib3_client"


class _Shell(ModuleType):
    """A package whose modules can be imported, and whose `__init__` runs once something of its own is asked for."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") or self.__spec__ is None or self.__spec__.loader is None:
            raise AttributeError(name)
        module = f"{self.__name__}.{name}"
        if find_spec(module) is not None:
            return import_module(module)
        self.__class__ = ModuleType  # type: ignore[assignment]
        self.__spec__.loader.exec_module(self)
        return getattr(self, name)


def defer(package: str) -> None:
    """Have the `__init__` of a package wait until it is needed; nothing happens where it has run, or there is none."""
    if package in sys.modules:
        return
    spec = find_spec(package)
    if spec is None or spec.submodule_search_locations is None:
        return
    shell = _Shell(package)
    shell.__spec__, shell.__path__ = spec, spec.submodule_search_locations
    shell.__loader__, shell.__file__, shell.__package__ = spec.loader, spec.origin, package
    sys.modules[package] = shell
