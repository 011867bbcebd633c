"""The part `people` of config.json, and the development token of keys.json.

  "people": {"origin": "https://controller.example",     where people's browsers find the pages; absent: public_url
             "proxies": ["127.0.0.1"]}                   whose X-Forwarded-For is believed; absent: nobody's

With this part accounts are configured. Without it, and in a development kit only, one token that `stallmark kit new` writes
beside config.json may do everything, from this machine alone."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class People:
    """`configured`: whether config.json has the part. `development_token`: SHA-256 of the token, None where there is none or
    it does not count. `proxies`: addresses or networks of proxies before this controller, which put the other end's address
    into `X-Forwarded-For`."""

    configured: bool = False
    origin: str = ""
    proxies: tuple[str, ...] = ()
    development_token: bytes | None = field(default=None, repr=False)
