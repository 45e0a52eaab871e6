"""Which streams a change concerns: those that carry the network, and those of the host it names."""

from collections.abc import Iterator, Sequence

from jackfield_core.db.feed import FeedEntry
from jackfield_core.nodes.stream import AgentStream


class Directory:
    """The open streams, found by network and by host."""

    def __init__(self) -> None:
        self._by_host: dict[str, set[AgentStream]] = {}
        self._by_network: dict[str, set[AgentStream]] = {}
        self._watched: dict[AgentStream, set[str]] = {}

    def __iter__(self) -> Iterator[AgentStream]:
        return iter([*self._watched])

    def add(self, stream: AgentStream) -> None:
        """Let *stream* hear of changes on its host."""
        self._watched[stream] = set()
        self._by_host.setdefault(stream.place.host, set()).add(stream)

    def remove(self, stream: AgentStream) -> None:
        """Forget *stream*."""
        _discard(self._by_host, stream.place.host, stream)
        for network_id in self._watched.pop(stream):
            _discard(self._by_network, network_id, stream)

    def begin(self, stream: AgentStream, network_id: str) -> None:
        """Let *stream* hear of changes of a network."""
        self._watched[stream].add(network_id)
        self._by_network.setdefault(network_id, set()).add(stream)

    def end(self, stream: AgentStream, network_id: str) -> None:
        """Let *stream* hear of a network no longer."""
        self._watched[stream].discard(network_id)
        _discard(self._by_network, network_id, stream)

    def touch(self, entries: Sequence[FeedEntry]) -> None:
        """Let the streams that are concerned look at what changed, those of the hosts that are named at once."""
        for index, key, is_urgent in ((self._by_host, "host", True), (self._by_network, "network_id", False)):
            touched: dict[AgentStream, dict[str, None]] = {}
            for entry in entries:
                for stream in index.get(getattr(entry, key), ()):
                    touched.setdefault(stream, {})[entry.network_id] = None
            for stream, network_ids in touched.items():
                stream.touch(network_ids, is_urgent=is_urgent)


def _discard(index: dict[str, set[AgentStream]], key: str, stream: AgentStream) -> None:
    streams = index.get(key, set())
    streams.discard(stream)
    if not streams:
        index.pop(key, None)
