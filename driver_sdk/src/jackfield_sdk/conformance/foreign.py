"""What the operator's own command says of things that the deployment does not own."""

from __future__ import annotations

import asyncio
import subprocess


async def output_of(command: str) -> str:
    """Return what a shell command prints; empty without a command. CalledProcessError if it fails."""
    if not command:
        return ""
    process = await asyncio.create_subprocess_shell(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    output, _ = await process.communicate()
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, command, output)
    return output.decode(errors="replace")
