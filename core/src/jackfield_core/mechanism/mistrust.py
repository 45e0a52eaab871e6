"""Says in words why a process was not reached, if TLS is the reason.

gRPC tells of a connection that came to nothing little more than that. So one
more is tried with Python's TLS, which tells what it does not like, and whose
other end shows by what it does next whether it likes us. Nothing is sent over
it, and it is made only where a connection has just failed.
"""

import asyncio
import ssl

from jackfield_core.mechanism.answers import NoVerdict
from jackfield_core.setting import Tls

_NO_CONNECTION = "UNAVAILABLE"
"""What gRPC says when there is no connection; whoever lets a deadline pass is silent for another reason."""
_WRONG_NAME = frozenset({62, 64})
"""X509_V_ERR_HOSTNAME_MISMATCH and X509_V_ERR_IP_ADDRESS_MISMATCH of OpenSSL's x509_vfy.h."""
_OUT_OF_DATE = frozenset({9, 10})
"""X509_V_ERR_CERT_NOT_YET_VALID and X509_V_ERR_CERT_HAS_EXPIRED."""
_NOT_SIGNED = frozenset({2, 18, 19, 20, 21})
"""X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT and the like: the chain does not end at an authority that is known."""

_Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


async def distrusted(error: NoVerdict, endpoint: str, tls: Tls | None, timeout: float) -> str:
    """Return what about TLS kept a call to *endpoint* from being answered; empty if that is not the reason.

    *error* is how the call failed. It takes *timeout* seconds at most.
    """
    if error.has_error_info or error.code != _NO_CONNECTION or endpoint.startswith("unix:"):
        return ""
    try:
        async with asyncio.timeout(timeout):
            return await (_speaks_tls(endpoint) if tls is None else _trouble(endpoint, tls))
    except (OSError, TimeoutError, ValueError):
        # Not even that can be found out; a name that is none is a ValueError.
        return ""


async def _speaks_tls(endpoint: str) -> str:
    """Say so if the other end expects TLS, and was called without."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    # Nothing is told to it or believed of it: the question is only which language it speaks.
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    try:
        _hang_up(await _connect(endpoint, context, ""))
    except ssl.SSLError as error:
        if not _alert(error):
            return ""
    return "it speaks TLS, and the settings name no tls_ca for it"


async def _trouble(endpoint: str, tls: Tls) -> str:
    """Return what is wrong with our files, with its certificate, or with ours in its eyes."""
    # A command that lists drivers seldom gets here, and what reads certificates would be loaded in vain.
    from jackfield_core import certificates

    if wrong := await asyncio.to_thread(certificates.unusable, tls):
        return "; ".join(wrong)
    said = await _try(endpoint, tls)
    # Faults of one's own are mended first. While nobody is there at all, they are not the reason.
    wrong = await asyncio.to_thread(certificates.invalid, tls) if said else []
    return "; ".join(wrong) or said


async def _try(endpoint: str, tls: Tls) -> str:
    """Return why a connection comes to nothing; empty if it does not."""
    name = tls.server_name or endpoint.rpartition(":")[0].strip("[]")
    context = _context(tls)
    try:
        streams = await _connect(endpoint, context, name)
    except ssl.SSLCertVerificationError as error:
        return _not_trusted(error, tls, name)
    except ssl.SSLError as error:
        if alert := _alert(error):
            return _not_welcome(tls, alert)
        return "it does not speak TLS, and the settings name a tls_ca for it"
    except ConnectionResetError:
        return "it ends the connection instead of speaking TLS, and the settings name a tls_ca for it"
    return await _after_handshake(streams, tls)


async def _after_handshake(streams: _Streams, tls: Tls) -> str:
    """See whether the other end stays: since TLS 1.3 it judges a client's certificate after the client is done."""
    try:
        # A server speaks first in HTTP/2 (RFC 9113, section 3.4).
        return "" if await streams[0].read(1) else _not_welcome(tls, "")
    except ssl.SSLError as error:
        return _not_welcome(tls, _alert(error))
    except ConnectionResetError:
        return _not_welcome(tls, "")
    finally:
        _hang_up(streams)


def _context(tls: Tls) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    # As gRPC does: whoever is named by tls_ca is believed, signed by somebody else or not.
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    context.load_verify_locations(tls.ca)
    if tls.certificate:
        context.load_cert_chain(tls.certificate, tls.key, password="")
    return context


async def _connect(endpoint: str, context: ssl.SSLContext, server_name: str) -> _Streams:
    host, _, port = endpoint.rpartition(":")
    context.set_alpn_protocols(["h2"])
    return await asyncio.open_connection(host.strip("[]"), int(port), ssl=context, server_hostname=server_name)


def _hang_up(streams: _Streams) -> None:
    # The other end may never say goodbye, so nobody waits for it.
    streams[1].transport.abort()


def _not_trusted(error: ssl.SSLCertVerificationError, tls: Tls, name: str) -> str:
    if error.verify_code in _WRONG_NAME:
        return f'its certificate is not valid for "{name}"; tls_server_name can name another one'
    if error.verify_code in _OUT_OF_DATE:
        return f"its certificate is out of date: {error.verify_message}"
    if error.verify_code in _NOT_SIGNED:
        return f'its certificate is not signed by tls_ca "{tls.ca}": {error.verify_message}'
    return f"its certificate is not accepted: {error.verify_message}"


def _not_welcome(tls: Tls, alert: str) -> str:
    wish = (
        f'does not accept tls_certificate "{tls.certificate}"'
        if tls.certificate
        else "wants a tls_certificate of the core"
    )
    if alert:
        return f"it {wish}: {alert}"
    # Some say nothing. Who ends a connection right after the handshake has seldom another reason.
    return f"it ends the connection after the TLS handshake: it probably {wish}"


def _alert(error: ssl.SSLError) -> str:
    """Return which alert the other end has sent (RFC 8446, section 6), such as "unknown ca"; empty if none."""
    _, is_alert, name = (error.reason or "").partition("_ALERT_")
    return name.replace("_", " ").lower() if is_alert else ""
