"""`simplemem serve`: the entry of the container; all settings come from the environment and the mounted store."""

from __future__ import annotations

import argparse
import logging
import os

from simplemem_service.commands.server import listen, run_server
from simplemem_service.config import read_config
from simplemem_service.main import create_app
from simplemem_service.telemetry import configure_logging
from simplemem_service.tracing import describe, traced

logger = logging.getLogger(__name__)


def run(_options: argparse.Namespace) -> int:
    """Serve until stopped; the exit status."""
    config = read_config(os.environ)
    configure_logging(config.log_level, store=f"{config.store.namespace}/{config.store.name}", role=config.role)
    logger.info("starting", extra={"port": config.port})
    listening = listen(config.host, config.port)
    app = create_app(config)
    with traced(app, os.environ, describe(config)):
        return run_server(app, listening, lambda: logger.info("ready", extra={"port": config.port}))
