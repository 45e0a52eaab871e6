"""How a driver or an agent process is told what to do: environment first, arguments on top.

Every field can be set as `JACKFIELD_DRIVER_<FIELD>` or `JACKFIELD_AGENT_<FIELD>`, or passed to the
constructor, which wins. A wrong value ends the process at start with a sentence that names the field.
"""

from __future__ import annotations

import socket
from pathlib import Path
from typing import Literal, Self

from pydantic import Field, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

LogLevel = Literal["debug", "info", "warning", "error"]


class ServerSettings(BaseSettings):
    """Settings of a driver process."""

    model_config = SettingsConfigDict(env_prefix="JACKFIELD_DRIVER_", frozen=True, extra="forbid")

    listen: str = Field(
        default="unix:///run/jackfield/{name}.sock",
        description="Address to serve on: unix:///path or host:port. {name} is the driver's name. "
        "A driver is never reachable over TCP unless told.",
    )
    tls_certificate: Path | None = Field(default=None, description="PEM file of the server's certificate chain.")
    tls_key: Path | None = Field(default=None, description="PEM file of the server's private key.")
    tls_ca: Path | None = Field(
        default=None, description="PEM file of the authority that clients must be signed by; turns mutual TLS on."
    )
    max_batch: int = Field(default=500, ge=1, le=10_000, description="Changes that one call may carry.")
    max_in_flight: int = Field(
        default=8, ge=1, le=1_000, description="Calls that each process of the core may make at the same time."
    )
    max_state_bytes: int = Field(
        default=16_384,
        ge=0,
        le=65_536,
        description="Bytes of driver state that the core keeps for one resource, 65536 at most.",
    )
    threads: int = Field(
        default=8, ge=1, le=256, description="Threads for hooks that are plain functions; each blocks one of them."
    )
    concurrency: int = Field(
        default=16, ge=1, le=1_000, description="Changes of one batch that slow hooks work on at the same time."
    )
    start_timeout: float = Field(
        default=30.0, gt=0, description="Seconds that the driver's start may take before it is served as a load error."
    )
    drain_grace: float = Field(
        default=10.0,
        ge=0,
        le=24,
        description="Seconds that calls in flight get to finish after SIGTERM. "
        "At most 24, because supervisors kill after 30.",
    )
    heartbeat_interval: float = Field(default=10.0, gt=0, description="Seconds between heartbeats to a watcher.")
    log_level: LogLevel = Field(default="info", description="Least severe level that is logged.")
    log_json: bool = Field(default=False, description="Log one JSON object per line instead of text for people.")

    @model_validator(mode="after")
    def _certificate_comes_with_its_key(self) -> Self:
        if (self.tls_certificate is None) != (self.tls_key is None):
            raise ValueError("tls_certificate and tls_key belong together: set both or neither")
        if self.tls_ca is not None and self.tls_certificate is None:
            raise ValueError("tls_ca needs tls_certificate and tls_key")
        if self.tls_certificate is not None and self.listen.startswith("unix:"):
            raise ValueError("TLS is for host:port; a Unix socket is guarded by its file mode")
        return self

    def address(self, driver_name: str) -> str:
        """Return the address to listen on for the driver of this name."""
        return self.listen.replace("{name}", driver_name)


class AgentSettings(BaseSettings):
    """Settings of a node agent process."""

    model_config = SettingsConfigDict(env_prefix="JACKFIELD_AGENT_", frozen=True, extra="forbid")

    core: str = Field(
        default="unix:///run/jackfield/nodes.sock",
        description="Address of the core's node service: unix:///path or host:port.",
    )
    host: str = Field(
        default_factory=socket.gethostname,
        min_length=1,
        description="Name of this host, as the compute service writes it into binding:host_id.",
    )
    tls_certificate: Path | None = Field(default=None, description="PEM file of this agent's certificate chain.")
    tls_key: Path | None = Field(default=None, description="PEM file of this agent's private key.")
    tls_ca: Path | None = Field(
        default=None, description="PEM file of the authority that the core is signed by; turns TLS on."
    )
    tls_server_name: str | None = Field(
        default=None,
        min_length=1,
        description="Name that the core's certificate must have; by default what stands before the port of `core`.",
    )
    report_interval: float = Field(default=30.0, gt=0, description="Seconds between heartbeats to the core.")
    reconnect_min: float = Field(
        default=1.0, gt=0, description="Upper bound in seconds of the first wait to reconnect."
    )
    reconnect_max: float = Field(default=30.0, gt=0, description="Upper bound in seconds of any wait to reconnect.")
    retry_max: float = Field(
        default=30.0, gt=0, description="Upper bound in seconds between two tries of a failed view."
    )
    log_level: LogLevel = Field(default="info", description="Least severe level that is logged.")
    log_json: bool = Field(default=False, description="Log one JSON object per line instead of text for people.")

    @model_validator(mode="after")
    def _certificate_comes_with_its_key(self) -> Self:
        if (self.tls_certificate is None) != (self.tls_key is None):
            raise ValueError("tls_certificate and tls_key belong together: set both or neither")
        if self.tls_certificate is not None and self.tls_ca is None:
            raise ValueError("tls_certificate needs tls_ca, the authority that the core is signed by")
        if self.tls_server_name is not None and self.tls_ca is None:
            raise ValueError("tls_server_name needs tls_ca, the authority that the core is signed by")
        return self
