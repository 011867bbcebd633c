"""A host that signs its requests, for tests: the profile of docs/enrolment.md from the other side, with a seed for its key."""

import base64
import hashlib

from nacl.signing import SigningKey

PARAMS = (
    '("@method" "@authority" "@path" "@query" "content-digest");created={created};nonce="{nonce}";keyid="{keyid}"'
    ';alg="ed25519";tag="stallmark-host"'
)


class HostSigner:
    """Its key, its id, and how many requests it signed."""

    def __init__(self, seed):
        self.key = SigningKey(hashlib.sha256(seed).digest())
        self.public = bytes(self.key.verify_key)
        self.host8 = hashlib.sha256(self.public).digest()[:8]
        self.count = 0

    def headers(self, method, target, body, now_ms, nonce=None, keyid=None, authority="stall.test"):
        """The headers of a request: `target` is path and query, `authority` the name that the test's controller has."""
        self.count += 1
        path, _, query = target.partition("?")
        digest = f"sha-256=:{base64.b64encode(hashlib.sha256(body).digest()).decode()}:"
        params = PARAMS.format(
            created=now_ms // 1000,
            nonce=nonce or f"nonce-of-this-test-{self.count:06d}",
            keyid=keyid or self.host8.hex(),
        )
        base = (
            f'"@method": {method}\n"@authority": {authority}\n"@path": {path}\n"@query": ?{query}\n"content-digest": {digest}\n'
            f'"@signature-params": {params}'
        )
        signature = base64.b64encode(self.key.sign(base.encode()).signature).decode()
        return {
            "Content-Digest": digest,
            "Signature-Input": f"sig1={params}",
            "Signature": f"sig1=:{signature}:",
            "Content-Type": "application/json",
        }
