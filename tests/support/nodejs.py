"""The driver in Node.js as a process of a test.

It is installed by ``tools/node``. Without it tests are skipped on a developer's machine and fail
in CI, where a skip would hide that nobody has tested it.
"""

import os
import shutil
from pathlib import Path

import pytest

from support.processes import Process, accepts

EXAMPLE = Path(__file__).resolve().parents[2] / "driver_sdk/examples/nodejs"


def missing() -> str:
    """Return why the driver cannot run here, or an empty string."""
    if shutil.which("node") is None:
        return "Node.js is not installed: run tools/node"
    if not (EXAMPLE / "node_modules/@grpc/grpc-js").is_dir():
        return "the packages of the driver in Node.js are not installed: run tools/node"
    return ""


def require() -> None:
    """Skip the test if the driver cannot run here; in CI that is a failure."""
    if not (why := missing()):
        return
    if os.environ.get("CI"):
        pytest.fail(why)
    pytest.skip(why)


def driver(socket: Path, *options: str, log: Path, name: str = "nodejs") -> Process:
    """Describe a driver process on *socket*, not started yet."""
    command: list[str | Path] = [
        "node",
        EXAMPLE / "src/main.js",
        "--name",
        name,
        "--listen",
        f"unix://{socket}",
        *options,
    ]
    return Process(name, command, log=log, ready=accepts(socket))
