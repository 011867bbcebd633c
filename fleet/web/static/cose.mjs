// The receipt: COSE_Sign1 (RFC 9052 §4.2) around a decision record, as docs/formats/receipt.md and record.md have it.

import { FormatError, concat, text } from "./bytes.mjs";
import { Tag, decode, encode } from "./cbor.mjs";
import { receiptFields, recordFields } from "./form.mjs";

export const ALG_ED25519 = -19; // RFC 9864
export const ALG_EDDSA = -8; // RFC 9053, accepted from others

const MAX_BYTES = 16384;
const RECORD_DOMAIN = text("stallmark/record/1\0");
const RECEIPT_DOMAIN = text("stallmark/receipt/1\0");

function need(condition, why) {
  if (!condition) throw new FormatError(`receipt: ${why}`);
}

function bytes(value, length, what) {
  need(value instanceof Uint8Array && value.length === (length ?? value.length), `${what} is not bytes of its length`);
  return value;
}

/**
 * A receipt's bytes taken apart; `fields` is the payload, `record` the brick's public part, both Maps with integer
 * keys. Throws FormatError where the form is not the one specified. Says nothing about the signature.
 */
export function parseReceipt(cose) {
  need(cose.length <= MAX_BYTES, "too large to be one");
  const tagged = decode(cose);
  need(tagged instanceof Tag && tagged.number === 18, "not a COSE_Sign1 (tag 18)");
  const parts = tagged.value;
  need(Array.isArray(parts) && parts.length === 4, "not four parts");
  const [protectedBytes, unprotected, payload, signature] = parts;
  bytes(protectedBytes, null, "protected header");
  need(unprotected instanceof Map && unprotected.size === 0, "unprotected header is not empty");
  bytes(payload, null, "payload");
  bytes(signature, 64, "signature");
  const header = decode(protectedBytes);
  need(header instanceof Map && header.size === 2, "protected header is not {algorithm, key id}");
  const alg = header.get(1);
  need(alg === ALG_ED25519 || alg === ALG_EDDSA, "algorithm is not Ed25519");
  const kid = bytes(header.get(4), 8, "key id");
  const fields = receiptFields(decode(payload));
  const publicPart = fields.get(1);
  const record = recordFields(decode(publicPart));
  return { protectedBytes, payload, signature, alg, kid, fields, publicPart, mac: fields.get(2), record };
}

/** The bytes under the signature: Sig_structure of RFC 9052 §4.4 with empty external data. */
export function toBeSigned({ protectedBytes, payload }) {
  return encode(["Signature1", protectedBytes, new Uint8Array(0), payload]);
}

/** What the brick's record MAC covers. */
export function underMac({ publicPart }) {
  return concat(RECORD_DOMAIN, publicPart);
}

/** What a receipt's short name, receipt16, is the hash of. */
export function underShortName(cose) {
  return concat(RECEIPT_DOMAIN, cose);
}
