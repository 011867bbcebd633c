// What a whole ledger says about one receipt: every entry read, hashed, and compared with the signed root.

import { concat, equal, hex } from "./bytes.mjs";
import { decode } from "./cbor.mjs";
import { parseReceipt } from "./cose.mjs";
import { CompactRange, bundleAt, openCheckpoint, parseBundle, parseProof } from "./tlog.mjs";

const [RECEIPT, KEY_EVENT, DISCLOSURE, FINDING] = [1, 4, 6, 8];
const REVOKE = 3;
const HOST = 1;
const REVERSING = new Map([[5, "void"], [6, "refund"]]);

// Findings that take a record out of every sum; a gap (3) is about records that are missing, not about this one.
export const SET_ASIDE = new Map([
  [2, "chain broken"],
  [4, "equivocation"],
  [5, "slice twice"],
  [6, "unknown brick"],
  [7, "epoch order"],
  [8, "unreadable"],
  [9, "slice overspent"],
  [10, "slice not of this kit or never minted"],
]);

/**
 * Read a ledger. `fetchFile(path)` answers the bytes of a file of its folder, or null; `progress(done, of)` hears how
 * far it is. `proof` is the text of the receipt's proof, whose checkpoint must lie on the same history, or null.
 *
 * Answers {size, index, sameRecord, otherRecord, reversedBy, findings, recordKey, revoked, rootAtProof}, or {trouble:
 * [code, sentence]} where the ledger cannot be believed, and then nothing else counts.
 */
export async function readHistory({ cose, short, receipt, proof, keys, crypto, fetchFile, progress = () => {} }) {
  let checkpoint;
  try {
    const note = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(await fetchFile("checkpoint"));
    checkpoint = await openCheckpoint(note, keys, crypto.verify);
  } catch (error) {
    checkpoint = { trouble: error.message };
  }
  if (checkpoint.trouble) {
    return { trouble: ["ledger-checkpoint", `The checkpoint of the ledger is not one that the log ${keys.log.origin} signed.`] };
  }
  const scan = new Scan(cose, short, receipt, proofSize(proof), crypto);
  for (let bundle = 0; bundle * 256 < checkpoint.size; bundle++) {
    const { path, full, width } = bundleAt(bundle, checkpoint.size);
    const bytes = (await fetchFile(path)) ?? (await fetchFile(full));
    const entries = bytes && readEntries(bytes, width);
    if (!entries) return { trouble: ["ledger-damaged", `The ledger is not whole: ${path} is missing or damaged.`] };
    for (const entry of entries) await scan.take(entry);
    progress(scan.edge.size, checkpoint.size);
  }
  const root = await scan.edge.root();
  if (root && !equal(root, checkpoint.root)) {
    return { trouble: ["ledger-damaged", "The entries of the ledger do not give the root that the log signed: one was changed."] };
  }
  return { ...scan.facts, size: checkpoint.size };
}

function readEntries(bytes, width) {
  try {
    const entries = parseBundle(bytes);
    return entries.length >= width ? entries.slice(0, width) : null;
  } catch {
    return null;
  }
}

/** The tree size of a proof's checkpoint, unverified: a whole ledger must have its root at that size. */
function proofSize(proof) {
  try {
    return Number(parseProof(proof).checkpoint.split("\n")[1]);
  } catch {
    return null;
  }
}

/** True where `needle` stands somewhere in `bytes`: a cheap first look, so that few entries are decoded. */
function holds(bytes, needle) {
  for (let at = bytes.indexOf(needle[0]); at >= 0; at = bytes.indexOf(needle[0], at + 1)) {
    if (needle.every((byte, i) => bytes[at + i] === byte)) return true;
  }
  return false;
}

class Scan {
  facts = {
    index: null,
    sameRecord: [],
    otherRecord: [],
    reversedBy: [],
    findings: [],
    recordKey: null,
    revoked: null,
    rootAtProof: null,
  };

  constructor(cose, short, receipt, sizeOfProof, crypto) {
    this.whole = concat(Uint8Array.of(RECEIPT), cose);
    this.short = short;
    this.receipt = receipt;
    this.sizeOfProof = sizeOfProof;
    this.crypto = crypto;
    this.edge = new CompactRange(crypto.sha256);
    this.needles = receipt ? [receipt.record.get(1), receipt.kid, this.#bytes(short)] : [];
  }

  #bytes(text) {
    return Uint8Array.from(text.match(/../g), (pair) => parseInt(pair, 16));
  }

  async take(entry) {
    const index = this.edge.size;
    await this.edge.append(await this.crypto.sha256(concat(Uint8Array.of(0), entry)));
    if (this.edge.size === this.sizeOfProof) this.facts.rootAtProof = await this.edge.root();
    if (equal(entry, this.whole)) this.facts.index ??= index;
    else if (this.needles.some((needle) => holds(entry, needle))) this.#note(index, entry);
  }

  #note(index, entry) {
    try {
      if (entry[0] === RECEIPT) this.#later(index, parseReceipt(entry.subarray(1)));
      else if ([KEY_EVENT, DISCLOSURE, FINDING].includes(entry[0])) this.#other(index, entry[0], decode(entry.subarray(1)));
    } catch {
      // An entry that cannot be read is a leaf like any other: it says nothing about this receipt.
    }
  }

  #later(index, { fields, record, publicPart }) {
    const { record: mine, publicPart: myPart } = this.receipt;
    const sameBrick = equal(record.get(1), mine.get(1));
    if (sameBrick && record.get(2) === mine.get(2)) {
      (equal(publicPart, myPart) ? this.facts.sameRecord : this.facts.otherRecord).push(index);
    }
    const named = fields.has(18) && hex(fields.get(18)) === this.short;
    const kind = REVERSING.get(record.get(10));
    if (kind && (named || (sameBrick && record.get(20) === mine.get(2)))) this.facts.reversedBy.push([index, kind]);
  }

  #other(index, type, map) {
    const { record, kid } = this.receipt;
    const [brick, seq, epoch] = [record.get(1), record.get(2), record.get(3)];
    if (type === DISCLOSURE && equal(map.get(1), brick) && map.get(2) === epoch && map.get(5) <= index) {
      this.facts.recordKey ??= { key: map.get(3), size: map.get(5) };
    } else if (type === FINDING && equal(map.get(2), brick) && map.get(3) === seq) {
      this.facts.findings.push([index, map.get(1)]);
    } else if (type === KEY_EVENT && map.get(1) === REVOKE && map.get(2) === HOST && equal(map.get(3), kid)) {
      this.facts.revoked = [index, map.get(7)];
    }
  }
}
