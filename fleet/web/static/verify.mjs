// The checks of one receipt: pure, no page and no network. The same verdicts and codes as `stallmark verify`.
//
// A check is {check, verdict, code, say}: verdict is "ok", "failed" or "unknown"; code names the reason for programs;
// say is one sentence for people.

import { equal, hex, text } from "./bytes.mjs";
import { decode } from "./cbor.mjs";
import { parseReceipt, toBeSigned, underMac, underShortName } from "./cose.mjs";
import {
  LEAF_DISCLOSURE,
  LEAF_RECEIPT,
  leafHash,
  parseCheckpoint,
  parseNote,
  parseProof,
  rootFromProof,
} from "./tlog.mjs";

const FLAG_GATEWAY = 2;
const REVERSING = new Map([[5, "void"], [6, "refund"]]);

const ok = (check, code, say) => ({ check, verdict: "ok", code, say });
const failed = (check, code, say) => ({ check, verdict: "failed", code, say });
const unknown = (check, code, say) => ({ check, verdict: "unknown", code, say });

/**
 * Check one receipt.
 *
 * cose: its bytes · keys: of parseKeys · handle: the 16 bytes of its link, or null · proof: text of its .tlog-proof, or
 * null · recordKey: text of the published record key's .tlog-proof, with the entry as its extra data, or null · reversal: bytes
 * of a later receipt that is said to take this one back, or null · crypto: of chooseCrypto.
 *
 * Answers {receipt (of parseReceipt, or null), short (receipt16 in hex), place ({index, size} or null), checks}.
 * Does not throw on bad input: what cannot be read is a failed check.
 */
export async function verifyReceipt(given) {
  const { cose, keys, handle = null, proof = null, recordKey = null, reversal = null, crypto } = given;
  const short = hex((await crypto.sha256(underShortName(cose))).subarray(0, 16));
  let receipt = null;
  let trouble = "";
  try {
    receipt = parseReceipt(cose);
  } catch (error) {
    trouble = error.message;
  }
  const ledger = await checkLedger(LEAF_RECEIPT, cose, proof, keys, crypto);
  const checks = [await checkSigned(receipt, trouble, keys, crypto)];
  if (handle) checks.push(await checkHandle(receipt, handle, crypto));
  checks.push(await checkMac(receipt, ledger, recordKey, keys, crypto));
  checks.push(ledger.result);
  checks.push(await checkReversed(receipt, short, reversal, keys, crypto));
  return { receipt, short, place: ledger.place, checks };
}

async function checkSigned(receipt, trouble, keys, crypto) {
  if (!receipt) return failed("signed", "unreadable", `These bytes are not a receipt: ${trouble}.`);
  const kid = hex(receipt.kid);
  const host = keys.hosts.find((one) => one.kid === kid);
  if (!host) return failed("signed", "unknown-key", `The key ${kid} that it names is not in the keys file.`);
  if (!(await crypto.verify(host.publicKey, toBeSigned(receipt), receipt.signature))) {
    return failed("signed", "signature-wrong", `The signature does not fit: these bytes are not what ${host.name} signed.`);
  }
  if (hex(receipt.fields.get(3)) !== kid) {
    return failed("signed", "host-mismatch", "The receipt says that another host made it than the one that signed it.");
  }
  return ok("signed", "signed", `${host.name} signed exactly these bytes with its key ${kid}.`);
}

async function checkHandle(receipt, handle, crypto) {
  const holder = receipt?.fields.get(11);
  if (!holder) return unknown("handle", "no-holder", "The receipt names no link.");
  const fits = equal(holder, (await crypto.sha256(handle)).subarray(0, 16));
  if (fits) return ok("handle", "handle-fits", "The receipt names the secret in this link: the link belongs to it.");
  return failed("handle", "handle-wrong", "The receipt belongs to another link than this one.");
}

