// The ledger from outside: signed notes, checkpoints and proof files of C2SP, hashed as RFC 6962 says.

import { FormatError, concat, equal, fromBase64, fromHex, text } from "./bytes.mjs";

export const LEAF_RECEIPT = 1;
export const LEAF_DISCLOSURE = 6;

const PROOF_HEADER = "c2sp.org/tlog-proof@v1";
const MAX_SIBLINGS = 63;
const MAX_SIGNATURES = 100;

function need(condition, why) {
  if (!condition) throw new FormatError(why);
}

/** A decimal without leading zeros, below 2^53. */
function decimal(string, what) {
  need(/^(0|[1-9][0-9]{0,15})$/.test(string), `${what} is not a plain decimal`);
  const number = Number(string);
  need(Number.isSafeInteger(number), `${what} is too large`);
  return number;
}

function hash32(string, what, strict) {
  const bytes = fromBase64(string, strict);
  need(bytes.length === 32, `${what} is not 32 bytes`);
  return bytes;
}

/** A verifier key `name+hash8+base64(01 ‖ public32)`: `{name, keyId, publicKey}`. Checks the hash in it. */
export async function parseVkey(vkey, sha256) {
  const [name, id, ...rest] = vkey.split("+");
  const blob = fromBase64(rest.join("+"));
  need(name !== "" && blob.length === 33 && blob[0] === 1, "log key is not an Ed25519 verifier key");
  const keyId = fromHex(id ?? "");
  const digest = await sha256(concat(text(name + "\n"), blob));
  need(equal(keyId, digest.subarray(0, 4)), "log key does not match the hash in its name");
  return { name, keyId, publicKey: blob.slice(1) };
}

/** A signed note (C2SP signed-note): `{body, signatures: [{name, keyId, signature}]}`; body ends with a newline. */
export function parseNote(note) {
  const split = note.lastIndexOf("\n\n");
  need(split > 0 && note.endsWith("\n"), "checkpoint has no signature part");
  // Control characters other than the newline have no place in a note.
  need(!/[\u0000-\u0009\u000b-\u001f]/.test(note), "checkpoint has control characters");
  const body = note.slice(0, split + 1);
  const lines = note.slice(split + 2, -1).split("\n");
  need(lines.length <= MAX_SIGNATURES, "checkpoint has too many signatures");
  const signatures = lines.map((line) => {
    const match = /^\u2014 ([^\s+]+) ([A-Za-z0-9+/=]+)$/u.exec(line);
    need(match, "signature line is not in its form");
    const blob = fromBase64(match[2], false); // as Go's note package, which minds no stray bits
    need(blob.length > 4, "signature is too short");
    return { name: match[1], keyId: blob.subarray(0, 4), signature: blob.subarray(4) };
  });
  return { body, signatures };
}

/** The three lines of a checkpoint body: `{origin, size, root}`. */
export function parseCheckpoint(body) {
  const lines = body.split("\n");
  need(lines.length >= 4 && lines.at(-1) === "" && lines[0] !== "", "checkpoint is not three lines");
  return { origin: lines[0], size: decimal(lines[1], "tree size"), root: hash32(lines[2], "root hash", true) };
}

/**
 * A signed checkpoint of the log that `keys` (of parseKeys) names: `{origin, size, root}`. Throws FormatError where it
 * cannot be read; `trouble` instead of the rest says "other-log" or "checkpoint-signature".
 */
export async function openCheckpoint(note, keys, verify) {
  const { body, signatures } = parseNote(note);
  const checkpoint = parseCheckpoint(body);
  const { log } = keys;
  const ours = signatures.filter((one) => one.name === log.name && equal(one.keyId, log.keyId));
  if (checkpoint.origin !== log.origin || ours.length === 0) return { trouble: "other-log" };
  for (const { signature } of ours) {
    if (!(await verify(log.publicKey, text(body), signature))) return { trouble: "checkpoint-signature" };
  }
  return checkpoint;
}

/** A proof file (C2SP tlog-proof): `{index, siblings, checkpoint (text), extra}`; extra is unauthenticated. */
export function parseProof(file) {
  const split = file.indexOf("\n\n");
  need(split > 0, "proof has no checkpoint");
  const lines = file.slice(0, split).split("\n");
  need(lines.shift() === PROOF_HEADER, "not a tlog-proof file");
  let extra = null;
  if (lines[0]?.startsWith("extra ")) extra = fromBase64(lines.shift().slice(6), false);
  need(lines[0]?.startsWith("index "), "proof names no index");
  const index = decimal(lines.shift().slice(6), "index");
  need(lines.length <= MAX_SIBLINGS, "proof is too long");
  return { index, siblings: lines.map((line) => hash32(line, "proof hash", false)), checkpoint: file.slice(split + 2), extra };
}

/** The hash of one ledger entry, `type ‖ bytes` (RFC 6962 §2.1). */
export function leafHash(type, bytes, sha256) {
  return sha256(concat(Uint8Array.of(0, type), bytes));
}

/** Where the entry bundle `index` of a tree of `size` leaves lies (C2SP tlog-tiles), and how many entries it holds. */
export function bundleAt(index, size) {
  const width = Math.min(256, size - 256 * index);
  const digits = String(index);
  const groups = digits.padStart(3 * Math.ceil(digits.length / 3), "0").match(/.../g);
  const number = groups.map((group, i) => (i < groups.length - 1 ? `x${group}` : group)).join("/");
  const full = `tile/entries/${number}`;
  return { path: width === 256 ? full : `${full}.p/${width}`, full, width };
}

/** The entries of a bundle: u16 lengths and bytes. Throws FormatError where one is cut. */
export function parseBundle(bytes) {
  const entries = [];
  for (let at = 0; at < bytes.length; ) {
    const end = at + 2 + (bytes[at] << 8) + bytes[at + 1];
    need(end <= bytes.length, "the entry bundle ends in the middle of an entry");
    entries.push(bytes.subarray(at + 2, end));
    at = end;
  }
  return entries;
}

/** The right edge of a growing tree: at most one hash for each bit of its size. */
export class CompactRange {
  #edge = [];
  size = 0;

  constructor(sha256) {
    this.node = (left, right) => sha256(concat(Uint8Array.of(1), left, right));
  }

  async append(hash) {
    for (let bit = this.size; bit % 2 === 1; bit = Math.floor(bit / 2)) hash = await this.node(this.#edge.pop(), hash);
    this.#edge.push(hash);
    this.size += 1;
  }

  /** The root so far, or null of the empty tree. */
  async root() {
    let value = this.#edge.at(-1) ?? null;
    for (let i = this.#edge.length - 2; i >= 0; i--) value = await this.node(this.#edge[i], value);
    return value;
  }
}

/** The root that a leaf, its place and its siblings lead to, or null where they cannot (RFC 9162 §2.1.3.2). */
export async function rootFromProof(leaf, index, size, siblings, sha256) {
  if (index >= size) return null;
  let place = index;
  let last = size - 1;
  let hash = leaf;
  for (const sibling of siblings) {
    if (last === 0) return null;
    if (place % 2 === 1 || place === last) {
      hash = await sha256(concat(Uint8Array.of(1), sibling, hash));
      while (place % 2 === 0 && place !== 0) {
        place = Math.floor(place / 2);
        last = Math.floor(last / 2);
      }
    } else {
      hash = await sha256(concat(Uint8Array.of(1), hash, sibling));
    }
    place = Math.floor(place / 2);
    last = Math.floor(last / 2);
  }
  return last === 0 ? hash : null;
}
