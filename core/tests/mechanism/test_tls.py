"""Over TCP the core and a driver prove who they are, and whoever cannot is told of in words."""

import asyncio
import contextlib
import shutil
from collections.abc import AsyncIterator, Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography.x509.oid import ExtendedKeyUsageOID
from jackfield_core import config
from jackfield_core.mechanism.endpoint import HealthChecks
from jackfield_core.mechanism.entry import Condition, DriverEntry
from jackfield_core.mechanism.handshake import introduction
from jackfield_core.mechanism.look import look
from jackfield_core.mechanism.registry import Registry
from jackfield_sdk import MechanismDriver, ServerSettings, start_server
from support.certificates import Authority, Identity
from support.ports import reserve_port

YESTERDAY = timedelta(days=-1)


class Fabric(MechanismDriver):
    name = "fabric"


class Site:
    """A driver and a core, with the files that each is started with; a test spoils one of them and mends it."""

    def __init__(self, folder: Path, stack: contextlib.AsyncExitStack, port: int) -> None:
        self.folder = folder
        self.authority = Authority(folder / "ours")
        self.strangers = Authority(folder / "theirs", "strangers")
        self.driver = self.authority.certify("driver")
        self.core = self.authority.certify("core")
        self.endpoint = f"127.0.0.1:{port}"
        self._stack = stack
        self._server: Any = None

    @property
    def tls(self) -> dict[str, Any]:
        """The settings of a driver that the core trusts."""
        return {"tls_ca": self.authority.file}

    @property
    def mutual_tls(self) -> dict[str, Any]:
        """The settings of a driver that also asks who calls."""
        return {**self.tls, "tls_certificate": self.core.certificate, "tls_key": self.core.key}

    async def serve(self, *, identity: Identity | None = None, ca: Path | None = None, plain: bool = False) -> None:
        """Start the driver, instead of the one that runs if there is one."""
        await self.stop()
        shown = identity or self.driver
        files = {} if plain else {"tls_certificate": shown.certificate, "tls_key": shown.key, "tls_ca": ca}
        self._server = await start_server(Fabric(), ServerSettings(listen=self.endpoint, drain_grace=0, **files))

    async def stop(self) -> None:
        """Stop the driver, if it runs."""
        if self._server is not None:
            await self._server.stop()
        self._server = None

    async def call(self, **tls: Any) -> DriverEntry:
        """Start a core that calls the driver with these settings."""
        settings = config.Settings(
            mechanism=config.Mechanism(reconnect_interval=0.05, handshake_timeout=10),
            drivers=[config.Driver(name="fabric", endpoint=self.endpoint, **tls)],
        )
        registry = Registry(settings, health=HealthChecks(0.1, timeout=10))
        await registry.start()
        self._stack.push_async_callback(registry.stop)
        return registry.entry("fabric")

    async def until(self, entry: DriverEntry, reason: str) -> None:
        """Wait until the core says *reason* of the driver; nothing if it can be called."""
        async with asyncio.timeout(60):
            while entry.reason != reason or entry.is_ready == bool(reason):
                await asyncio.sleep(0.01)


@pytest.fixture
def port() -> Iterator[int]:
    """Return a port that is the test's as long as it runs."""
    with reserve_port() as keeper:
        yield keeper.getsockname()[1]


@pytest.fixture
async def site(tmp_path: Path, port: int) -> AsyncIterator[Site]:
    """Return a site with nothing started yet."""
    async with contextlib.AsyncExitStack() as stack:
        site = Site(tmp_path, stack, port)
        stack.push_async_callback(site.stop)
        yield site


async def test_driver_is_called_over_tls(site: Site) -> None:
    """A driver that the authority has signed is believed."""
    await site.serve()

    entry = await site.call(**site.tls)

    await site.until(entry, "")
    assert entry.condition is Condition.READY


