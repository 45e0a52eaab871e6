"""Who asks. There is no authentication yet: every caller is believed.

The headers are those that Keystone's middleware sets behind it, so that an
identity service changes this file and nothing else. Until then a request
without ``X-Roles`` is an administrator's, and the API listens on the loopback
unless the operator says otherwise.
"""

from jackfield_core.context import RequestContext


def identify(headers: dict[bytes, bytes]) -> RequestContext:
    """Return the caller that *headers* claim to be."""
    project_id = headers.get(b"x-project-id") or headers.get(b"x-tenant-id") or b""
    roles = {role.strip().lower() for role in headers.get(b"x-roles", b"admin").split(b",")}
    return RequestContext(
        project_id=project_id.decode("utf-8", "replace"), is_admin=b"admin" in roles, is_service=b"service" in roles
    )
