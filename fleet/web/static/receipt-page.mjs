// The receipt page: fetches receipt, proof, record key and public keys, checks them here, and shows each answer.

import { base64, equal, fromBase32, fromBase64url } from "./bytes.mjs";
import { chooseCrypto } from "./crypto.mjs";
import { parseKeys } from "./keys.mjs";
import { show, total } from "./verdicts.mjs";
import { verifyReceipt } from "./verify.mjs";
import "./when.mjs";
import { offerWholeLedger } from "./whole-ledger.mjs";

const place = document.getElementById("verification");
const handle = place.dataset.handle;

const YOUNG_MS = 3000; // a receipt without its proof: how often to ask for it

/** The bytes at `path`, or null where the page was told that there are none yet. */
async function fetchBytes(path, there = true) {
  if (!there) return null;
  const answer = await fetch(path, { cache: "no-store" });
  if (!answer.ok) throw new Error(`the server answered ${answer.status} for ${path}`);
  return new Uint8Array(await answer.arrayBuffer());
}

const utf8 = (bytes) => bytes && new TextDecoder("utf-8", { ignoreBOM: true }).decode(bytes);

async function check() {
  const query = new URLSearchParams(location.search);
  const crypto = await chooseCrypto(query.get("crypto"));
  const [served, proof, recordKey, reversal, keysFile] = await Promise.all([
    fetchBytes(`/r/${handle}.cose`),
    fetchBytes(`/r/${handle}.tlog-proof`, "proof" in place.dataset),
    fetchBytes(`/r/${handle}.record-key`, "recordKey" in place.dataset),
    fetchBytes(`/r/${handle}.reversal`, "reversed" in place.dataset),
    fetchBytes("/keys.json"),
  ]);
  const cose = location.hash.startsWith("#r=") ? fromBase64url(location.hash.slice(3)) : served;
  const keys = await parseKeys(utf8(keysFile), crypto.sha256);
  const given = {
    cose,
    keys,
    handle: fromBase32(handle),
    proof: utf8(proof),
    recordKey: utf8(recordKey),
    reversal,
    crypto,
  };
  const { checks, place: entry } = await verifyReceipt(given);
  show(checks, crypto);
  if (entry) offerWholeLedger(given, entry.size);
  if (!equal(cose, served)) {
    total("failed", "Your link holds another receipt than this server shows. The answers below are about the one in your link.");
  }
  offerLink(served);
}

/** "Copy the full link": the address with the receipt itself after #r=, which no server ever sees. */
function offerLink(cose) {
  const button = document.getElementById("copy");
  if (!navigator.clipboard) return;
  button.hidden = false;
  button.addEventListener("click", async () => {
    const text = base64(cose).replace(/\+/g, "-").replace(/\//g, "_").replace(/=/g, "");
    const done = document.getElementById("copied");
    try {
      await navigator.clipboard.writeText(`${location.origin}/r/${handle}#r=${text}`);
      done.textContent = "Copied. This link holds the whole receipt: it can be checked even if this server is gone.";
    } catch {
      done.textContent = "The browser did not allow copying.";
    }
  });
}

/** A receipt younger than the last checkpoint has no proof yet: look for it, then show the page anew. */
function awaitProof() {
  const timer = setInterval(async () => {
    const answer = await fetch(`/r/${handle}.tlog-proof`, { cache: "no-store" }).catch(() => null);
    if (!answer?.ok) return;
    clearInterval(timer);
    location.reload();
  }, YOUNG_MS);
}

if (!("proof" in place.dataset)) awaitProof();
check().catch((error) => total("unknown", `It could not be checked: ${error.message}. Reload to try again.`));
