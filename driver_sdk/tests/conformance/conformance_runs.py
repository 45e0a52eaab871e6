"""What the tests of the suite share: the command run against a driver, and drivers with defects to run it against."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).parent

ENVIRONMENT = os.environ | {"PYTHONPATH": f"{HERE}{os.pathsep}{os.environ.get('PYTHONPATH', '')}"}


@dataclass(frozen=True)
class Judged:
    """What one run of the command came to."""

    code: int
    output: str
    report: dict

    def rules(self, status: str) -> set[str]:
        """Return the ids of the rules that have an outcome of this status."""
        return {case["rule"] for case in self.report["cases"] if case["status"] == status}


def judge_in(folder: Path, *arguments: str) -> Judged:
    """Run `jackfield-conformance` in a folder, and read its report."""
    report = folder / "report.json"
    report.unlink(missing_ok=True)
    command = [sys.executable, "-m", "jackfield_sdk.conformance", "--json", str(report), *arguments]
    ended = subprocess.run(command, capture_output=True, text=True, cwd=folder, env=ENVIRONMENT, timeout=110)
    written = json.loads(report.read_text()) if report.exists() else {"cases": []}
    return Judged(ended.returncode, ended.stdout + ended.stderr, written)


@contextmanager
def planted_drivers(names: Sequence[str]) -> Iterator[dict[str, str]]:
    """Serve drivers with these defects in one process; their addresses by name."""
    with tempfile.TemporaryDirectory(prefix="planted-") as folder:
        told = {name: f"unix://{folder}/{number}.sock" for number, name in enumerate(names)}
        command = [sys.executable, "-m", "planted", *[word for pair in told.items() for word in pair]]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=ENVIRONMENT)
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
            yield told
        finally:
            process.terminate()
            process.wait(timeout=20)
            process.stdout.close()
