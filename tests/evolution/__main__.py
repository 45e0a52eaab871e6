"""Record the drivers of today, or show a recording."""

import asyncio
import sys
import tempfile
from importlib import metadata
from pathlib import Path

from google.protobuf.text_format import MessageToString

from evolution import meaning, recording
from evolution.recording import FOLDER, MESSAGES
from evolution.relay import Relay
from evolution.site import Site
from evolution.story import tell
from evolution.subjects import SUBJECTS, Subject


async def record(subject: Subject) -> Path:
    """Tell the story to a core and a driver of today, and keep what they say to each other."""
    with tempfile.TemporaryDirectory(prefix="jfrec-", dir="/tmp") as folder:
        driver, relay = Path(folder, "driver.sock"), Path(folder, "relay.sock")
        with subject.process(driver, Path(folder, "driver.log")):
            async with Relay(relay, driver) as recorder, Site(subject.name, relay) as site:
                end = await tell(subject, site)
    path = FOLDER / metadata.version("jackfield-sdk") / f"{subject.name}.jsonl"
    names = meaning.Names()
    sayings = [meaning.saying(names, exchange) for exchange in recorder.exchanges]
    recording.save(path, recorder.exchanges, sayings, end)
    return path


def show(path: Path) -> None:
    """Print a recording as text."""
    for exchange in recording.load(path).exchanges:
        print(f"── {exchange.rpc}\n{MessageToString(exchange.asked)}→")
        for response in exchange.responses:
            print(MessageToString(MESSAGES[exchange.rpc][1].FromString(response)))


def main(arguments: list[str]) -> int:
    """Run the command."""
    match arguments:
        case ["record", *names]:
            for name in names or SUBJECTS:
                path = asyncio.run(record(SUBJECTS[name]))
                print(f"{path}: {path.stat().st_size} bytes")
        case ["show", path]:
            show(Path(path))
        case _:
            print("python -m evolution record [DRIVER …] | show FILE", file=sys.stderr)
            return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
