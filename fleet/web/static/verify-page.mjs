// Drop or paste a receipt: everything is read and checked in this page, nothing is sent anywhere.

import { fromBase32, fromBase64url, fromHex, FormatError } from "./bytes.mjs";
import { parseReceipt } from "./cose.mjs";
import { chooseCrypto } from "./crypto.mjs";
import { parseKeys } from "./keys.mjs";
import { show, total } from "./verdicts.mjs";
import { verifyReceipt } from "./verify.mjs";
import { timeElement } from "./when.mjs";
import { offerWholeLedger } from "./whole-ledger.mjs";
import { describe } from "./words.mjs";

const LIMIT = 262144; // bytes of any one file: keys files of large fleets are the largest
const by = (id) => document.getElementById(id);
const given = { cose: null, handle: null, proof: null, recordKey: null, keys: null };

/** Receipt bytes out of pasted text: a link with #r=, hex, or base64 in either alphabet. */
function fromText(text) {
  const link = /#r=([A-Za-z0-9_-]+=*)/.exec(text);
  if (link) {
    const handle = /\/r\/([A-Za-z2-7]{26})(?:[.?#]|$)/.exec(text);
    return { cose: fromBase64url(link[1]), handle: handle ? fromBase32(handle[1]) : null };
  }
  if (/^https?:/i.test(text.trim())) throw new FormatError("this link only points at a receipt: open it, or paste the full link with #r=");
  const plain = text.replace(/\s+/g, "");
  const isHex = plain.length % 2 === 0 && /^[0-9a-fA-F]+$/.test(plain);
  return { cose: isHex ? fromHex(plain) : fromBase64url(plain), handle: null };
}

/** Tell by its first bytes what a file is, and keep it. Returns a word for it. */
function sort(bytes) {
  if (bytes[0] === 0xd2) {
    Object.assign(given, { cose: bytes, handle: null });
    return "the receipt";
  }
  const text = new TextDecoder("utf-8", { ignoreBOM: true }).decode(bytes);
  if (text.startsWith("c2sp.org/tlog-proof@v1\n")) {
    const isKey = text.split("\n")[1].startsWith("extra ");
    given[isKey ? "recordKey" : "proof"] = text;
    return isKey ? "the record key" : "the proof";
  }
  if (text.trimStart().startsWith("{")) {
    given.keys = text;
    by("keys-from").textContent = "The keys from the file that you gave.";
    return "the public keys";
  }
  Object.assign(given, fromText(text));
  return "the receipt";
}

async function take(files) {
  const words = [];
  for (const file of files) {
    try {
      if (file.size > LIMIT) throw new FormatError("it is too large for any of these");
      words.push(`${file.name} is ${sort(new Uint8Array(await file.arrayBuffer()))}`);
    } catch (error) {
      words.push(`${file.name} is not used: ${error.message}`);
    }
  }
  by("have").textContent = `${words.join("; ")}.`;
  if (given.cose) await check();
}

async function serverKeys() {
  const answer = await fetch("/keys.json", { cache: "no-store" });
  if (!answer.ok) throw new Error(`the server answered ${answer.status} for its keys; drop a keys.json instead`);
  return answer.text();
}

async function check() {
  by("verification").hidden = false;
  try {
    if (by("text").value.trim()) Object.assign(given, fromText(by("text").value));
    if (!given.cose) throw new FormatError("there is no receipt yet");
    const crypto = await chooseCrypto(new URLSearchParams(location.search).get("crypto"));
    const keys = await parseKeys(given.keys ?? (await serverKeys()), crypto.sha256);
    const { receipt, checks, place } = await verifyReceipt({ ...given, keys, crypto });
    tell(receipt);
    show(checks, crypto);
    if (receipt && !given.keys) offerWholeLedger({ ...given, keys, crypto }, place?.size ?? 0);
  } catch (error) {
    by("said").replaceChildren();
    by("checks").replaceChildren();
    total("unknown", `It could not be checked: ${error.message}.`);
  }
  by("verification").scrollIntoView({ block: "nearest" });
}

/** The shape that goes with a colour, from the page's own symbols. */
function shape(name) {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  svg.setAttribute("class", "icon");
  svg.setAttribute("aria-hidden", "true");
  const use = document.createElementNS("http://www.w3.org/2000/svg", "use");
  use.setAttribute("href", `#i-${name}`);
  svg.append(use);
  return svg;
}

/** What the receipt says, above the answers. */
function tell(receipt) {
  if (!receipt) return by("said").replaceChildren();
  const words = describe(receipt);
  const headline = document.createElement("h3");
  headline.textContent = words.headline;
  const chip = document.createElement("p");
  const outcome = Object.assign(document.createElement("span"), { className: `outcome is-${words.tone}` });
  outcome.append(shape(words.tone), words.outcome);
  chip.append(outcome);
  const facts = document.createElement("dl");
  facts.className = "facts";
  for (const [name, value] of [["When", timeElement(words.at)], ...words.facts]) {
    const term = Object.assign(document.createElement("dt"), { textContent: name });
    const data = document.createElement("dd");
    data.append(value);
    facts.append(term, data);
  }
  const sentence = Object.assign(document.createElement("p"), { className: "why", textContent: words.why });
  return by("said").replaceChildren(chip, headline, sentence, facts);
}

by("go").addEventListener("click", check);
by("files").addEventListener("change", (event) => take(event.target.files));
const drop = by("drop");
for (const name of ["dragover", "dragleave", "drop"]) {
  drop.addEventListener(name, (event) => {
    event.preventDefault();
    drop.classList.toggle("over", name === "dragover");
    if (name === "drop") take(event.dataTransfer.files);
  });
}

function fromAddress() {
  if (!location.hash.startsWith("#r=")) return;
  by("text").value = location.href;
  check();
}
addEventListener("hashchange", fromAddress);
fromAddress();
