"""What the parser lets through and HTTP/1.1 forbids: heads that two servers could read in two ways (RFC 9112)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from ipaddress import ip_address
from urllib.parse import urlsplit

_VERSIONS = ("1.1", "1.0")
# A name or an address, with a port; empty where the target has no host.
_HOST = re.compile(rb"[A-Za-z0-9._~%!$&'()*+;=-]*(?::[0-9]{0,5})?|\[[0-9A-Fa-f:.]+\](?::[0-9]{0,5})?")
_LENGTH = re.compile(rb"0|[1-9][0-9]{0,18}")
_CHUNKED = b"chunked"
# A request with two of these would be one person's here and another's, or another request, behind a proxy.
_ONCE = frozenset({b"host", b"content-length", b"transfer-encoding", b"authorization", b"x-api-key", b"content-type"})
_FORWARDING = frozenset({b"forwarded", b"via", b"x-real-ip", b"x-client-ip", b"cf-connecting-ip", b"true-client-ip"})
_USUAL_PORTS = {b"http": 80, b"https": 443}
_LOCAL = (b"localhost", b"localhost.")
Headers = Sequence[tuple[bytes, bytes]]


def framing_fault(version: str, url: bytes, headers: Headers) -> str | None:
    """Return why a head is refused, or None. Names of headers are in lower case."""
    if version not in _VERSIONS:
        return "only HTTP/1.1 and HTTP/1.0 are supported; send one of them"
    found: dict[bytes, bytes] = {}
    for name, value in headers:
        if name in _ONCE:
            if name in found:
                return f"the header {name.decode()} is sent twice; send it once"
            found[name] = value
    return _host_fault(version, url, found.get(b"host")) or _body_fault(version, found)


def _host_fault(version: str, url: bytes, host: bytes | None) -> str | None:
    if host is None:
        if version == "1.1":
            return "the header Host is missing; HTTP/1.1 needs exactly one"
    elif not _HOST.fullmatch(host):
        return "the header Host is no host; send the name or address that was asked, with its port"
    if url[:1] != b"/" and url != b"*" and not _same_host(url, host):
        return "the request's target names another host than the header Host; send the path alone"
    return None


def _body_fault(version: str, found: dict[bytes, bytes]) -> str | None:
    encoding, length = found.get(b"transfer-encoding"), found.get(b"content-length")
    if encoding is not None:
        if version == "1.0":
            return "HTTP/1.0 has no Transfer-Encoding; send Content-Length, or HTTP/1.1"
        if encoding.strip().lower() != _CHUNKED:
            return "the only Transfer-Encoding is chunked; send the body as it is"
        if length is not None:
            return "both Content-Length and Transfer-Encoding are sent; send one of them"
    if length is not None and not _LENGTH.fullmatch(length.strip()):
        return "Content-Length is no plain number; send the body's bytes in decimal digits"
    return None


def _same_host(url: bytes, host: bytes | None) -> bool:
    """Whether a target in absolute form is one of this server's, as the header Host names it."""
    try:
        target = urlsplit(url)
        port = target.port
    except ValueError:
        return False
    usual = _USUAL_PORTS.get(target.scheme)
    if usual is None or b"@" in target.netloc or not target.hostname:
        return False
    if host is None:
        return True
    try:
        sent = urlsplit(b"//" + host)
        return sent.hostname == target.hostname and (sent.port or usual) == (port or usual)
    except ValueError:
        return False


def stranger(version: str, headers: Headers) -> str | None:
    """Return why a request cannot come from this machine's own programs and pages, or None.

    For the demo, whose keys everybody knows: a page elsewhere reaches loopback by a name of its own that it points
    there (DNS rebinding), and a proxy lets others in. Many proxies still ask in HTTP/1.0 unless told otherwise.
    """
    if version == "1.0":
        return "the demo takes HTTP/1.1 only, as proxies ask in HTTP/1.0 and its keys are well known; call it directly"
    for name, value in headers:
        if name == b"host" and not is_local(value):
            return (
                "the demo answers to localhost, 127.0.0.1 and [::1] only, because its keys are well known; call it by"
                " one of these, or serve without --demo"
            )
        if name in _FORWARDING or name.startswith(b"x-forwarded-"):
            return (
                "the demo answers no requests that a proxy forwards, because its keys are well known; call it directly,"
                " or serve without --demo"
            )
    return None


def is_local(host: bytes) -> bool:
    """Whether the value of a header Host names this machine; its port may be a tunnel's."""
    name = host.partition(b"]")[0][1:] if host[:1] == b"[" else host.partition(b":")[0]
    if name.lower() in _LOCAL:
        return True
    try:
        return ip_address(name.decode("ascii")).is_loopback
    except ValueError:
        return False