async def test_core_proves_itself_to_a_driver_that_asks(site: Site) -> None:
    """With mutual TLS both show a certificate of an authority that the other trusts."""
    await site.serve(ca=site.authority.file)

    await site.until(await site.call(**site.mutual_tls), "")


async def test_certificate_may_have_another_name_than_the_address(site: Site) -> None:
    """The name that the certificate must have can be told."""
    await site.serve(identity=site.authority.certify("named", ["fabric.example"]))

    await site.until(await site.call(**site.tls, tls_server_name="fabric.example"), "")


async def test_stranger_in_the_place_of_the_driver_is_not_believed(site: Site) -> None:
    """The reason names the file, and once that names the right authority the driver is called."""
    await site.serve(identity=site.strangers.certify("driver"))
    entry = await site.call(**site.tls)
    file = site.authority.file
    await site.until(entry, f'its certificate is not signed by tls_ca "{file}": unable to get local issuer certificate')

    site.authority.replace(site.strangers)

    await site.until(entry, "")


async def test_expired_certificate_of_the_driver_is_told_of(site: Site) -> None:
    """The driver puts a newer one in its place, and nobody is restarted."""
    expired = site.authority.certify("expired", valid_for=YESTERDAY)
    await site.serve(identity=expired)
    entry = await site.call(**site.tls)
    await site.until(entry, "its certificate is out of date: certificate has expired")

    expired.replace(site.driver)

    await site.until(entry, "")


async def test_certificate_for_another_name_is_told_of(site: Site) -> None:
    """The reason says for which name it would have to be valid."""
    elsewhere = site.authority.certify("elsewhere", ["elsewhere.example"])
    await site.serve(identity=elsewhere)
    entry = await site.call(**site.tls)
    await site.until(entry, 'its certificate is not valid for "127.0.0.1"; tls_server_name can name another one')

    elsewhere.replace(site.driver)

    await site.until(entry, "")


async def test_certificate_for_clients_is_not_one_of_a_driver(site: Site) -> None:
    """A certificate may be for one side only, and OpenSSL's words for it are passed on."""
    shown = site.authority.certify("shown", usage=ExtendedKeyUsageOID.CLIENT_AUTH)
    await site.serve(identity=shown)
    entry = await site.call(**site.tls)
    await eventually(lambda: entry.reason.startswith("its certificate is not accepted: "))

    shown.replace(site.driver)

    await site.until(entry, "")


async def test_driver_that_wants_a_certificate_is_told_of(site: Site) -> None:
    """Such a driver only hangs up, and that is interpreted."""
    await site.serve(ca=site.authority.file)
    entry = await site.call(**site.tls)
    await site.until(
        entry, "it ends the connection after the TLS handshake: it probably wants a tls_certificate of the core"
    )

    await site.serve()

    await site.until(entry, "")


async def test_driver_that_does_not_accept_the_core_is_told_of(site: Site) -> None:
    """The reason names the certificate that was shown."""
    site.core.replace(site.strangers.certify("core"))
    await site.serve(ca=site.authority.file)
    entry = await site.call(**site.mutual_tls)
    shown = f'does not accept tls_certificate "{site.core.certificate}"'
    await site.until(entry, f"it ends the connection after the TLS handshake: it probably {shown}")

    site.core.replace(site.authority.certify("renewed"))

    await site.until(entry, "")


async def test_own_certificate_that_has_expired_is_told_of(site: Site) -> None:
    """The core looks at its own files before it suspects the driver."""
    site.core.replace(site.authority.certify("expired", valid_for=YESTERDAY))
    await site.serve(ca=site.authority.file)
    entry = await site.call(**site.mutual_tls)
    await eventually(lambda: entry.reason.startswith(f'tls_certificate: "{site.core.certificate}" expired on '))

    site.core.replace(site.authority.certify("renewed"))

    await site.until(entry, "")


