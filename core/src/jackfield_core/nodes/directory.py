"""Which streams a change concerns: those that carry the network, and those of the host it names."""

from collections.abc import Iterable, Iterator

from jackfield_core.db.feed import FeedEntry
from jackfield_core.nodes.stream import AgentStream


class Directory:
    """The open streams, found by network and by host."""

    def __init__(self) -> None:
        self._by_host: dict[str, set[AgentStream]] = {}
        self._by_network: dict[str, set[AgentStream]] = {}

    def __iter__(self) -> Iterator[AgentStream]:
        return (stream for streams in self._by_host.values() for stream in streams)

    def __bool__(self) -> bool:
        return bool(self._by_host)

    def add(self, stream: AgentStream) -> None:
        """Let *stream* hear of changes on its host."""
        self._by_host.setdefault(stream.place.host, set()).add(stream)

    def remove(self, stream: AgentStream) -> None:
        """Forget *stream*."""
        _discard(self._by_host, stream.place.host, stream)
        for network_id in [id for id, streams in self._by_network.items() if stream in streams]:
            _discard(self._by_network, network_id, stream)

    def begin(self, stream: AgentStream, network_id: str) -> None:
        """Let *stream* hear of changes of a network."""
        self._by_network.setdefault(network_id, set()).add(stream)

    def end(self, stream: AgentStream, network_id: str) -> None:
        """Let *stream* hear of a network no longer."""
        _discard(self._by_network, network_id, stream)

    def touch(self, entries: Iterable[FeedEntry]) -> None:
        """Let the streams that are concerned look at what changed."""
        touched: dict[AgentStream, list[str]] = {}
        for entry in entries:
            concerned = self._by_network.get(entry.network_id, set()) | self._by_host.get(entry.host, set())
            for stream in concerned:
                touched.setdefault(stream, []).append(entry.network_id)
        for stream, network_ids in touched.items():
            stream.touch(network_ids)


def _discard(index: dict[str, set[AgentStream]], key: str, stream: AgentStream) -> None:
    streams = index.get(key, set())
    streams.discard(stream)
    if not streams:
        index.pop(key, None)
