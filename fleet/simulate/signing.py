"""What a simulated host signs: its requests for short tokens, the receipts over its bricks' records, its batches."""

from __future__ import annotations

import base64
import secrets
from collections.abc import Sequence
from typing import Any

from nacl.signing import SigningKey

from fleet.config import kid8
from fleet.core import batch, receipt
from fleet.enrolment import signed

TOKEN_PATH = "/v1/hosts/token"  # noqa: S105 (an address)
Written = tuple[dict[int, Any], bytes, bytes]  # fields, public part, MAC of a record


class Signer:
    """One host's key and where its chains stand."""

    def __init__(self, key: SigningKey) -> None:
        self._key = key
        self.host = kid8(bytes(key.verify_key))
        self._head: bytes = receipt.protected(self.host)
        self._seq, self._prev = 0, bytes(16)
        self._number, self._prev_batch = 0, bytes(32)

    def token_request(self, now_s: int, name: str) -> tuple[bytes, dict[str, str]]:
        """(body, headers) of a request for a short token (docs/enrolment.md), to the controller of this name."""
        body = b"{}"
        params = (
            f'{signed.COMPONENTS};created={now_s};nonce="{secrets.token_urlsafe(18)}";keyid="{self.host.hex()}"'
            f';alg="ed25519";tag="{signed.TAG}"'
        )
        digest = signed.content_digest(body)
        asked = signed.Request("POST", TOKEN_PATH, "", digest, f"sig1={params}", "", body, ())
        signature = self._key.sign(signed.signature_base(asked, params, name)).signature
        return body, {
            "Content-Type": "application/json",
            "Content-Digest": digest,
            "Signature-Input": f"sig1={params}",
            "Signature": f"sig1=:{base64.b64encode(signature).decode()}:",
        }

    def batch(self, written: Sequence[Written], hub: bytes, now_ms: int) -> bytes:
        """The next batch: a receipt over each of these records, in order (docs/formats/receipt.md, batch.md)."""
        receipts = [self._receipt(*one, hub, now_ms) for one in written]
        first = receipt.parse(receipts[0]).fields
        self._number += 1
        header = self._sealed(
            batch.encode_header_payload(
                {
                    0: 1, 1: self.host, 2: self._number, 3: self._prev_batch, 4: batch.root(receipts), 5: len(receipts),
                    6: first[4], 7: first[7], 8: now_ms, 9: {},
                }
            )
        )  # fmt: skip
        self._prev_batch = batch.link(header)
        body: bytes = batch.body(header, receipts, [], [])
        return body

    def _receipt(self, fields: dict[int, Any], public: bytes, mac: bytes, hub: bytes, now_ms: int) -> bytes:
        self._seq += 1
        ms, basis = receipt.best_time(fields, now_ms)
        handle = receipt.handle(self.host * 4, fields[1], fields[2], mac)
        cose = self._sealed(
            receipt.encode_payload(
                {
                    0: 1, 1: public, 2: mac, 3: self.host, 4: self._seq, 5: self._prev, 6: now_ms, 7: receipt.window(ms),
                    8: basis, 11: receipt.holder(handle), 15: fields[16], 16: hub,
                }
            )
        )  # fmt: skip
        self._prev = receipt.short(cose)
        return cose

    def _sealed(self, payload: bytes) -> bytes:
        signature = self._key.sign(receipt.to_be_signed(self._head, payload)).signature
        cose: bytes = receipt.assemble(self._head, payload, signature)
        return cose
