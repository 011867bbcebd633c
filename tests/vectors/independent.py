"""What vector scripts use instead of our own code: cbor2, cryptography, zlib, COBS as in its paper."""

import hashlib
import hmac as _hmac
import json
import zlib
from pathlib import Path
from typing import Any

import cbor2
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.kdf.hkdf import HKDF, HKDFExpand

HERE = Path(__file__).resolve().parent


def write(name: str, content: dict[str, Any]) -> None:
    """One vector file, the same bytes for the same content."""
    (HERE / name).write_text(json.dumps(content, indent=1, ensure_ascii=True) + "\n")


def cbor(value: Any) -> bytes:
    """RFC 8949 §4.2.1: cbor2 encodes the items, maps are put in order here (it sorts by length first)."""
    if isinstance(value, dict):
        items = sorted((cbor(key), cbor(item)) for key, item in value.items())
        head = cbor2.dumps(dict.fromkeys(range(len(items))))[: _head(len(items))]
        return head + b"".join(key + item for key, item in items)
    if isinstance(value, list | tuple):
        head = cbor2.dumps([None] * len(value))[: _head(len(value))]
        return head + b"".join(cbor(item) for item in value)
    if isinstance(value, cbor2.CBORTag):
        head = cbor2.dumps(cbor2.CBORTag(value.tag, None))[:-1]
        return head + cbor(value.value)
    return cbor2.dumps(value)


def _head(count: int) -> int:
    return 1 if count < 24 else 2 if count < 256 else 3


def json_form(value: Any) -> Any:
    """A CBOR value in JSON: bytes {"h": hex}, maps {"m": [[key, value]]}, tags {"t": [number, value]}."""
    if isinstance(value, bytes):
        return {"h": value.hex()}
    if isinstance(value, dict):
        return {"m": [[json_form(key), json_form(item)] for key, item in value.items()]}
    if isinstance(value, list | tuple):
        return [json_form(item) for item in value]
    if isinstance(value, cbor2.CBORTag):
        return {"t": [value.tag, json_form(value.value)]}
    return value


def sha256(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()


def hmac(key: bytes, message: bytes) -> bytes:
    return _hmac.new(key, message, hashlib.sha256).digest()


def expand(key: bytes, info: bytes, length: int) -> bytes:
    return HKDFExpand(hashes.SHA256(), length, info).derive(key)


def extract(salt: bytes, ikm: bytes) -> bytes:
    return HKDF.extract(hashes.SHA256(), salt, ikm)


def aes_ctr(key: bytes, first_block: bytes, data: bytes) -> bytes:
    """AES-128 in the library's own counter mode."""
    encryptor = Cipher(algorithms.AES(key), modes.CTR(first_block)).encryptor()
    return encryptor.update(data) + encryptor.finalize()


def cobs(data: bytes) -> bytes:
    """Byte by byte, after the listing of Cheshire and Baker; no empty block after a full last one."""
    out = bytearray([0])
    code_at, code = 0, 1
    for index, byte in enumerate(data):
        if byte:
            out.append(byte)
            code += 1
        if not byte or (code == 0xFF and index + 1 < len(data)):
            out[code_at] = code
            code_at, code = len(out), 1
            out.append(0)
    out[code_at] = code
    return bytes(out)


def frame(kind: int, body: bytes, version: int = 1) -> bytes:
    inner = bytes([version, kind]) + body
    return cobs(inner + zlib.crc32(inner).to_bytes(4, "big")) + b"\x00"
