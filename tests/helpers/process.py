"""A server in a process of its own."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest


@contextmanager
def serving(data: Path, *options: str) -> Iterator[str]:
    """The address of `ediffi serve` in a process of its own."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "ediffi.cli.main", "serve", "--port", str(port)]
    log = data / "server.log"
    with log.open("w") as out:
        server = subprocess.Popen(
            [*command, "--data", str(data / "jobs"), *options],
            stdout=out,
            stderr=subprocess.STDOUT,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
        )
    address = f"http://127.0.0.1:{port}"
    try:
        for _ in range(3000):
            if server.poll() is not None:
                pytest.fail(f"the server has ended: {log.read_text()[-2000:]}")
            try:
                urllib.request.urlopen(f"{address}/readyz").read()
                break
            except OSError:
                time.sleep(0.1)
        else:
            pytest.fail(f"the server is not ready after five minutes: {log.read_text()[-2000:]}")
        yield address
    finally:
        server.terminate()
        server.wait(30)
