"""Who may do what: the rules of Neutron that are followed for callers without the role of an administrator.

Where ports are, and what networks are made of, is known to administrators and
to other services of the cloud, such as compute. Only administrators change
agents and segments; administrators and services say where a port is plugged.
A rule is named as in Neutron's policy, so that operators recognize it.
"""

from collections.abc import Mapping, Sequence

from msgspec import UNSET, UnsetType

from jackfield_core.context import RequestContext
from jackfield_core.db.tree import NetworkTree
from jackfield_core.errors import Forbidden
from jackfield_core.services.spec import NetworkCreate, PortCreate, PortUpdate

NETWORK_OWNERS = "network:"
"""How the owner of a port begins whose frames are trusted."""


def expect_operator(ctx: RequestContext, rule: str) -> None:
    """Return if the caller may know of hosts.

    Raises:
        Forbidden: The caller is neither an administrator nor a service.
    """
    if not ctx.sees_hosts:
        raise Forbidden(f"{rule} is disallowed by policy: it is for administrators and services.")


def expect_admin(ctx: RequestContext, rule: str) -> None:
    """Return if the caller may change what belongs to no project.

    Raises:
        Forbidden: The caller is no administrator.
    """
    if not ctx.is_admin:
        raise Forbidden(f"{rule} is disallowed by policy: it is for administrators.")


def check_new_networks(ctx: RequestContext, specs: Sequence[NetworkCreate]) -> None:
    """Return if the caller may have networks made like that.

    Raises:
        Forbidden: Segments are named, and the caller is no administrator.
    """
    if any(spec.segments for spec in specs):
        expect_admin(ctx, "create_network:provider")


def check_new_ports(ctx: RequestContext, specs: Sequence[PortCreate], trees: Mapping[str, NetworkTree]) -> None:
    """Return if the caller may have ports made like that.

    Raises:
        Forbidden: A host, a binding profile, or the owner of a network's service is for others to say.
    """
    for spec in specs:
        if spec.host:
            expect_operator(ctx, "create_port:binding:host_id")
        if spec.profile:
            expect_operator(ctx, "create_port:binding:profile")
        _check_owner(ctx, "create_port", spec.device_owner, trees[spec.network_id])


def check_changed_port(ctx: RequestContext, spec: PortUpdate, tree: NetworkTree) -> None:
    """Return if the caller may change a port on the network *tree* like that.

    Raises:
        Forbidden: A host, a binding profile, or the owner of a network's service is for others to say.
    """
    if spec.host is not UNSET:
        expect_operator(ctx, "update_port:binding:host_id")
    if spec.profile is not UNSET:
        expect_operator(ctx, "update_port:binding:profile")
    _check_owner(ctx, "update_port", spec.device_owner, tree)


def _check_owner(ctx: RequestContext, action: str, device_owner: str | UnsetType, tree: NetworkTree) -> None:
    """Let only who owns the network call a port one of its services: hosts do not judge what such a port sends."""
    if device_owner is UNSET or not device_owner.startswith(NETWORK_OWNERS):
        return
    if not ctx.project_id or ctx.project_id != tree.network.project_id:
        expect_operator(ctx, f"{action}:device_owner")