async def test_driver_that_is_away_is_not_accused_of_anything(site: Site) -> None:
    """Nobody is there to like or dislike a certificate, whatever is wrong with it."""
    site.core.replace(site.authority.certify("expired", valid_for=YESTERDAY))

    entry = await site.call(**site.mutual_tls)

    await eventually(lambda: entry.reason.endswith("Connection refused"))


def without_authority(site: Site) -> tuple[str, Callable[[], object]]:
    kept = site.authority.file.rename(site.folder / "kept.pem")
    return f'tls_ca: there is no file "{site.authority.file}"', lambda: shutil.copy(kept, site.authority.file)


def with_an_empty_authority(site: Site) -> tuple[str, Callable[[], object]]:
    kept = shutil.copy(site.authority.file, site.folder / "kept.pem")
    site.authority.file.write_text("")
    reason = f'tls_ca: "{site.authority.file}" holds no certificate in PEM format'
    return reason, lambda: shutil.copy(kept, site.authority.file)


def with_the_key_of_another(site: Site) -> tuple[str, Callable[[], object]]:
    kept = shutil.copy(site.core.key, site.folder / "kept.key")
    shutil.copy(site.driver.key, site.core.key)
    reason = f'tls_key: "{site.core.key}" is not the key of the certificate in "{site.core.certificate}"'
    return reason, lambda: shutil.copy(kept, site.core.key)


@pytest.mark.parametrize("spoil", [without_authority, with_an_empty_authority, with_the_key_of_another])
async def test_file_that_cannot_be_used_is_named(site: Site, spoil: Any) -> None:
    """The core serves all the same, and calls the driver as soon as the file is right."""
    await site.serve(ca=site.authority.file)
    copied = site.folder / "driver-ca.pem"
    shutil.copy(site.authority.file, copied)
    await site.serve(ca=copied)
    reason, mend = spoil(site)
    entry = await site.call(**site.mutual_tls)
    await site.until(entry, reason)

    mend()

    await site.until(entry, "")


async def test_driver_that_speaks_no_tls_is_told_of(site: Site) -> None:
    """A core that was told to trust an authority tells nothing to somebody without a certificate."""
    await site.serve(plain=True)
    entry = await site.call(**site.tls)
    await site.until(entry, "it does not speak TLS, and the settings name a tls_ca for it")

    await site.serve()

    await site.until(entry, "")


async def test_driver_that_speaks_only_tls_is_told_of(site: Site) -> None:
    """What is missing is in the settings of the core."""
    await site.serve()
    entry = await site.call()
    await site.until(entry, "it speaks TLS, and the settings name no tls_ca for it")

    await site.serve(plain=True)

    await site.until(entry, "")


async def test_replaced_files_are_used_for_the_next_connection(site: Site) -> None:
    """Everybody gets a new authority; the driver comes back with its certificate, and the core is not restarted."""
    await site.serve(ca=site.authority.file)
    entry = await site.call(**site.mutual_tls)
    await site.until(entry, "")
    assert entry.handshake is not None
    first = entry.handshake.instance_id

    site.core.replace(site.strangers.certify("core"))
    site.driver.replace(site.strangers.certify("driver"))
    site.authority.replace(site.strangers)
    await site.serve(ca=site.authority.file)

    await eventually(lambda: entry.is_ready and entry.handshake and entry.handshake.instance_id != first)


async def test_operator_who_looks_at_a_driver_reads_the_same(site: Site) -> None:
    """Commands dial for themselves, and say what a core would."""
    await site.serve(identity=site.authority.certify("expired", valid_for=YESTERDAY))
    driver = config.Driver(name="fabric", endpoint=site.endpoint, **site.tls)

    [sight] = await look(driver, None, introduction("operator", "deployment"), 10)

    assert (sight.condition, sight.reason) == (
        "not reachable",
        "its certificate is out of date: certificate has expired",
    )


async def eventually(condition: Callable[[], Any]) -> None:
    """Return when *condition* holds."""
    async with asyncio.timeout(60):
        while not condition():
            await asyncio.sleep(0.01)
