"""How alerts leave this machine: by mail (RFC 5321, with smtplib) or posted to a webhook. Blocking, each with an end.

A webhook's request is signed: `Stallmark-Signature: t=SECONDS,v1=HEX`, HMAC-SHA256 with the secret over `SECONDS.` and the body.
It goes to an address that was looked up once and checked: none of this machine or a private network unless configured so. No
redirect is followed."""

from __future__ import annotations

import hashlib
import hmac
import http.client
import ipaddress
import json
import smtplib
import socket
import ssl
from email.message import EmailMessage
from threading import Timer
from typing import Any
from urllib.parse import urlsplit

from fleet.alerts.settings import Mail, Webhook
from fleet.errors import FleetError

STEP_S = 10.0  # of one step of a connection
WHOLE_S = 30.0  # of all of it
GOOD = range(200, 300)


class NotSent(FleetError):
    """It did not arrive; the message says why, without secrets."""


def post(one: Webhook, body: bytes, now_s: int) -> None:
    """Raises NotSent."""
    parts = urlsplit(one.url)
    host, secure = parts.hostname or "", parts.scheme == "https"
    port = parts.port or (443 if secure else 80)
    stamp = hmac.new(one.key(), b"%d." % now_s + body, hashlib.sha256).hexdigest()
    headers = {
        "Content-Type": "application/json",
        "Stallmark-Signature": f"t={now_s},v1={stamp}",
        "Connection": "close",
    }
    wire: socket.socket | None = None
    end: Timer | None = None
    try:
        wire = socket.create_connection((_address(host, port, one.private), port), STEP_S)
        # Each step has its time-out; an answer that drips would pass them all.
        end = Timer(WHOLE_S, _hang_up, (wire,))
        end.daemon = True
        end.start()
        if secure:
            wire = ssl.create_default_context().wrap_socket(wire, server_hostname=host)
        connection = http.client.HTTPConnection(host, port, timeout=STEP_S)
        connection.sock = wire
        path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        connection.request("POST", path, body, headers)
        status = connection.getresponse().status
    except (OSError, http.client.HTTPException, ValueError) as failed:
        raise NotSent(f"{one.name}: {type(failed).__name__} at {host}") from None
    finally:
        if end is not None:
            end.cancel()
        if wire is not None:
            wire.close()
    if status not in GOOD:
        more = ": redirects are not followed" if 300 <= status < 400 else ""
        raise NotSent(f"{one.name}: {host} answered {status}{more}")


def mail(one: Mail, subject: str, text: str) -> None:
    """Raises NotSent."""
    message = EmailMessage()
    message["Subject"], message["From"], message["To"] = subject, one.sender, ", ".join(one.to)
    message["Auto-Submitted"] = "auto-generated"  # RFC 3834: no holiday answers
    message.set_content(text)
    try:
        context = ssl.create_default_context()
        if one.tls == "tls":
            server: smtplib.SMTP = smtplib.SMTP_SSL(one.host, one.port, timeout=STEP_S, context=context)
        else:
            server = smtplib.SMTP(one.host, one.port, timeout=STEP_S)
        with server:
            end = Timer(WHOLE_S, _hang_up, (server.sock,))
            end.daemon = True
            end.start()
            try:
                if one.tls == "starttls":
                    server.starttls(context=context)
                if one.user:
                    server.login(one.user, one.password.get_secret_value())
                server.send_message(message)
            finally:
                end.cancel()
    except (OSError, smtplib.SMTPException, ValueError) as failed:
        code = getattr(failed, "smtp_code", None)
        raise NotSent(
            f"{one.name}: {type(failed).__name__}{f' {code}' if code else ''} at {one.host}"
        ) from None


def hook_body(changes: list[dict[str, Any]], origin: str, at_ms: int) -> bytes:
    """What a webhook gets: `{"origin", "at_ms", "changes": [{"id", "change": "new" | "changed" | "ended", …the alert}]}`."""
    return json.dumps({"origin": origin, "at_ms": at_ms, "changes": changes}, sort_keys=True).encode()


def letter(changes: list[dict[str, Any]], name: str) -> tuple[str, str]:
    """(subject, text) of a mail."""
    first = changes[0]
    more = f" and {len(changes) - 1} more" if len(changes) > 1 else ""
    subject = f"{name}: {first['change']}, {first['urgency']}: {first['sentence']}{more}"
    lines = [
        f"{one['change']}, {one['urgency']}: {one['sentence']}\n  whose: {one['owner']}"
        + (f", taken by {one['taken_by']}" if one.get("taken_by") else "")
        + f"\n  what to do: {one['remedy']}\n"
        for one in changes
    ]
    return "".join(c if c.isprintable() else " " for c in subject)[:200], "\n".join(lines)


def _address(host: str, port: int, private: bool) -> str:
    """One lookup, checked, and then used: a name that changes in between leads nowhere else. Raises OSError, ValueError."""
    found = [str(one[4][0]) for one in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)]
    for text in found:
        if not private and not _public(ipaddress.ip_address(text.partition("%")[0])):
            raise ValueError("of a private network")
    return found[0]


def _public(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> bool:
    inner = getattr(address, "ipv4_mapped", None) or getattr(address, "sixtofour", None)
    return address.is_global and not address.is_multicast and (inner is None or inner.is_global)


def _hang_up(wire: socket.socket) -> None:
    try:
        wire.shutdown(socket.SHUT_RDWR)
    except OSError:
        return
