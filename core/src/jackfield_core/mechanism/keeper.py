"""Keeps one driver connected, at each address where it may be found."""

import asyncio

from jackfield.driver.v1 import driver_pb2

from jackfield_core import config
from jackfield_core.mechanism.endpoint import Endpoint, HealthChecks
from jackfield_core.mechanism.entry import DriverEntry
from jackfield_core.mechanism.succession import Recall, Succession, Welcome


class Keeper:
    """Keeps the driver of one entry connected."""

    def __init__(
        self,
        entry: DriverEntry,
        settings: config.Mechanism,
        introduction: driver_pb2.HandshakeRequest,
        welcome: Welcome,
        recall: Recall,
        health: HealthChecks,
    ) -> None:
        self._succession = Succession(entry, welcome, recall, settings.drain_delay)
        self._endpoints = [
            Endpoint(entry, address, settings, introduction, self._succession, health) for address in entry.endpoints
        ]

    async def run(self) -> None:
        """Keep the driver connected until cancelled."""
        try:
            await asyncio.gather(*(endpoint.run() for endpoint in self._endpoints))
        finally:
            await self._succession.stop()
