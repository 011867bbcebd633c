// Showing the checks of a receipt: word, shape and colour, one sentence of what was found, one of what it means.

const WORDS = {
  signed: "Signed",
  handle: "Your link",
  mac: "Made by the brick",
  ledger: "In the ledger",
  reversed: "Not reversed",
};

const MEANS = {
  signed: {
    ok: "Nobody has changed a byte since the host at the stall signed it.",
    failed: "Somebody changed it, or it never came from the stall: believe nothing that it says.",
  },
  handle: {
    ok: "The secret in the link and the receipt belong together.",
    failed: "Somebody put another receipt under this link.",
    unknown: "",
  },
  mac: {
    ok: "The brick at the stall decided this itself; a host cannot invent it.",
    failed: "The host may have invented it: take it to the hub.",
    unknown: "Until that can be shown, the host's word stands for the brick's.",
  },
  ledger: {
    ok: "It stands in a public list that only grows: taking it out or changing it would show.",
    failed: "The proof is for something else, or somebody rewrote history: take it to the hub.",
    unknown: "Until it is there, it could still be left out.",
  },
  reversed: {
    failed: "It was good when it was made, and it is worth nothing any more.",
    ok: "It still counts, as far as this ledger goes.",
    unknown: "The whole ledger can tell: read it here, or take it away and run stallmark verify --ledger.",
  },
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
      item.querySelector(".means").textContent = MEANS[check][verdict] ?? "";
      return item;
    }),
  );
  const failed = checks.filter(({ verdict }) => verdict === "failed").length;
  const open = checks.filter(({ verdict }) => verdict === "unknown").length;
  const tail = open ? `; ${open} not known yet` : "";
  total(
    failed ? "failed" : "ok",
    failed ? `Do not rely on this receipt: ${failed} of ${checks.length} checks failed${tail}.` : `Nothing failed${tail}.`,
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
  line.className = `total ${look.tone}`;
  line.textContent = sentence;
  document.getElementById("verification").dataset.verdict = verdict;
}
