"""The token of a compute service is waited for, and shown to nobody."""

from pathlib import Path
from typing import Any

import pytest

Site, Compute = Any, Any


async def test_a_token_that_cannot_be_read_is_shown_and_mended(site: Site, compute: Compute, tmp_path: Path) -> None:
    """Nothing is sent without the token that should be there, and a file that appears later is enough."""
    token = tmp_path / "token"
    port = await site.port(await site.network())
    await site.raise_(port)
    await site.tell(compute, token_file=token)
    row = await site.until(port, reason="no_token")
    assert str(token) in row.message
    assert compute.requests == []

    token.write_text("secret")
    await site.until_told()

    assert compute.tokens == ["secret"]


async def test_a_token_is_in_no_reason_and_no_log(
    site: Site, compute: Compute, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """A compute service that quotes the token does not bring it into the ledger, nor into the log."""
    token = tmp_path / "token"
    token.write_text("hush-hush")
    port = await site.port(await site.network())
    compute.behave = lambda _events: (500, {"computeFault": {"message": "bad token hush-hush"}})
    await site.raise_(port)
    await site.tell(compute, token_file=token)

    row = await site.until(port, reason="http_500")
    written = "".join(capfd.readouterr())

    assert "bad token [token]" in row.message
    assert "notifier.no_answer" in written
    assert "hush-hush" not in written
