// What the fields of receipts and records may be: docs/formats/receipt.md and record.md as checks. Newer fields pass.

import { FormatError, text } from "./bytes.mjs";

const U32 = 2 ** 32 - 1;
const I64 = 2n ** 63n - 1n;

const whole = (low, high) => (value) =>
  (typeof value === "number" || typeof value === "bigint") && value >= low && value <= high;
const octets = (size) => (value) => value instanceof Uint8Array && value.length === size;
const words = (limit) => (value) => typeof value === "string" && text(value).length <= limit;
const list = (low, high, each = () => true) => (value) =>
  Array.isArray(value) && value.length >= low && value.length <= high && value.every(each);
const tuple = (...kinds) => (value) =>
  Array.isArray(value) && value.length === kinds.length && kinds.every((kind, i) => kind(value[i]));
const either = (...kinds) => (value) => kinds.some((kind) => kind(value));

const count = whole(0, I64);
const integer = whole(-I64 - 1n, I64);
const nothing = (value) => value === null;
const maybe = (kind) => either(nothing, kind);
const u32 = whole(0, U32);

// field: what it must be; the lists name those that are always there
const RECEIPT = {
  0: whole(1, 1),
  1: (value) => value instanceof Uint8Array && value.length > 0 && value.length <= 440,
  2: octets(16),
  3: octets(8),
  4: whole(1, I64),
  5: octets(16),
  6: count,
  7: count,
  8: whole(0, 255),
  9: octets(32),
  10: octets(16),
  11: octets(16),
  12: list(0, 16, tuple(either(integer, words(16)), integer, integer, integer)),
  13: tuple(either(integer, words(32)), count),
  14: words(32),
  15: u32,
  16: octets(8),
  17: list(0, 16, octets(32)),
  18: octets(16),
  19: list(2, 2),
};
const RECEIPT_ALWAYS = [0, 1, 2, 3, 4, 5, 6, 7, 8, 11, 15, 16];

const why = (value) => list(1, 8, maybe(integer))(value) && value.at(-1) !== null;

const RECORD = {
  0: u32,
  1: octets(8),
  2: whole(1, U32),
  3: u32,
  4: u32,
  5: maybe(count),
  6: count,
  7: tuple(whole(0, 255), count),
  8: octets(8),
  9: whole(0, 65535),
  10: u32,
  11: whole(0, 65535),
  12: list(0, 16, tuple(whole(0, 255), maybe(count), maybe(count))),
  13: list(0, 64, tuple(u32, count)),
  14: why,
  15: octets(8),
  16: u32,
  17: octets(16),
  18: octets(16),
  19: tuple(count, count),
  20: whole(1, U32),
  21: octets(16),
  22: whole(0, 65535),
  23: words(3),
  24: list(0, 16),
};
const RECORD_ALWAYS = [0, 1, 2, 3, 4, 5, 6, 7, 10, 16, 18];

// field 24 by kind of record
const DETAIL = {
  9: tuple(count),
  12: tuple(count, maybe(count)),
  13: tuple(words(24)),
  17: tuple(maybe(octets(32)), octets(32), count, count, count),
  18: tuple(maybe(count), maybe(count), count),
  20: tuple(count, count),
  21: tuple(count),
};

function check(map, what, table, always) {
  if (!(map instanceof Map)) throw new FormatError(`${what}: not a map`);
  for (const key of always) if (!map.has(key)) throw new FormatError(`${what}: field ${key} is missing`);
  for (const [key, value] of map) {
    if (key < 0) throw new FormatError(`${what}: negative field`);
    if (table[key] && !table[key](value)) throw new FormatError(`${what}: field ${key} is not what it must be`);
  }
  return map;
}

/** The payload map of a receipt, checked. */
export function receiptFields(map) {
  return check(map, "receipt", RECEIPT, RECEIPT_ALWAYS);
}

/** The public map of a record, checked. */
export function recordFields(map) {
  check(map, "record", RECORD, RECORD_ALWAYS);
  const detail = DETAIL[map.get(10)];
  if (map.has(24) && detail && !detail(map.get(24))) throw new FormatError("record: field 24 is not that of its kind");
  return map;
}
