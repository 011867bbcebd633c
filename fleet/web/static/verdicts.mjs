// Showing the checks of a receipt: word, shape and colour, one sentence of what was found, one of what it means.

const WORDS = {
  signed: "Signed",
  handle: "Your link",
  mac: "Made by the brick",
  ledger: "In the ledger",
  reversed: "Not reversed",
};

const MEANS = {
  signed: "Nobody has changed a byte since the host at the stall signed it.",
  handle: "The secret in the link and the receipt belong together.",
  mac: "The brick at the stall made the decision itself; the host cannot invent one.",
  ledger: "It stands in a public list that only grows; taking it out or changing it would show.",
  reversed: "No void or refund takes it back later. Read the whole ledger to know: stallmark verify --ledger.",
};

const LOOK = {
  ok: { icon: "i-good", tone: "is-good", word: "yes" },
  failed: { icon: "i-bad", tone: "is-bad", word: "NO" },
  unknown: { icon: "i-unknown", tone: "is-calm", word: "not known yet" },
};

function icon(svg, name) {
  svg.querySelector("use").setAttribute("href", `#${name}`);
}

/** Fill #checks and #total of the page from `checks`; `crypto` (of chooseCrypto) is named in #crypto. */
export function show(checks, crypto) {
  const list = document.getElementById("checks");
  const pattern = document.getElementById("check").content;
  list.replaceChildren(
    ...checks.map(({ check, verdict, code, say }) => {
      const item = pattern.cloneNode(true).firstElementChild;
      const look = LOOK[verdict];
      item.className = look.tone;
      item.dataset.check = check;
      item.dataset.verdict = verdict;
      item.dataset.code = code;
      icon(item.querySelector("svg"), look.icon);
      item.querySelector(".word").textContent = WORDS[check];
      item.querySelector(".verdict").textContent = look.word;
      item.querySelector(".say").textContent = say;
      item.querySelector(".means").textContent = MEANS[check];
      return item;
    }),
  );
  const failed = checks.filter(({ verdict }) => verdict === "failed").length;
  const open = checks.filter(({ verdict }) => verdict === "unknown").length;
  const tail = open ? `; ${open} not known yet` : "";
  total(
    failed ? "failed" : "ok",
    failed ? `Do not trust this receipt: ${failed} of ${checks.length} checks failed${tail}.` : `Nothing failed${tail}.`,
  );
  document.getElementById("crypto").textContent =
    crypto.name === "webcrypto"
      ? "Signatures were checked by your browser's own cryptography (WebCrypto Ed25519)."
      : `Signatures were checked by this page's own Ed25519 module: ${crypto.why}.`;
  document.getElementById("crypto").dataset.crypto = crypto.name;
}

/** The line above the checks: "ok", "failed" or "unknown" and a sentence. Marks the page as done. */
export function total(verdict, sentence) {
  const line = document.getElementById("total");
  const look = LOOK[verdict];
  line.className = `total ${look.tone} notice`;
  line.textContent = sentence;
  document.getElementById("verification").dataset.verdict = verdict;
}
