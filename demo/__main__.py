"""Tell the story where it can be told, and end with a status that says whether it was true."""

import sys
import time

from e2e.lab.commands import CommandFailed
from e2e.lab.lab import missing_requirements
from support.processes import ProcessFailed, interrupt_on_sigterm

from demo.narrator import Narrator, Untrue
from demo.site import LoopbackSite, OpenVSwitchSite, Site
from demo.story import Story

LOG_TAIL_LINES = 15


def main() -> int:
    """Run the demo; return its exit status."""
    interrupt_on_sigterm()
    started = time.monotonic()
    narrator = Narrator()
    lacks = missing_requirements()
    site = _site(narrator, lacks)
    try:
        Story(narrator, site).tell()
    except (Untrue, CommandFailed, ProcessFailed, TimeoutError) as error:
        print(f"{_ends_of_logs(site)}\nThe demo failed: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nInterrupted.", file=sys.stderr)
        return 130
    finally:
        site.remove()
    seconds = time.monotonic() - started
    print()
    narrator.say(f"Done: {narrator.claims} claims checked in {seconds:.0f} s; everything is removed again.")
    if lacks:
        narrator.say(_left_out(lacks))
    return 0


def _site(narrator: Narrator, lacks: list[str]) -> Site:
    if lacks:
        narrator.say(_left_out(lacks))
        return LoopbackSite(narrator)
    narrator.say("Jackfield: two hosts with a real Open vSwitch each, in two racks, and the real openstack client.")
    return OpenVSwitchSite(narrator)


def _ends_of_logs(site: Site) -> str:
    """Return what the processes said last, where the reason of a failure is."""
    tails = []
    for path in sorted(site.run_directory.rglob("*.log")):
        last = path.read_text(errors="replace").splitlines()[-LOG_TAIL_LINES:]
        tails.append("\n".join(["", f"{path.relative_to(site.run_directory)}:", *last]))
    return "\n".join(tails)


def _left_out(lacks: list[str]) -> str:
    missing = " and ".join(lacks)
    return (
        f"This machine lacks {missing}: the story is told with the loopback driver, and leaves out the hosts, "
        "their switches and agents, the machines and their pings."
    )


if __name__ == "__main__":
    sys.exit(main())