/** Is `type ‖ bytes` in the log that the keys name? `{result (a check), place}`; place only where it is proven. */
async function checkLedger(type, bytes, proof, keys, crypto) {
  const nowhere = (result) => ({ result, place: null });
  if (proof === null) return nowhere(unknown("ledger", "no-proof", "There is no proof file to check."));
  let file, note, checkpoint;
  try {
    file = parseProof(proof);
    note = parseNote(file.checkpoint);
    checkpoint = parseCheckpoint(note.body);
  } catch (error) {
    return nowhere(failed("ledger", "proof-unreadable", `The proof file cannot be read: ${error.message}.`));
  }
  const { log } = keys;
  const signatures = note.signatures.filter((one) => one.name === log.name && equal(one.keyId, log.keyId));
  if (checkpoint.origin !== log.origin || signatures.length === 0) {
    return nowhere(failed("ledger", "other-log", `The checkpoint is not from the log ${log.origin}.`));
  }
  for (const { signature } of signatures) {
    if (!(await crypto.verify(log.publicKey, text(note.body), signature))) {
      return nowhere(failed("ledger", "checkpoint-signature", "The log's signature under the checkpoint does not fit."));
    }
  }
  const leaf = await leafHash(type, bytes, crypto.sha256);
  const root = await rootFromProof(leaf, file.index, checkpoint.size, file.siblings, crypto.sha256);
  if (!root || !equal(root, checkpoint.root)) {
    return nowhere(failed("ledger", "not-included", "The proof does not lead from these bytes to the signed checkpoint."));
  }
  const { size } = checkpoint;
  const say = `Entry ${file.index} of the ${size} under a checkpoint that the log ${log.origin} signed.`;
  return { result: ok("ledger", "included", say), place: { index: file.index, size } };
}

async function checkMac(receipt, ledger, recordKey, keys, crypto) {
  if (!receipt) return unknown("mac", "no-receipt", "There is no record to check.");
  if (receipt.record.get(0) & FLAG_GATEWAY) {
    return unknown("mac", "host-lane", "Decided by the host itself, not by a brick: only the host's signature stands for it.");
  }
  const epoch = receipt.record.get(3);
  if (recordKey === null) {
    return unknown("mac", "not-published", `The brick's key of epoch ${epoch} is not published yet; that happens after the epoch has ended.`);
  }
  const published = readRecordKey(recordKey);
  if (!published) return failed("mac", "record-key-unreadable", "The published record key cannot be read.");
  if (!equal(published.brick, receipt.record.get(1)) || published.epoch !== epoch) {
    return failed("mac", "record-key-other", "The published record key is that of another brick or epoch.");
  }
  const proven = await checkLedger(LEAF_DISCLOSURE, published.payload, recordKey, keys, crypto);
  if (!proven.place || proven.place.index < published.size) {
    return failed("mac", "record-key-unproved", "The published record key is not proven to be in the ledger.");
  }
  const mac = (await crypto.hmac256(published.key, underMac(receipt))).subarray(0, 16);
  if (!equal(mac, receipt.mac)) {
    return failed("mac", "mac-wrong", "The published record key does not give this MAC: the brick did not make this record.");
  }
  if (!ledger.place) {
    return unknown("mac", "place-unknown", "The MAC fits the published key, but counts only for entries proven older than the publication.");
  }
  if (ledger.place.index >= published.size) {
    return failed("mac", "after-publication", "The entry is not older than the publication of the key: anybody could have made this MAC.");
  }
  return ok("mac", "brick-made", `The brick ${hex(published.brick)} made this record: its MAC fits the key of epoch ${epoch}, published later.`);
}

/** A later receipt, signed by a known host, that takes this one back proves it; that there is none, only the ledger. */
async function checkReversed(receipt, short, reversal, keys, crypto) {
  const open = unknown("reversed", "no-ledger", "Only the whole ledger can show whether a later entry takes this receipt back.");
  if (!receipt || !reversal) return open;
  let later;
  try {
    later = parseReceipt(reversal);
  } catch {
    return open;
  }
  const kind = REVERSING.get(later.record.get(10));
  const named = later.fields.has(18) && hex(later.fields.get(18)) === short;
  const sameBrick = equal(later.record.get(1), receipt.record.get(1));
  const meant = named || (sameBrick && later.record.get(20) === receipt.record.get(2));
  if (!kind || !meant || (await checkSigned(later, "", keys, crypto)).verdict !== "ok") return open;
  const host = keys.hosts.find((one) => one.kid === hex(later.kid));
  return failed("reversed", "reversed", `Taken back by a ${kind} that ${host.name} signed later.`);
}

/** `{brick, epoch, key, size, payload}` of a record-key disclosure (leaf 6) that rides in its own proof, or null. */
function readRecordKey(file) {
  try {
    const entry = parseProof(file).extra;
    const payload = entry.subarray(1);
    const map = decode(payload);
    const found = { brick: map.get(1), epoch: map.get(2), key: map.get(3), size: map.get(5), payload };
    const good = entry[0] === LEAF_DISCLOSURE && map.get(0) === 1 && found.brick.length === 8 && found.key.length === 32;
    return good && Number.isSafeInteger(found.size) ? found : null;
  } catch {
    return null; // no extra data, not CBOR, or not a disclosure: all the same to a reader
  }
}
