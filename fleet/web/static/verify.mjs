// The checks of one receipt: pure, no page and no network. The same verdicts and codes as `stallmark verify`.
//
// A check is {check, verdict, code, say}: verdict is "ok", "failed" or "unknown"; code names the reason for programs;
// say is one sentence for people.

import { equal, hex } from "./bytes.mjs";
import { decode } from "./cbor.mjs";
import { parseReceipt, toBeSigned, underMac, underShortName } from "./cose.mjs";
import { SET_ASIDE } from "./history.mjs";
import { LEAF_DISCLOSURE, LEAF_RECEIPT, leafHash, openCheckpoint, parseProof, rootFromProof } from "./tlog.mjs";

const FLAG_GATEWAY = 2;
const MAC_WRONG = 1; // finding code
const REVERSING = new Map([[5, "void"], [6, "refund"]]);

const ok = (check, code, say) => ({ check, verdict: "ok", code, say });
const failed = (check, code, say) => ({ check, verdict: "failed", code, say });
const unknown = (check, code, say) => ({ check, verdict: "unknown", code, say });

/** `{receipt (of parseReceipt, or null), short (receipt16 in hex), trouble}` of a receipt's bytes. */
export async function readReceipt(cose, crypto) {
  const short = hex((await crypto.sha256(underShortName(cose))).subarray(0, 16));
  try {
    return { receipt: parseReceipt(cose), short, trouble: "" };
  } catch (error) {
    return { receipt: null, short, trouble: error.message };
  }
}

/**
 * Check one receipt.
 *
 * cose: its bytes · keys: of parseKeys · handle: the 16 bytes of its link, or null · proof: text of its .tlog-proof, or
 * null · recordKey: text of the published record key's .tlog-proof, with the entry as its extra data, or null ·
 * reversal: bytes of a later receipt that is said to take this one back, or null · history: of readHistory, or null ·
 * crypto: of chooseCrypto.
 *
 * Answers {receipt (of parseReceipt, or null), short (receipt16 in hex), place ({index, size} or null), checks}.
 * Does not throw on bad input: what cannot be read is a failed check.
 */
export async function verifyReceipt(given) {
  const { cose, keys, handle = null, proof = null, recordKey = null, reversal = null, crypto } = given;
  const history = given.history ?? null;
  const believed = history?.trouble ? null : history;
  const { receipt, short, trouble } = await readReceipt(cose, crypto);
  const ledger = await inLedger(cose, proof, history, keys, crypto);
  const checks = [await checkSigned(receipt, trouble, believed, keys, crypto)];
  if (handle) checks.push(await checkHandle(receipt, handle, crypto));
  checks.push(await checkMac(receipt, ledger, recordKey, believed, keys, crypto));
  checks.push(ledger.result);
  checks.push(believed && receipt ? byHistory(believed) : await checkReversed(receipt, short, reversal, keys, crypto));
  return { receipt, short, place: ledger.place, checks };
}

