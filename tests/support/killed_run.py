"""A test that never ends; `test_reaper` runs it by name, and kills the run.

By then it has one of everything that could be left behind. What it has is told in the file that
the variable `TOLD` names.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from support import reaper
from support.hosts import Namespace
from support.postgres import PostgresServer
from support.processes import Process, logs

TOLD = "JFTEST_TOLD"
# A process in a session of its own that has started one more.
PARENT = """
import subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], start_new_session=True)
print("started", child.pid, flush=True)
time.sleep(600)
"""


def test_never_ends(postgres: PostgresServer) -> None:
    """Have a process with a child, a server, a folder, and a namespace where one can be made."""
    folder = Path(tempfile.mkdtemp(prefix=reaper.owned("killed"), dir="/tmp"))
    parent = Process("parent", [sys.executable, "-c", PARENT], log=folder / "log", ready=logs("started")).start()
    plain = subprocess.Popen(["sleep", "600"])
    child, server = parent.output().split()[-1], (postgres.directory / "data" / "postmaster.pid").read_text()
    namespaces = [Namespace(f"{reaper.owned('killed')}one").name] if os.geteuid() == 0 else []
    told = {
        "processes": [parent.pid, plain.pid, int(child), int(server.split()[0])],
        "folders": [str(folder), str(postgres.directory)],
        "namespaces": namespaces,
        "reaper": reaper.process_id(),
    }
    # Whoever reads the file reads all of it.
    (folder / "told").write_text(json.dumps(told))
    (folder / "told").rename(os.environ[TOLD])
    time.sleep(600)
