"""``python -m vm``: run in a guest the tests that this machine's kernel cannot run.

Outside they are skipped, with the reason; here they run, and their output is shown as it comes.
The status is that of pytest inside. Where no guest can boot, a line says why, and the status is 0.
``python -m vm -- COMMAND`` runs something else in the guest, to look around.
"""

import argparse
import sys

from support.kernel import lacking
from support.processes import interrupt_on_sigterm

from vm.guest import LATE, NO_STATUS
from vm.kernel import missing_requirements, unpacked_kernel
from vm.tier import run_command, run_tests

DEADLINE = 1200.0
WHY = {LATE: "no end within the deadline", NO_STATUS: "the guest ended without a result"}


def main() -> int:
    """Boot, run, and return the status."""
    parser = argparse.ArgumentParser(prog="python -m vm", description=__doc__)
    parser.add_argument("--deadline", type=float, default=DEADLINE, help=f"in seconds (default {DEADLINE:g})")
    parser.add_argument("command", nargs="*", help="instead of the tests")
    arguments = parser.parse_args()
    interrupt_on_sigterm()
    kernel = unpacked_kernel()
    if (lacks := missing_requirements()) or kernel is None:
        print(f"vm: SKIPPED, because it needs {' and '.join(lacks)}")
        return 0
    if not lacking() and not arguments.command:
        print("vm: SKIPPED, because this kernel lacks nothing: all tests have run outside")
        return 0
    print(f"vm: booting Linux {kernel.release}", flush=True)
    if arguments.command:
        status = run_command(kernel, arguments.command, deadline=arguments.deadline)
    else:
        status = run_tests(kernel, deadline=arguments.deadline)
    print(f"vm: {WHY.get(status, f'status {status}')}")
    return status


if __name__ == "__main__":
    sys.exit(main())
