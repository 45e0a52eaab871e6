"""The settings of those that speak gRPC with the core: drivers, which it dials, and node agents, which dial it.

Over TCP both sides can prove who they are. The words are the same on both sides,
and those of the SDK: ``tls_certificate`` and ``tls_key`` are what one proves
oneself with, ``tls_ca`` is whom the other one has to be signed by.
"""

from pathlib import Path
from typing import Literal

from pydantic import Field, field_validator, model_validator

from jackfield_core.setting import Address, Seconds, Section, Tls, expect_pair

RESERVED_NAMES = frozenset({"binding", "jackfield", "provider", "router"})
"""What stands before a colon in attributes of the API; users know an attribute of a driver as ``name:attribute``."""


class Nodes(Section):
    """The stream that node agents open."""

    listen: Address = "unix:///run/jackfield/nodes.sock"
    """``unix:///path`` or address and port."""
    tls_certificate: Path | None = None
    """PEM file of the certificate chain that agents are shown; turns TLS on."""
    tls_key: Path | None = None
    """PEM file of its private key, without a password."""
    tls_ca: Path | None = None
    """PEM file of the authority that agents must be signed by; turns mutual TLS on."""
    tls_verify_host: bool = True
    """With ``tls_ca``: an agent speaks only for a host that its certificate names."""
    agent_down_time: Seconds = 75.0
    """Seconds without a sign of life after which an agent counts as down; Neutron's default."""
    poll_interval: Seconds = 2.0
    """Seconds between looks at the change feed when no wake-up arrives."""

    @property
    def tls(self) -> Tls | None:
        """What agents are shown, and known by; None without TLS."""
        if not self.tls_certificate:
            return None
        return Tls(self.tls_ca, self.tls_certificate, self.tls_key, is_server=True)

    @model_validator(mode="after")
    def _tls_is_complete(self) -> "Nodes":
        expect_pair(self.tls_certificate, self.tls_key)
        if self.tls_ca and not self.tls_certificate:
            raise ValueError("tls_ca needs tls_certificate and tls_key: agents have to be shown a certificate as well")
        if self.tls_certificate and self.listen.startswith("unix:"):
            raise ValueError("TLS is for address and port; a Unix socket is guarded by the mode of its file")
        return self


class Driver(Section):
    """One mechanism driver, in the order of the list."""

    name: str = Field(pattern=r"^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$")
    """Name that the driver must answer in its handshake."""
    endpoint: Address | None = None
    """``unix:///path`` or address and port of the driver process."""
    endpoints: tuple[Address, ...] = ()
    """Instead of ``endpoint``: two addresses, of which one is free for the next version of the driver."""
    policy: Literal["required", "advisory"] = "required"
    """What happens without a verdict: ``required`` refuses the request (503), ``advisory`` lets it pass."""
    tls_ca: Path | None = None
    """PEM file of the authority that the driver must be signed by; turns TLS on."""
    tls_certificate: Path | None = None
    """PEM file of the core's certificate chain, for a driver that asks who calls."""
    tls_key: Path | None = None
    """PEM file of its private key, without a password."""
    tls_server_name: str | None = Field(default=None, min_length=1)
    """Name that the driver's certificate must have; by default what stands before the port of its address."""

    @field_validator("name")
    @classmethod
    def _name_is_free(cls, name: str) -> str:
        if name in RESERVED_NAMES:
            raise ValueError(f'"{name}" is the beginning of attributes that the API has; give the driver another name')
        return name

    @property
    def addresses(self) -> tuple[str, ...]:
        """Where processes of the driver may listen: one address, or two."""
        return (self.endpoint,) if self.endpoint else self.endpoints

    @property
    def tls(self) -> Tls | None:
        """What the driver is known by, and shown; None without TLS."""
        if not self.tls_ca:
            return None
        return Tls(self.tls_ca, self.tls_certificate, self.tls_key, self.tls_server_name)

    @model_validator(mode="after")
    def _one_or_two_addresses(self) -> "Driver":
        if (self.endpoint is None) == (not self.endpoints):
            raise ValueError(f'driver "{self.name}" needs either endpoint = "…" or endpoints = ["…", "…"]')
        if len(self.endpoints) > 2:
            raise ValueError(f'driver "{self.name}" has {len(self.endpoints)} endpoints; two are the most')
        if len(set(self.endpoints)) != len(self.endpoints):
            raise ValueError(f'driver "{self.name}" has the endpoint "{self.endpoints[0]}" twice')
        return self

    @model_validator(mode="after")
    def _tls_is_complete(self) -> "Driver":
        expect_pair(self.tls_certificate, self.tls_key)
        if (self.tls_certificate or self.tls_server_name) and not self.tls_ca:
            raise ValueError(
                f'driver "{self.name}" needs tls_ca, the authority that it is signed by, before anything else of TLS'
            )
        if self.tls_ca and any(address.startswith("unix:") for address in self.addresses):
            raise ValueError(
                f'driver "{self.name}" has a Unix socket, which is guarded by the mode of its file: '
                "TLS is for address and port"
            )
        return self
