"""A ping every 10 ms, to tell whether anybody noticed."""

import re
import signal
import subprocess
import tempfile
from typing import Self

from support.waiting import wait_until


class Pings:
    """A ping every 10 ms from a namespace to an address, until somebody asks what was lost; a context manager."""

    def __init__(self, namespace: str, address: str) -> None:
        # A file rather than a pipe: ping stops when nobody reads.
        self._output = tempfile.TemporaryFile("w+")  # noqa: SIM115 - closed by close()
        argv = ["ip", "netns", "exec", namespace, "ping", "-n", "-W", "5", "-i", "0.01", address]
        self._process = subprocess.Popen(argv, stdout=self._output, stderr=subprocess.STDOUT, text=True)
        self._wait_for_answers(3)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def lost(self) -> int:
        """End after some more answers, and return how many pings before the last answer nobody answered."""
        self._wait_for_answers(self._answers() + 3)
        self._process.send_signal(signal.SIGINT)
        self._process.wait(60)
        self._output.seek(0)
        output = self._output.read()
        answered = {int(number) for number in re.findall(r"icmp_seq=(\d+) ttl", output)}
        assert answered, output
        # Answers to the last ones may have been under way.
        return max(answered) - len(answered)

    def close(self) -> None:
        """End, whatever was lost."""
        self._process.kill()
        self._process.wait()
        self._output.close()

    def _wait_for_answers(self, count: int) -> None:
        wait_until(lambda: self._answers() >= count, what=f"{count} answers to pings", timeout=60)

    def _answers(self) -> int:
        with open(f"/proc/self/fd/{self._output.fileno()}") as output:
            return output.read().count("bytes from")
