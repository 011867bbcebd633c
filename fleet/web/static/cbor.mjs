// Deterministic CBOR as docs/formats/cbor.md narrows RFC 8949 §4.2.1: whatever is not in that form is refused.
//
// Integers come out as Number, or as BigInt beyond 2^53; byte strings as Uint8Array; maps as Map.

import { FormatError, compare, concat, text } from "./bytes.mjs";

const INT64 = 2n ** 63n;

/** A tagged value: `number` and `value`. */
export class Tag {
  constructor(number, value) {
    this.number = number;
    this.value = value;
  }
}

/** The one value in `bytes`. Throws FormatError, with the offset, for anything else. */
export function decode(bytes, { maxDepth = 8, maxItems = 1024 } = {}) {
  const reader = new Reader(bytes, maxItems);
  const value = reader.item(maxDepth);
  if (reader.at !== bytes.length) reader.refuse("bytes after the end");
  return value;
}

class Reader {
  constructor(bytes, maxItems) {
    this.bytes = bytes;
    this.at = 0;
    this.left = maxItems;
  }

  refuse(why) {
    throw new FormatError(`CBOR: ${why} at byte ${this.at}`);
  }

  take(count) {
    if (count > this.bytes.length - this.at) this.refuse("cut short");
    this.at += count;
    return this.bytes.subarray(this.at - count, this.at);
  }

  head() {
    const [initial] = this.take(1);
    const info = initial & 31;
    if (info < 24) return [initial >> 5, info];
    if (info > 27) this.refuse("indefinite or reserved length");
    const size = 1 << (info - 24);
    const argument = this.take(size).reduce((sum, byte) => (sum << 8n) | BigInt(byte), 0n);
    if (initial >> 5 === 7) return [7, -1];
    const least = [24n, 1n << 8n, 1n << 16n, 1n << 32n][info - 24];
    if (argument < least) this.refuse("length or number is longer than needed");
    return [initial >> 5, argument <= Number.MAX_SAFE_INTEGER ? Number(argument) : argument];
  }

  item(depth) {
    if (--this.left < 0) this.refuse("too many items");
    if (depth < 0) this.refuse("nested too deep");
    const [major, argument] = this.head();
    switch (major) {
      case 0:
        if (argument >= INT64) this.refuse("integer beyond int64");
        return argument;
      case 1:
        if (argument >= INT64) this.refuse("integer beyond int64");
        return typeof argument === "number" && argument < Number.MAX_SAFE_INTEGER
          ? -1 - argument
          : -1n - BigInt(argument);
      case 2:
        return this.take(argument).slice();
      case 3:
        return this.utf8(this.take(argument));
      case 4:
        return this.array(argument, depth);
      case 5:
        return this.map(argument, depth);
      case 6:
        if (argument === 2 || argument === 3) this.refuse("bignum");
        return new Tag(argument, this.item(depth - 1));
      default:
        if (argument === 20 || argument === 21) return argument === 21;
        if (argument === 22) return null;
        return this.refuse("float or other simple value");
    }
  }

  utf8(bytes) {
    try {
      // ignoreBOM: a leading U+FEFF is text like any other and must not vanish.
      return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
    } catch {
      return this.refuse("text is not UTF-8");
    }
  }

  array(count, depth) {
    if (count > this.left) this.refuse("too many items");
    const list = [];
    for (let i = 0; i < count; i++) list.push(this.item(depth - 1));
    return list;
  }

  map(count, depth) {
    if (count > this.left) this.refuse("too many items");
    const map = new Map();
    let previous = null;
    for (let i = 0; i < count; i++) {
      const start = this.at;
      const key = this.item(depth - 1);
      if (typeof key !== "number" && typeof key !== "bigint") this.refuse("map key is not an integer");
      const encoded = this.bytes.subarray(start, this.at);
      if (previous && compare(previous, encoded) >= 0) this.refuse("map keys unsorted or repeated");
      previous = encoded;
      map.set(key, this.item(depth - 1));
    }
    return map;
  }
}

function head(major, argument) {
  const n = BigInt(argument);
  const size = n < 24n ? 0 : n < 1n << 8n ? 1 : n < 1n << 16n ? 2 : n < 1n << 32n ? 4 : 8;
  const bytes = new Uint8Array(1 + size);
  bytes[0] = (major << 5) | (size === 0 ? Number(n) : 24 + Math.log2(size));
  for (let i = 0; i < size; i++) bytes[size - i] = Number((n >> BigInt(8 * i)) & 255n);
  return bytes;
}

/** The deterministic bytes of a value built from what `decode` returns. */
export function encode(value) {
  if (value === null) return Uint8Array.of(0xf6);
  if (value === true || value === false) return Uint8Array.of(value ? 0xf5 : 0xf4);
  if (typeof value === "bigint" || Number.isSafeInteger(value)) {
    const n = BigInt(value);
    if (n >= INT64 || n < -INT64) throw new FormatError("CBOR: integer beyond int64");
    return n >= 0n ? head(0, n) : head(1, -1n - n);
  }
  if (value instanceof Uint8Array) return concat(head(2, value.length), value);
  if (typeof value === "string") {
    const bytes = text(value);
    return concat(head(3, bytes.length), bytes);
  }
  if (Array.isArray(value)) return concat(head(4, value.length), ...value.map(encode));
  if (value instanceof Tag) return concat(head(6, value.number), encode(value.value));
  if (value instanceof Map) {
    const pairs = [...value].map(([key, item]) => [encode(key), encode(item)]);
    pairs.sort(([a], [b]) => compare(a, b));
    return concat(head(5, pairs.length), ...pairs.flat());
  }
  throw new FormatError("CBOR: not a value of this profile");
}
