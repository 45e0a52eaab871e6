"""A driver whose memory cannot be used says so, and touches nothing."""

from __future__ import annotations

from arista_site import Site


async def test_a_damaged_memory_is_told_at_the_handshake(site: Site):
    """Which file, what is wrong with it and what to do; the switch is not called, and the process ends as always."""
    switch = site.fake()
    state = site.folder / "state"
    state.mkdir()
    (state / "memory.db").write_bytes(b"nobody knows what this is" * 1000)
    async with site.driver() as core:
        told = await core.handshake()

    assert f"{state / 'memory.db'} is damaged" in told.load_error
    assert "backup" in told.load_error
    assert switch.operations == []
