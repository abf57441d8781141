"""`simplemem serve`: the entry of the container; all settings come from the environment and the mounted store."""

from __future__ import annotations

import argparse
import logging
import os

from simplemem_service.commands.server import listen, run_server
from simplemem_service.config import read_config
from simplemem_service.main import create_app
from simplemem_service.telemetry import configure_logging

logger = logging.getLogger(__name__)


def run(_options: argparse.Namespace) -> int:
    """Serve until stopped; the exit status."""
    config = read_config(os.environ)
    configure_logging(config.log_level)
    fields = {"store": f"{config.store.namespace}/{config.store.name}", "role": config.role, "port": config.port}
    logger.info("starting", extra=fields)
    listening = listen(config.host, config.port)
    return run_server(create_app(config), listening, lambda: logger.info("ready", extra=fields))
