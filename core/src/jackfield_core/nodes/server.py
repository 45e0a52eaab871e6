"""The gRPC server behind the node service, the address it listens on, and TLS if there is any."""

from pathlib import Path

import grpc
from jackfield.node.v1 import node_pb2_grpc

from jackfield_core.nodes.identity import Credentials
from jackfield_core.setting import Tls

MAX_MESSAGE_BYTES = 16 << 20
_OPTIONS = [
    ("grpc.max_receive_message_length", MAX_MESSAGE_BYTES),
    ("grpc.max_send_message_length", MAX_MESSAGE_BYTES),
    ("grpc.keepalive_time_ms", 20_000),
    # Without it a stopped peer is noticed after a minute only, whatever keepalive says.
    ("grpc.http2.ping_timeout_ms", 5_000),
    ("grpc.http2.max_pings_without_data", 0),
    ("grpc.http2.min_recv_ping_interval_without_data_ms", 10_000),
    # Two processes on one address would each get half of the agents' connections.
    ("grpc.so_reuseport", 0),
]
_UNIX = "unix://"


async def start_server(
    servicer: node_pb2_grpc.NodeServiceServicer, listen: str, tls: Tls | None = None
) -> tuple[grpc.aio.Server, str]:
    """Serve on *listen*; return the server and the address that clients dial.

    Raises:
        OSError: The address cannot be listened on, or the files of *tls* cannot be used.
    """
    server = grpc.aio.server(options=_OPTIONS)
    node_pb2_grpc.add_NodeServiceServicer_to_server(servicer, server)
    socket = Path(listen.removeprefix(_UNIX)) if listen.startswith(_UNIX) else None
    try:
        if socket:
            socket.parent.mkdir(parents=True, exist_ok=True)
        port = _add_port(server, listen, tls)
    except OSError as error:
        raise OSError(f"the node service cannot listen on {listen}: {error.strerror or error}") from error
    except RuntimeError as error:
        raise OSError(f"the node service cannot listen on {listen}") from error
    await server.start()
    if socket:
        # Agents run as root or in the group of the core; nobody else reports ports.
        socket.chmod(0o660)
        return server, listen
    return server, f"{listen.rpartition(':')[0]}:{port}"


def _add_port(server: grpc.aio.Server, listen: str, tls: Tls | None) -> int:
    if tls is None:
        return server.add_insecure_port(listen)
    return server.add_secure_port(listen, Credentials(tls).for_server())
