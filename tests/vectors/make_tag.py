"""Writes tag.json: tag keys, their way to a brick, and the published examples of AN10922 and AN12196."""

from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.cmac import CMAC
from independent import aes_ctr, cbor, expand, hmac, write

MASTER = bytes(range(32))  # a test key
EVENT = bytes.fromhex("e1e2e3e4e5e6e7e8")
UID = bytes.fromhex("04a1b2c3d4e580")
BRICK = bytes.fromhex("b1b2b3b4b5b6b7b8")
CONTROL = bytes(range(64, 96))
NONCE = bytes(range(12))


def cmac(key: bytes, message: bytes) -> bytes:
    made = CMAC(AES(key))
    made.update(message)
    return made.finalize()


def short(mac: bytes) -> bytes:
    return mac[1::2]


NAMES = ("own", "live", "meta", "file", "spare", "password")
bases = {name: expand(MASTER, f"stallmark/tag-{name}/1\0".encode() + EVENT, 16) for name in NAMES}


def key(name: str, number: int) -> bytes:
    return cmac(bases[name], b"\x01" + UID + b"stallmark" + bytes([number]))


tag = [key("own", 0), key("live", 1), bases["meta"], key("file", 3), key("spare", 4)]
plain = cbor({0: 1, 1: 7, 2: EVENT, 3: bases["meta"], 4: bases["file"], 5: bases["live"]})
sealed = aes_ctr(expand(CONTROL, b"tag keys enc", 16), NONCE + bytes(4), plain)
mac = hmac(expand(CONTROL, b"tag keys mac", 32), b"stallmark/tag-keys/1\0" + BRICK + NONCE + sealed)[:16]


def sdm(counter: int) -> dict[str, object]:
    from cryptography.hazmat.primitives.ciphers import Cipher, modes

    body = b"\xc7" + UID + counter.to_bytes(3, "little") + bytes(range(5))
    encryptor = Cipher(AES(tag[2]), modes.ECB()).encryptor()
    picc = encryptor.update(body) + encryptor.finalize()
    session = cmac(tag[3], bytes.fromhex("3cc300010080") + UID + counter.to_bytes(3, "little"))
    return {"counter": counter, "picc": picc.hex(), "mac": short(cmac(session, b"")).hex()}


write(
    "tag.json",
    {
        "master": MASTER.hex(),
        "event": EVENT.hex(),
        "uid": UID.hex(),
        "bases": {name: value.hex() for name, value in bases.items()},
        "keys": [value.hex() for value in tag],
        "password": key("password", 0xFF)[:6].hex(),
        "brick": BRICK.hex(),
        "control": CONTROL.hex(),
        "version": 7,
        "message": [NONCE.hex(), sealed.hex(), mac.hex()],
        "sdm": [sdm(counter) for counter in (1, 61, 0x010203, 0xFFFFFF)],
        "an10922": {
            "key": "00112233445566778899aabbccddeeff",
            "input": "04782e21801d803042f54e585020416275",
            "diversified": "a8dd63a3b89d54b37ca802473fda9175",
        },
        "an12196_sdm": {
            "key": "00000000000000000000000000000000",
            "picc": "ef963ff7828658a599f3041510671e88",
            "mac": "94eed9ee65337086",
            "uid": "04de5f1eacc040",
            "counter": 61,
        },
        "an12196_authentication": [
            {
                "key": "00000000000000000000000000000000",
                "number": 0,
                "random": "13c5db8a5930439fc3def9a4c675360f",
                "begin": "9071000002000000",
                "challenge": "a04c124213c186f22399d33ac2a3021591af",
                "answer": "90af00002035c3e05a752e0144bac0de51c1f22c56b34408a23d8aea266cab947ea8e0118d00",
                "proof": "3fa64db5446d1f34cd6ea311167f5e4985b89690c04a05f17fa7ab2f081206639100",
                "ti": "9d00c4df",
                "ins": "8d",
                "header": "02000000800000",
                "data": (
                    "0051d1014d550463686f6f73652e75726c2e636f6d2f6e7461673432343f653d"
                    + "30" * 32
                    + "26633d"
                    + "30" * 16
                    + "00" * 45
                ),
                "apdu": (
                    "908d00009f02000000800000421c73a27d827658af481fdff20a5025b559d0e3"
                    "aa21e58d347f343cffc768bfe596c706bc00f2176781d4b0242642a0ff5a42c4"
                    "61aaf894d9a1284b8c76bcfa658acd40555d362e08db15cf421b51283f9064bc"
                    "be20e96cae545b407c9d651a3315b27373772e5da2367d2064ae054af996c6f1"
                    "f669170fa88ce8c4e3a4a7bbbef0fd971ff532c3a802af745660f2b4d1d9a849"
                    "9661ebf300"
                ),
                "reply": "fc222e5f7a5424529100",
            },
            {
                "key": "00000000000000000000000000000000",
                "number": 0,
                "random": "b98f4c50cf1c2e084fd150e33992b048",
                "begin": "9071000002000000",
                "challenge": "b875ceb0e66a6c5cd00898dc371f92d191af",
                "answer": "90af000020ff0306e47dfbc50087c4d8a78e88e62de1e8be457aa477c707e2f0874916a8b100",
                "proof": "0cc9a8094a8eea683ecaac5c7bf20584206d0608d477110fc6b3d5d3f65c3a6a9100",
                "ti": "7614281a",
                "ins": "8d",
                "header": "030000000a0000",
                "data": "0102030405060708090a",
                "apdu": "908d00001f030000000a00006b5e6804909962fc4e3ff5522cf0f8436c0c53315b9c73aa00",
                "reply": "c26d236e4a7c046d9100",
            },
        ],
        "an12196_reading": {
            "enc": "2b4d963c014dc36f24f69a50a394f875",
            "mac": "379d32130ce61705dd5fd8c36b95d764",
            "ti": "df055522",
            "apdu": "90510000088e2c155adda99be300",
            "reply": "70756055688505b52a5e26e59e329cd6595f672298ea41b79100",
            "uid": "04958caa5c5e80",
        },
    },
)
