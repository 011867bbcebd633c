"""Passkeys (WebAuthn level 2), by py_webauthn: make one, sign in with one.

A challenge is not kept: it carries its purpose, its end and a MAC under a key of this process. One that was answered well is
kept until it ends, so that no answer counts twice. Passkeys belong to a name, not to an address: at http://127.0.0.1 browsers
make none, at http://localhost they do.

The library takes a tenth of a second to load: it is imported with the first ceremony, not with the controller's start."""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
import json
import secrets
from collections import OrderedDict
from typing import Any
from urllib.parse import urlsplit

from sqlalchemy import Connection, delete, insert, select, update

from fleet.db import tables_people as t
from fleet.errors import Refused
from fleet.people import accounts, audit
from fleet.people.accounts import Account
from fleet.people.actors import Actor

LIFE_MS = 300_000
MOST = 10  # of one account
ANSWERED = 4096  # challenges that were answered well and have not ended
MAX_BODY = 16_384
# What the library raises where an answer's parts are rubbish, beside its own.
UNREADABLE = (ValueError, TypeError, KeyError, AttributeError, IndexError)


class Passkeys:
    """The ceremonies for one address of pages, `https://name[:port]`. Challenges end with the process."""

    def __init__(self, origin: str) -> None:
        self._origin = origin
        self._name = urlsplit(origin).hostname or ""
        self._key = secrets.token_bytes(32)
        self._answered: OrderedDict[bytes, int] = OrderedDict()

    @property
    def why_not(self) -> str | None:
        """Why browsers make no passkeys for this address; None where they do."""
        secure = self._origin.startswith("https://") or self._name == "localhost"
        try:
            ipaddress.ip_address(self._name)
        except ValueError:
            return None if secure else "passkeys need https: this controller's public_url begins with http"
        return "passkeys need a name: this controller's public_url is an address; use https://NAME, or http://localhost"

    def begin_making(self, connection: Connection, account: Account, now_ms: int) -> dict[str, Any]:
        """What the page hands to navigator.credentials.create. Raises Refused 409."""
        import webauthn
        from webauthn.helpers import structs

        self._demand()
        known = connection.execute(
            select(t.passkeys.c.credential).where(t.passkeys.c.account == account.name)
        ).scalars()
        options = webauthn.generate_registration_options(
            rp_id=self._name,
            rp_name="Stallmark",
            user_name=account.name,
            user_id=account.handle,
            user_display_name=account.shown,
            challenge=self._challenge("make", account.name, now_ms),
            authenticator_selection=structs.AuthenticatorSelectionCriteria(
                resident_key=structs.ResidentKeyRequirement.REQUIRED,
                user_verification=structs.UserVerificationRequirement.REQUIRED,
            ),
            exclude_credentials=[structs.PublicKeyCredentialDescriptor(id=one) for one in known],
        )
        return json.loads(webauthn.options_to_json(options))

    def finish_making(
        self, connection: Connection, account: Account, answer: dict[str, Any], name: str, now_ms: int
    ) -> str:
        """Stores a passkey; returns its id in hex. Raises Refused 409, 422."""
        import webauthn
        from webauthn.helpers.exceptions import WebAuthnException

        challenge = self._met(answer, "make", account.name, now_ms)
        if not 0 < len(name) <= 64 or not name.isprintable():
            raise Refused(422, "a passkey's name has at most 64 printable characters")
        try:
            found = webauthn.verify_registration_response(
                credential=answer,
                expected_challenge=challenge,
                expected_rp_id=self._name,
                expected_origin=self._origin,
                require_user_verification=True,
            )
        except (WebAuthnException, *UNREADABLE) as failed:
            raise Refused(422, f"this passkey cannot be taken: {failed}") from None
        mine = connection.execute(
            select(t.passkeys.c.credential).where(t.passkeys.c.account == account.name)
        ).all()
        taken = connection.execute(
            select(t.passkeys.c.account).where(t.passkeys.c.credential == found.credential_id)
        ).first()
        if len(mine) >= MOST or taken is not None:
            raise Refused(409, f"an account has at most {MOST} passkeys, and each one belongs to one account")
        connection.execute(
            insert(t.passkeys).values(
                credential=found.credential_id,
                account=account.name,
                public=found.credential_public_key,
                uses=found.sign_count,
                name=name,
                made_ms=now_ms,
                last_ms=None,
            )
        )
        self._used(challenge, now_ms)
        number = _number(found.credential_id)
        audit.record(
            connection,
            account.actor(),
            "people.passkey.make",
            f"account {account.name}",
            None,
            {"passkey": number, "name": name},
            now_ms,
        )
        return number

    def begin_signing_in(self, now_ms: int) -> dict[str, Any]:
        """What the page hands to navigator.credentials.get: no name is asked, so none is told. Raises Refused 409."""
        import webauthn
        from webauthn.helpers import structs

        self._demand()
        options = webauthn.generate_authentication_options(
            rp_id=self._name,
            challenge=self._challenge("sign in", "", now_ms),
            user_verification=structs.UserVerificationRequirement.REQUIRED,
        )
        return json.loads(webauthn.options_to_json(options))

    def finish_signing_in(self, connection: Connection, answer: dict[str, Any], now_ms: int) -> Account:
        """Whose passkey answered. Raises Refused 401, 422. A counter that runs back is a copied authenticator: refused."""
        import webauthn
        from webauthn.helpers import base64url_to_bytes
        from webauthn.helpers.exceptions import WebAuthnException

        challenge = self._met(answer, "sign in", "", now_ms)
        refused = Refused(
            401, "this passkey is not known here: sign in with a password, or ask a fleet admin"
        )
        try:
            credential = base64url_to_bytes(str(answer["rawId"]))
        except (KeyError, ValueError):
            raise refused from None
        row = connection.execute(select(t.passkeys).where(t.passkeys.c.credential == credential)).first()
        owner = None if row is None else accounts.find(connection, row.account)
        if row is None or owner is None or owner.disabled_ms is not None:
            raise refused
        try:
            found = webauthn.verify_authentication_response(
                credential=answer,
                expected_challenge=challenge,
                expected_rp_id=self._name,
                expected_origin=self._origin,
                credential_public_key=row.public,
                credential_current_sign_count=row.uses,
                require_user_verification=True,
            )
        except (WebAuthnException, *UNREADABLE) as failed:
            raise Refused(401, f"this passkey's answer does not hold: {failed}") from None
        connection.execute(
            update(t.passkeys)
            .where(t.passkeys.c.credential == credential)
            .values(uses=found.new_sign_count, last_ms=now_ms)
        )
        self._used(challenge, now_ms)
        return owner

    def _demand(self) -> None:
        if self.why_not is not None:
            raise Refused(409, self.why_not)

    def _challenge(self, purpose: str, account: str, now_ms: int) -> bytes:
        head = secrets.token_bytes(16) + (now_ms + LIFE_MS).to_bytes(8, "big")
        return head + self._mac(head, purpose, account)

    def _mac(self, head: bytes, purpose: str, account: str) -> bytes:
        message = b"\0".join((purpose.encode(), account.encode(), head))
        return hmac.new(self._key, message, hashlib.sha256).digest()[:16]

    def _met(self, answer: dict[str, Any], purpose: str, account: str, now_ms: int) -> bytes:
        """The challenge that an answer names, if it is one of ours, for this, young and not answered yet."""
        from webauthn.helpers import base64url_to_bytes

        try:
            said: Any = json.loads(base64url_to_bytes(str(answer["response"]["clientDataJSON"])))
            challenge = base64url_to_bytes(str(said["challenge"]))
        except (KeyError, TypeError, ValueError, RecursionError):
            raise Refused(422, "this is no answer of a passkey") from None
        head, mac = challenge[:24], challenge[24:]
        if len(challenge) != 40 or not hmac.compare_digest(mac, self._mac(head, purpose, account)):
            raise Refused(
                401, "this answer is to another question: load the page again and use the passkey once more"
            )
        if int.from_bytes(head[16:], "big") < now_ms or challenge in self._answered:
            raise Refused(
                401, "this answer is too old, or was used before: load the page again and use the passkey"
            )
        return challenge

    def _used(self, challenge: bytes, now_ms: int) -> None:
        for old in [one for one, ends in self._answered.items() if ends < now_ms]:
            del self._answered[old]
        while len(self._answered) >= ANSWERED:
            self._answered.popitem(last=False)
        self._answered[challenge] = now_ms + LIFE_MS


def every(connection: Connection, account: str) -> list[dict[str, Any]]:
    """Passkeys of an account by name and age; their numbers open nothing."""
    rows = connection.execute(
        select(t.passkeys).where(t.passkeys.c.account == account).order_by(t.passkeys.c.made_ms)
    )
    return [
        {
            "passkey": _number(row.credential),
            "name": row.name,
            "made_ms": row.made_ms,
            "last_ms": row.last_ms,
        }
        for row in rows
    ]


def remove(connection: Connection, actor: Actor, account: Account, number: str, now_ms: int) -> None:
    """Forgets one of an account. Raises Refused 404."""
    for row in connection.execute(select(t.passkeys).where(t.passkeys.c.account == account.name)).all():
        if _number(row.credential) == number:
            connection.execute(delete(t.passkeys).where(t.passkeys.c.credential == row.credential))
            audit.record(
                connection,
                actor,
                "people.passkey.end",
                f"account {account.name}",
                {"passkey": number, "name": row.name},
                None,
                now_ms,
            )
            return
    raise Refused(404, "there is no such passkey")


def _number(credential: bytes) -> str:
    return hashlib.sha256(credential).hexdigest()[:16]
