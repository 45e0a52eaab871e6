"""What an agent says of itself, checked before any of it reaches the database."""

import ipaddress
import re
import uuid
from datetime import datetime
from typing import Any

import msgspec
from jackfield.node.v1 import node_pb2

from jackfield_core.db.agent import Agent
from jackfield_core.db.base import now
from jackfield_core.errors import Invalid
from jackfield_core.types import is_host_name

_DELTAS = "deltas"
_DRIVER = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")


def agent_of(hello: node_pb2.Hello) -> Agent:
    """Return the agent that introduces itself.

    Raises:
        Invalid: A field is missing, too long, or not what it has to be; the message names it.
    """
    at = now()
    facts = hello.facts
    return Agent(
        id=str(uuid.uuid4()),
        agent_type=_text("agent_type", hello.agent_type, required=True),
        host=_host(hello.host),
        binary=_text("binary", hello.binary),
        version=_text("version", hello.version),
        driver=_driver(hello.driver),
        description="",
        admin_state_up=True,
        physical_networks={
            _text("facts.physical_networks", name, required=True, limit=64): _text("facts.physical_networks", device)
            for name, device in sorted(facts.physical_networks.items())
        },
        tunnel_types=tuple(_text("facts.tunnel_types", name, limit=32) for name in facts.tunnel_types),
        tunnel_ip=_address(facts.tunnel_ip) if facts.HasField("tunnel_ip") else None,
        vif_types=tuple(_text("facts.vif_types", name, limit=64) for name in facts.vif_types),
        configurations=_object(facts.configurations),
        neighbours=(),
        created_at=at,
        started_at=_time(hello) or at,
        heartbeat_at=at,
    )


def takes_deltas(hello: node_pb2.Hello) -> bool:
    """Return whether the agent can be told what changed of a network, instead of all of it."""
    return _DELTAS in hello.features


def neighbours_of(report: node_pb2.Report) -> tuple[dict[str, str], ...]:
    """Return the neighbours of a report, the way they are stored."""
    return tuple(
        {name: clean(getattr(one, name), 255) for name in ("interface", "chassis_id", "port_id", "system_name")}
        for one in report.neighbours
    )


def clean(text: str, limit: int = 1000) -> str:
    """Return *text* in a form that every database stores."""
    # PostgreSQL has no NUL in text.
    return text.replace("\0", "\ufffd")[:limit]


def _text(field: str, text: str, *, required: bool = False, limit: int = 255) -> str:
    if required and not text:
        raise Invalid(f"hello.{field} is empty")
    if len(text) > limit or not text.isprintable():
        raise Invalid(f"hello.{field} is not printable text of at most {limit} characters")
    return text


def _host(name: str) -> str:
    """Return the name of a host, which has to be one that users can write and that fits into a path."""
    if not is_host_name(_text("host", name, required=True)):
        raise Invalid("hello.host is not the name of a host")
    return name


def _driver(name: str) -> str:
    if not _DRIVER.fullmatch(name):
        raise Invalid("hello.driver is not the name of a mechanism driver")
    return name


def _address(text: str) -> str:
    try:
        return str(ipaddress.ip_address(text))
    except ValueError as error:
        raise Invalid("hello.facts.tunnel_ip is not an IP address") from error


def _object(text: bytes) -> dict[str, Any]:
    if not text:
        return {}
    try:
        return msgspec.json.decode(text, type=dict[str, Any])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Invalid("hello.facts.configurations is not a JSON object") from error


def _time(hello: node_pb2.Hello) -> datetime | None:
    if not hello.HasField("start_time"):
        return None
    try:
        return hello.start_time.ToDatetime()
    except (ValueError, OverflowError) as error:
        raise Invalid("hello.start_time is not a time") from error
