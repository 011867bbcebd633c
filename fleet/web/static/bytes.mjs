// Bytes to text and back: hex, base64 (strict), base64url, base32; joining and comparing.

export class FormatError extends Error {
  constructor(message) {
    super(message);
    this.name = "FormatError";
  }
}

const utf8 = new TextEncoder();

/** UTF-8 bytes of a string. */
export function text(string) {
  return utf8.encode(string);
}

/** Every argument (Uint8Array) after the other, in one new array. */
export function concat(...parts) {
  const all = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}

/** True where both hold the same bytes. Public data only, so time does not matter. */
export function equal(a, b) {
  return a.length === b.length && a.every((byte, i) => byte === b[i]);
}

/** Order of encoded bytes: negative, zero or positive, as RFC 8949 §4.2.1 sorts map keys. */
export function compare(a, b) {
  const n = Math.min(a.length, b.length);
  for (let i = 0; i < n; i++) if (a[i] !== b[i]) return a[i] - b[i];
  return a.length - b.length;
}

/** `number` as four bytes, big-endian. */
export function u32(number) {
  return Uint8Array.of(number >>> 24, (number >>> 16) & 255, (number >>> 8) & 255, number & 255);
}

export function hex(bytes) {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

export function fromHex(string) {
  if (string.length % 2 || !/^[0-9a-fA-F]*$/.test(string)) throw new FormatError("not hexadecimal");
  return Uint8Array.from(string.match(/../g) ?? [], (pair) => parseInt(pair, 16));
}

export function base64(bytes) {
  let binary = "";
  for (const byte of bytes) binary += String.fromCharCode(byte);
  return btoa(binary);
}

/** RFC 4648 §4 with padding, no white space; `strict` also refuses stray bits in the last character. */
export function fromBase64(string, strict = true) {
  if (!/^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/.test(string)) throw new FormatError("not base64");
  const bytes = Uint8Array.from(atob(string), (char) => char.charCodeAt(0));
  if (strict && base64(bytes) !== string) throw new FormatError("base64 is not in its one canonical form");
  return bytes;
}

/** RFC 4648 §5, padding optional. */
export function fromBase64url(string) {
  const plain = string.replace(/=+$/, "").replace(/-/g, "+").replace(/_/g, "/");
  return fromBase64(plain + "=".repeat((4 - (plain.length % 4)) % 4));
}

const ALPHABET32 = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

/** RFC 4648 §6 without padding, upper or lower case; stray bits at the end are refused. */
export function fromBase32(string) {
  const out = [];
  let bits = 0;
  let count = 0;
  for (const char of string.toUpperCase()) {
    const value = ALPHABET32.indexOf(char);
    if (value < 0) throw new FormatError("not base32");
    bits = (bits << 5) | value;
    count += 5;
    if (count >= 8) {
      count -= 8;
      out.push((bits >> count) & 255);
      bits &= (1 << count) - 1;
    }
  }
  if (bits !== 0 || count >= 5) throw new FormatError("base32 has bits left over");
  return Uint8Array.from(out);
}
