"""The settings of the core: one frozen tree, read once at start.

Sources, the later one wins: defaults, a TOML file, environment variables
(``JACKFIELD_API__LISTEN=127.0.0.1:9696``). Nothing reads the environment later.
"""

import tomllib
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

import sqlalchemy.exc
from pydantic import ConfigDict, Field, field_validator, model_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict
from sqlalchemy.engine import make_url

from jackfield_core.peers import Driver as Driver
from jackfield_core.peers import Nodes as Nodes
from jackfield_core.setting import Address, Seconds, Section

Role = Literal["api", "dispatcher", "nodes"]


class Api(Section):
    """The REST API."""

    listen: Address = "127.0.0.1:9696"
    """Address and port, or ``unix:///path``. There is no authentication yet, so the default is loopback."""
    max_body_bytes: int = Field(default=1 << 20, gt=0)
    """Larger request bodies are answered 413 before they are read."""
    page_limit: int = Field(default=0, ge=0)
    """Largest page of a list; 0 means that a client without ``limit`` gets everything."""
    public_url: str | None = None
    """Root that links in answers start with; by default the request's own host."""


class Database(Section):
    """Where the intended state lives."""

    url: str = "sqlite:///jackfield.sqlite"
    """``sqlite:///path`` or ``postgresql://user:password@host/name`` (``?host=/socket/folder`` for a Unix socket)."""
    pool_size: int = Field(default=16, gt=0)
    """Connections to PostgreSQL per process; requests beyond it wait in line."""
    writers: int = Field(default=8, gt=0)
    """Transactions of one process at a time, on PostgreSQL. More would share the same CPU, and hold locks longer."""
    statement_timeout: Seconds = 10.0
    """Seconds until PostgreSQL ends a statement; a transaction never outlives three of them."""

    @field_validator("url")
    @classmethod
    def _known_database(cls, value: str) -> str:
        # The value stays out of the message: it may hold a password.
        try:
            backend = make_url(value).get_backend_name()
        except (sqlalchemy.exc.ArgumentError, ValueError):
            backend = ""
        if backend not in ("sqlite", "postgresql"):
            raise ValueError("it is neither sqlite:///path nor postgresql://user:password@host/name")
        return value