async function checkSigned(receipt, trouble, history, keys, crypto) {
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
  if (history?.revoked) {
    const [index, until] = history.revoked;
    if (until === null || receipt.fields.get(4) > until) {
      const last = until === null ? "none of its receipts" : `its receipts up to number ${until}`;
      return failed("signed", "key-revoked", `${host.name}'s key was revoked (entry ${index}): ${last} may be trusted.`);
    }
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

/** By proof, in the whole ledger, or in both, which then must agree: `{result (a check), place}`. */
async function inLedger(cose, proof, history, keys, crypto) {
  const nowhere = (code, say) => ({ result: failed("ledger", code, say), place: null });
  const proven = await checkProof(LEAF_RECEIPT, cose, proof, keys, crypto);
  if (!history || proven.result.verdict === "failed") return proven;
  if (history.trouble) return nowhere(...history.trouble);
  const { checkpoint } = proven;
  const newer = checkpoint && checkpoint.size > history.size;
  if (checkpoint && !newer && !(history.rootAtProof && equal(history.rootAtProof, checkpoint.root))) {
    return nowhere("other-history", `Proof and ledger are two histories, both signed: their first ${checkpoint.size} entries differ.`);
  }
  const { index, size } = history;
  if (index === null) {
    return newer ? proven : nowhere("not-in-ledger", `It is not among the ${size} entries of the ledger.`);
  }
  const say = `Entry ${index} of the ledger's ${size}; read in full: their root is the one signed.`;
  return { result: ok("ledger", "included", say), place: { index, size } };
}

/** Is `type ‖ bytes` in the log that the keys name? `{result (a check), place, checkpoint}`, null where not proven. */
async function checkProof(type, bytes, proof, keys, crypto) {
  const nowhere = (result) => ({ result, place: null, checkpoint: null });
  if (proof === null) return nowhere(unknown("ledger", "no-proof", "There is no proof file and no ledger to check."));
  const { log } = keys;
  let file, checkpoint;
  try {
    file = parseProof(proof);
    checkpoint = await openCheckpoint(file.checkpoint, keys, crypto.verify);
  } catch (error) {
    return nowhere(failed("ledger", "proof-unreadable", `The proof file cannot be read: ${error.message}.`));
  }
  if (checkpoint.trouble === "other-log") {
    return nowhere(failed("ledger", "other-log", `The checkpoint is not from the log ${log.origin}.`));
  }
  if (checkpoint.trouble) {
    return nowhere(failed("ledger", "checkpoint-signature", "The log's signature under the checkpoint does not fit."));
  }
  const leaf = await leafHash(type, bytes, crypto.sha256);
  const root = await rootFromProof(leaf, file.index, checkpoint.size, file.siblings, crypto.sha256);
  if (!root || !equal(root, checkpoint.root)) {
    return nowhere(failed("ledger", "not-included", "The proof does not lead from these bytes to the signed checkpoint."));
  }
  const { size } = checkpoint;
  const say = `Entry ${file.index} of the ${size} under a checkpoint that the log ${log.origin} signed.`;
  return { result: ok("ledger", "included", say), place: { index: file.index, size }, checkpoint };
}

async function checkMac(receipt, ledger, recordKey, history, keys, crypto) {
  if (!receipt) return unknown("mac", "no-receipt", "There is no record to check.");
  if (receipt.record.get(0) & FLAG_GATEWAY) {
    return unknown("mac", "host-lane", "Decided by the host itself, not by a brick: only the host's signature stands for it.");
  }
  const wrong = history?.findings.find(([, code]) => code === MAC_WRONG);
  if (wrong) {
    return failed("mac", "mac-wrong", `The controller, who holds the brick's key, found the MAC wrong (entry ${wrong[0]}).`);
  }
  const epoch = receipt.record.get(3);
  let published = history?.recordKey ?? null;
  if (!published && recordKey !== null) {
    published = await readRecordKey(recordKey, receipt, keys, crypto);
    if (published.verdict) return published;
  }
  if (!published) {
    const say = history
      ? `Among ${history.size} entries the brick's key of epoch ${epoch} is not published yet.`
      : `The brick's key of epoch ${epoch} is not at hand: it is published once the epoch has ended.`;
    return unknown("mac", "not-published", say);
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
  return ok("mac", "brick-made", `The brick ${hex(receipt.record.get(1))} made this record: its MAC fits the key of epoch ${epoch}, published later.`);
}

/** `{key, size}` of a record-key disclosure (leaf 6) that rides in its own proof, or the failed check. */
async function readRecordKey(file, receipt, keys, crypto) {
  let entry, map;
  try {
    entry = parseProof(file).extra;
    map = decode(entry.subarray(1));
    if (entry[0] !== LEAF_DISCLOSURE || map.get(0) !== 1 || map.get(3).length !== 32) throw new Error("not a disclosure");
  } catch {
    return failed("mac", "record-key-unreadable", "The published record key cannot be read.");
  }
  if (!equal(map.get(1), receipt.record.get(1)) || map.get(2) !== receipt.record.get(3)) {
    return failed("mac", "record-key-other", "The published record key is that of another brick or epoch.");
  }
  const { place } = await checkProof(LEAF_DISCLOSURE, entry.subarray(1), file, keys, crypto);
  if (!place || !(place.index >= map.get(5))) {
    return failed("mac", "record-key-unproved", "The published record key is not proven to be in the ledger.");
  }
  return { key: map.get(3), size: map.get(5) };
}

/** Taken back or set aside, by a whole ledger. */
function byHistory(history) {
  const { index, size, reversedBy, findings, otherRecord, sameRecord } = history;
  const asOf = `as of ${size} entries`;
  if (index === null) {
    return unknown("reversed", "not-in-ledger", "It is not in this ledger, so nothing in it can speak of it.");
  }
  if (reversedBy.length) {
    const [at, kind] = reversedBy[0];
    return failed("reversed", "reversed", `Taken back by a ${kind} (entry ${at}), ${asOf}.`);
  }
  const aside = findings.find(([, code]) => SET_ASIDE.has(code));
  if (aside) {
    const say = `The controller set it aside: ${SET_ASIDE.get(aside[1])} (entry ${aside[0]}). It counts in no sum, ${asOf}.`;
    return failed("reversed", "set-aside", say);
  }
  if (otherRecord.length) {
    return failed("reversed", "equivocation", `Entry ${otherRecord[0]} is another record of the same brick and number: one is false.`);
  }
  if (sameRecord.length && sameRecord[0] < index) {
    return failed("reversed", "duplicate", `Entry ${sameRecord[0]} is an earlier receipt of the same record: that one counts.`);
  }
  return ok("reversed", "not-reversed", `No later entry takes it back, ${asOf}.`);
}

/** A later receipt, signed by a known host, that takes this one back proves it; that there is none, only the ledger. */
async function checkReversed(receipt, short, reversal, keys, crypto) {
  const notKnown = unknown("reversed", "no-ledger", "Only the whole ledger can show whether a later entry takes this receipt back.");
  if (!receipt || !reversal) return notKnown;
  let later;
  try {
    later = parseReceipt(reversal);
  } catch {
    return notKnown;
  }
  const kind = REVERSING.get(later.record.get(10));
  const named = later.fields.has(18) && hex(later.fields.get(18)) === short;
  const sameBrick = equal(later.record.get(1), receipt.record.get(1));
  const meant = named || (sameBrick && later.record.get(20) === receipt.record.get(2));
  if (!kind || !meant || (await checkSigned(later, "", null, keys, crypto)).verdict !== "ok") return notKnown;
  const host = keys.hosts.find((one) => one.kid === hex(later.kid));
  return failed("reversed", "reversed", `Taken back by a ${kind} that ${host.name} signed later.`);
}
