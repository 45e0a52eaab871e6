"""One compute service: events go there, and what became of each comes back, or the reason why that is not known.

Nothing it does takes longer than the time limit or more memory than an answer
may have. Redirections are not followed: a request that is repeated elsewhere
would take the token there.
"""

import asyncio
import ssl
from collections.abc import Mapping, Sequence
from pathlib import Path

import httpx
import msgspec

from jackfield_core import config
from jackfield_core.notify import answer
from jackfield_core.notify.answer import Answer, BatchRefused, NoAnswer, NotHeard
from jackfield_core.notify.difference import Event
from jackfield_core.notify.token import Token, hidden

PATH = "/os-server-external-events"
MAX_ANSWER_BYTES = 1 << 20
_DOUBTFUL = (500, 502, 504)
"""Codes of whoever stumbled on the way; all others that are no success say that nothing was taken."""


class ComputeService:
    """The API of one compute service.

    Raises:
        OSError: The certificates of the settings cannot be read.
    """

    def __init__(self, settings: config.Notifier) -> None:
        self._url = settings.url + PATH
        self._timeout = settings.timeout
        self._token = Token(settings)
        self._client = httpx.AsyncClient(
            verify=_trusting(settings.ca_file) if settings.ca_file else True,
            timeout=settings.timeout,
            # What counts is in the settings, and not in variables such as HTTP_PROXY.
            trust_env=False,
            headers={"Accept": "application/json", "Accept-Encoding": "identity", "User-Agent": "jackfield"},
        )

    async def tell(self, events: Sequence[Event]) -> Mapping[Event, Answer]:
        """Return what became of each of *events*.

        Raises:
            NoAnswer: That is not known.
            NotHeard: It was turned away, or nobody was there.
            BatchRefused: They were refused as a whole.
        """
        token = self._token.read()
        try:
            async with asyncio.timeout(self._timeout):
                response, body = await self._post(events, token)
        except TimeoutError:
            raise NoAnswer("timeout", f"no answer within {self._timeout:g} s") from None
        except (httpx.ConnectError, httpx.ConnectTimeout) as error:
            raise NotHeard("unreachable", self._told(error, token)) from None
        except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
            raise NoAnswer("unreachable", self._told(error, token)) from None
        try:
            return answer.read(response.status_code, body, response.headers.get("Retry-After"), events)
        except NoAnswer as error:
            kind = NoAnswer if response.status_code in _DOUBTFUL or response.is_success else NotHeard
            raise kind(error.reason, hidden(error.text, token), error.retry_after) from None
        except BatchRefused as error:
            raise BatchRefused(error.code, hidden(error.text, token)) from None

    async def close(self) -> None:
        """Close all connections."""
        await self._client.aclose()

    def _told(self, error: Exception, token: str) -> str:
        text = hidden(str(error) or type(error).__name__, token)
        return f"{self._url}: {answer.plain(text)}"

    async def _post(self, events: Sequence[Event], token: str) -> tuple[httpx.Response, bytes]:
        headers = {"Content-Type": "application/json", **({"X-Auth-Token": token} if token else {})}
        body = msgspec.json.encode({"events": [_described(event) for event in events]})
        async with self._client.stream("POST", self._url, content=body, headers=headers) as response:
            return response, await _bounded(response)


def _trusting(ca_file: Path) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=str(ca_file))
    except OSError as error:
        raise OSError(f"{ca_file}, the ca_file of a notifier, does not hold certificates: {error}") from None


async def _bounded(response: httpx.Response) -> bytes:
    body = bytearray()
    async for chunk in response.aiter_bytes():
        body += chunk
        if len(body) > MAX_ANSWER_BYTES:
            raise NoAnswer("garbage", f"the answer is longer than {MAX_ANSWER_BYTES} bytes")
    return bytes(body)


def _described(event: Event) -> dict[str, str]:
    return {"name": event.name, "server_uuid": event.server, "tag": event.tag, "status": "completed"}