class Notifier(Section):
    """A compute service that is told what becomes of the ports of its servers."""

    name: str = Field(pattern=r"^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$")
    """Name in the ledger; no driver may have the same."""
    url: str
    """Root of its API, to which ``/os-server-external-events`` is added, such as ``https://nova.example:8774/v2.1``."""
    token_file: Path | None = None
    """File with the token for its header ``X-Auth-Token``; read for every request, so that it can be exchanged."""
    token_env: str | None = Field(default=None, pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")
    """Instead of ``token_file``: the environment variable with the token, which is read once at start."""
    ca_file: Path | None = None
    """Certificates that vouch for it, in PEM format; by default those that the Python package certifi brings."""
    batch: int = Field(default=100, gt=0, le=1000)
    """Ports that one request tells of at most."""
    timeout: Annotated[float, Field(gt=0, le=60)] = 10.0
    """Seconds for one request, from the connection to the end of the answer."""

    @field_validator("url")
    @classmethod
    def _is_web_address(cls, value: str) -> str:
        parts = urlsplit(value)
        # To ask for the port is to have it checked.
        is_address = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
        if not is_address or parts.query or parts.fragment:
            raise ValueError('it is not the root of an API, such as "https://nova.example:8774/v2.1"')
        if parts.username or parts.password:
            # The value stays out of the message.
            raise ValueError("it holds a user or a password; a token belongs into token_file or token_env")
        return value.rstrip("/")

    @field_validator("ca_file")
    @classmethod
    def _is_readable(cls, value: Path | None) -> Path | None:
        if value is not None and not value.is_file():
            raise ValueError(f'there is no file "{value}"')
        return value

    @model_validator(mode="after")
    def _one_token(self) -> "Notifier":
        if self.token_file and self.token_env:
            raise ValueError(f'notifier "{self.name}" has both token_file and token_env; one of them is enough')
        return self


class Mechanism(Section):
    """Time limits of calls to mechanism drivers."""

    precommit_budget: Seconds = 0.25
    """Seconds that all precommit calls of one transaction share; locks are held meanwhile. A process that keeps a
    user waiting has as long for a sign of life."""
    precommit_budget_per_change: Seconds = 0.001
    """Seconds more for each further change of the transaction: a bulk request brings many."""
    bind_timeout: Seconds = 1.0
    """Seconds for one ``BindPorts`` call."""
    bind_budget: Seconds = 5.0
    """Seconds for all levels and drivers of one binding."""
    handshake_timeout: Seconds = 2.0
    """Seconds for a handshake."""
    reconnect_interval: Seconds = 1.0
    """Seconds between attempts to reach a driver that does not answer; doubled up to 15 times as long."""
    drain_delay: Seconds = 3.0
    """Seconds between a take-over by a new process of a driver and the drain of the old one; until then the
    other processes of the core, which look for it every ``reconnect_interval``, have moved too."""
    breaker_failures: int = Field(default=5, gt=0)
    """Time-outs in a row that open the breaker of a driver."""
    breaker_retry: Seconds = 10.0
    """Seconds between trials while the breaker is open."""
    rebind_interval: Seconds = 5.0
    """Seconds between looks for ports whose binding failed and whose driver or agent is back."""
    release_interval: Seconds = 5.0
    """Seconds between looks for dynamic segments that no binding counts on any more."""


class Dispatcher(Section):
    """Delivery of postcommits."""

    batch: int = Field(default=200, gt=0)
    """Changes in one call at most; a driver may ask for fewer."""
    poll_interval: Seconds = 1.0
    """Seconds between looks at the ledger when no wake-up arrives."""
    lease: Seconds = 75.0
    """Seconds that a claim lasts; longer than the longest call (60 s)."""
    backoff_first: Seconds = 1.0
    """Seconds before the second attempt, doubled each time, with full jitter."""
    backoff_max: Seconds = 300.0
    """Longest pause between attempts."""
    infeasible_retry: Seconds = 1800.0
    """Pause after an answer that only a change can help."""
    order_hold: Seconds = 1.0
    """Longest time that a driver waits for its neighbour in the configured order."""
    pace: int = Field(default=1200, gt=0)
    """Changes a second that one driver is told at most while users make changes too; otherwise as many as it takes."""


class Audit(Section):
    """Comparison of what devices hold with the ledger."""

    interval: Seconds = 600.0
    """Seconds between audits of one driver, give or take a tenth so that drivers are not all asked at once."""
    orphan_limit: int = Field(default=10, ge=0)
    """Orphans that one audit removes by itself; of more, and of more than ``orphan_percent``, an operator decides."""
    orphan_percent: float = Field(default=5.0, ge=0, le=100)
    """Share of what a device lists, in percent, that may be orphans and is removed without asking."""


class TypeDriverSettings(Section):
    """What one type driver may allocate."""

    ranges: list[str] = []
    """``"100:199"`` for tunnels; ``"physnet1:100:199"`` or ``"physnet1"`` (provider only) for VLAN;
    names, or ``"*"`` for any, for flat."""


class Segments(Section):
    """Type drivers and their bootstrap ranges; at run time ranges are rows in the database."""

    model_config = ConfigDict(frozen=True, extra="allow", use_attribute_docstrings=True)

    project_network_types: list[str] = ["vxlan"]
    """Types tried in this order for networks without provider attributes."""
    physical_mtu: int = Field(default=1500, ge=68, le=65535)
    """Largest IP packet of the underlay in bytes; tunnels subtract their headers from it."""
    physical_network_mtus: dict[str, int] = {}
    """Exceptions for flat and VLAN networks, by physical network."""
    underlay_ip_version: Literal[4, 6] = 4
    """IP version of the tunnel endpoints, for the size of the outer header."""
    flat: TypeDriverSettings = TypeDriverSettings(ranges=["*"])
    """Physical networks for flat networks."""
    vlan: TypeDriverSettings = TypeDriverSettings()
    """VLAN ranges by physical network."""
    vxlan: TypeDriverSettings = TypeDriverSettings(ranges=["1:16777215"])
    """VNI ranges."""
    gre: TypeDriverSettings = TypeDriverSettings(ranges=["1:4294967295"])
    """Key ranges."""
    geneve: TypeDriverSettings = TypeDriverSettings(ranges=["1:16777215"])
    """VNI ranges."""

    def of_type(self, network_type: str) -> TypeDriverSettings:
        """Return the section of *network_type*; an added type driver's section needs no field here."""
        section = getattr(self, network_type, None)
        if section is None:
            return TypeDriverSettings()
        if isinstance(section, TypeDriverSettings):
            return section
        return TypeDriverSettings.model_validate(section)


class Logging(Section):
    """Logs, on standard error."""

    level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    """Least severe level that is written."""
    json_lines: bool = False
    """One JSON object a line, for collectors; otherwise text for people."""


class Settings(BaseSettings):
    """All settings of one core process."""

    model_config = SettingsConfigDict(
        frozen=True, extra="forbid", env_prefix="JACKFIELD_", env_nested_delimiter="__", use_attribute_docstrings=True
    )

    roles: list[Role] = Field(default=["api", "dispatcher", "nodes"], min_length=1)
    """What this process does; the database is all that processes share."""
    base_mac: str = "fa:16:3e"
    """First three bytes of generated MAC addresses."""
    deployment_id: str = Field(default="", pattern=r"^[A-Za-z0-9._-]{0,64}$")
    """Mark of this deployment on what drivers make; empty: the UUID that its database has kept since it was made.
    A database that was copied to make a second cloud needs another one than the first."""
    api: Api = Api()
    database: Database = Database()
    nodes: Nodes = Nodes()
    mechanism: Mechanism = Mechanism()
    dispatcher: Dispatcher = Dispatcher()
    audit: Audit = Audit()
    segments: Segments = Segments()
    logging: Logging = Logging()
    drivers: list[Driver] = []
    """Mechanism drivers; binding and delivery follow this order, deletion the reverse."""
    notifiers: list[Notifier] = []
    """Compute services that are told of the ports of their servers."""

    @property
    def notifier_names(self) -> tuple[str, ...]:
        """Names under which the ledger holds what compute services have to be told."""
        return tuple(notifier.name for notifier in self.notifiers)

    @field_validator("base_mac")
    @classmethod
    def _three_bytes(cls, value: str) -> str:
        parts = value.lower().split(":")
        if len(parts) != 3 or any(len(part) != 2 or set(part) - set("0123456789abcdef") for part in parts):
            raise ValueError(f'"{value}" is not three bytes such as "fa:16:3e"')
        if int(parts[0], 16) & 1:
            raise ValueError(f'"{value}" starts a multicast address')
        return value.lower()

    @model_validator(mode="after")
    def _unique_drivers(self) -> "Settings":
        names = [driver.name for driver in self.drivers]
        doubled = sorted({name for name in names if names.count(name) > 1})
        if doubled:
            raise ValueError(f"drivers listed more than once: {', '.join(doubled)}")
        return self

    @model_validator(mode="after")
    def _unique_notifiers(self) -> "Settings":
        # Both have their debts in one ledger, under their names.
        names = [*self.notifier_names, *(driver.name for driver in self.drivers)]
        doubled = sorted({name for name in self.notifier_names if names.count(name) > 1})
        if doubled:
            raise ValueError(f"notifiers with the name of another notifier or driver: {', '.join(doubled)}")
        return self

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        # The file arrives as constructor arguments; the environment overrides it.
        return env_settings, init_settings


def load(path: Path | None = None, **overrides: Any) -> Settings:
    """Read the settings from *path* (TOML) and the environment.

    Raises:
        OSError: The file cannot be read.
        tomllib.TOMLDecodeError: The file is not TOML.
        pydantic.ValidationError: A value is wrong; the error names the key.
    """
    values = tomllib.loads(path.read_text()) if path else {}
    return Settings(**{**values, **overrides})
