"""A process that has imported the suite, and runs it in a child of its own for each line that it reads.

Importing costs more than most runs, and thirty drivers with defects are judged. A line is a JSON
object: the arguments of the command, the folder to run in, and the file for the output. The answer
is the exit code. gRPC minds a fork once it has threads; here it has only been imported.
"""

from __future__ import annotations

import json
import os
import sys
from typing import NoReturn

from jackfield_sdk.conformance import display, plugin
from jackfield_sdk.conformance.cli import main
from jackfield_sdk.conformance.rulebook import all_rules


def run(arguments: list[str], folder: str, output: str) -> NoReturn:
    """Be the command, and end."""
    os.chdir(folder)
    with open(output, "wb") as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
    sys.argv = ["jackfield-conformance", *arguments]
    code = 2
    try:
        main()
    except SystemExit as end:
        code = int(end.code or 0)
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


assert all_rules()
assert display.RUN is plugin.RUN
for line in sys.stdin:
    order = json.loads(line)
    if (child := os.fork()) == 0:
        run(**order)
    _, status = os.waitpid(child, 0)
    print(os.waitstatus_to_exitcode(status), flush=True)
