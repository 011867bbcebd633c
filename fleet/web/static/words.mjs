// What a receipt says, in words, where no server has said it: as stallmark.explain puts it without the rules at hand.

import { hex } from "./bytes.mjs";

const NEWER = "newer than this program";

const KINDS = new Map([
  [0, "start"], [1, "grant"], [2, "deny"], [3, "ghost"], [4, "redeem"], [5, "void"], [6, "refund"], [8, "heartbeat"],
  [9, "latch"], [10, "rights"], [11, "outage"], [12, "collective"], [13, "close"], [14, "uncertain"], [15, "reserve"],
  [16, "release"], [17, "boot"], [18, "clock"], [19, "annotate"], [20, "lost"], [21, "rental"], [22, "parameters"],
]);

// The customer's words. A control arm (ghost) is never shown as a refusal.
const OUTCOMES = new Map([
  [1, "granted"], [4, "granted"], [2, "nothing this time"], [3, "nothing this time"], [12, "nothing this time"],
  [14, "ask at the stall"],
]);

const TONES = { granted: "good", "nothing this time": "calm", "ask at the stall": "warn", void: "bad", refund: "bad" };

const GRANTS = new Map([
  [11, "donation"], [12, "split"],
]);

const REASONS = new Map([
  [1, "granted"],
  [2, "not enough yet"],
  [4, "this stall's share of the budget is used up"],
  [5, "this stall's share of the stock is used up"],
  [8, "there is no bonus for this kind of event"],
  [9, "the time of day is not known yet"],
  [10, "the data are too old"],
  [11, "the journal is full until the host has fetched its records"],
  [12, "this visit is in the comparison group"],
  [13, "no rules are installed yet"],
  [14, "the campaign is halted"],
  [15, "this brick has not received its share of the budget or stock yet"],
  [16, "more different people came than this brick can tell apart"],
  [17, "the limit for deciding alone is reached"],
  [18, "the stall has to answer this"],
  [19, "the basket is too small"],
  [20, "a condition of the offer is not met"],
  [21, "the condition was reached before"],
  [22, "the rules have expired"],
  [23, "a person at the stall decided it"],
  [24, "this tag or pass was revoked"],
  [25, "as much as one purchase may bring is already given"],
  [26, "this voucher was used before"],
  [27, "this voucher is not valid now"],
  [28, "this voucher is for another stall"],
  [29, "this is no true voucher"],
  [30, "this offer is tried with other visitors"],
  [31, "the host said no"],
  [32, "it was taken back"],
  [33, "this tag's message is not a new one"],
  [45, "this brick's battery is low"],
]);

// ISO 4217 minor units where they are not 2
const NO_PLACES = "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF".split(" ");
const THREE_PLACES = "BHD IQD JOD KWD LYD OMR TND".split(" ");

/** How shape and colour show an outcome (or, where it has none, a kind): "good", "calm", "warn" or "bad". */
export function tone(outcome, kind) {
  return TONES[outcome] ?? TONES[kind] ?? "calm";
}

export function capital(text) {
  return text ? text[0].toUpperCase() + text.slice(1) : text;
}

/** What a sentence says beyond the headline above it, as fleet.verify.describe.beside has it. */
export function beside(headline, said) {
  const colon = said.indexOf(": ");
  if (colon < 0) return said === `${headline}.` || said === headline ? "" : said;
  const rest = capital(said.slice(colon + 2));
  if (!said.startsWith(`${headline}: `) && !rest.startsWith(headline)) return said;
  const more = (rest.startsWith(headline) ? rest.slice(headline.length) : rest).replace(/^[, ]+/, "");
  return more === "." ? "" : capital(more);
}

function decimal(number, places) {
  const sign = number < 0 ? "-" : "";
  const digits = String(number).replace("-", "").padStart(places + 1, "0");
  return sign + (places ? `${digits.slice(0, -places)}.${digits.slice(-places)}` : digits);
}

/** Minor units with their currency: "1.50 EUR". */
export function money(minor, currency) {
  if (currency === undefined || currency === null) return `${minor} minor units`;
  const places = NO_PLACES.includes(currency) ? 0 : THREE_PLACES.includes(currency) ? 3 : 2;
  return `${decimal(minor, places)} ${currency}`;
}

function percent(bps) {
  return `${decimal(bps, 2).replace(/0+$/, "").replace(/\.$/, "")} %`;
}

function grant([kind, size, minor], currency) {
  const cost = minor ? money(minor, currency) : "";
  const share = size === null ? "" : percent(size);
  const most = cost ? `, at most ${cost}` : "";
  if (kind === 1) return `${share} off now${most}`;
  if (kind === 2) return `${cost || "a credit"} off now`;
  if (kind === 3) return `${share} off the next visit${most}`;
  if (kind === 4) return `${cost || "a credit"} off the next visit`;
  if (kind === 5) return size === null || size === 1 ? "a sample" : `${size} samples`;
  if (kind === 6) return "an upgrade";
  if (kind === 7) return `the tip matched${cost ? ` with ${cost}` : ""}`;
  if (kind === 8) return count(size ?? 0, "loyalty token");
  if (kind === 9) return `a voucher${cost ? ` of ${cost}` : ""}`;
  if (kind === 10) return "an unlock";
  if (GRANTS.has(kind)) return GRANTS.get(kind) + (cost ? `, worth ${cost}` : "");
  return `a bonus of kind ${kind} (${NEWER})`;
}

function grants(record) {
  const list = record.get(12) ?? [];
  return list.length ? list.map((one) => grant(one, record.get(23))).join(" and ") : "no value stated";
}

const count = (number, word) => `${number} ${word}${number === 1 ? "" : "s"}`;

/** A span as people say it, rounded up: "40 seconds", "14 minutes", "2 hours". */
export function duration(ms) {
  const seconds = Math.ceil(ms / 1000);
  if (seconds < 60) return count(seconds, "second");
  const minutes = Math.ceil(seconds / 60);
  if (minutes < 120) return count(minutes, "minute");
  const hours = Math.ceil(minutes / 60);
  return hours < 48 ? count(hours, "hour") : count(Math.ceil(hours / 24), "day");
}

/** How old the news of others were that a decision looked at, where that is worth a word. */
function age(record) {
  const seconds = record.get(14)?.[6];
  return seconds > 60 ? ` (by what was known ${duration(seconds * 1000)} ago)` : "";
}

// stallmark.riskwords.SIGNALS
const SIGNALS = [
  "the same tag many times within ten seconds",
  "the same tag many times within a minute",
  "the same tag many times within ten minutes",
  "very many taps within a minute",
  "far more taps than usual here",
  "taps as regular as a machine's",
  "one tag as regular as a machine",
  "a tag whose counter jumped",
  "the same tag at another brick just before",
  "many bonuses with one member of staff",
  "the brick was switched off and on just before",
  "this kind of tag",
];

function signal(risk) {
  return SIGNALS[risk >> 12] ?? "something newer than this program";
}

function reason(record) {
  const [code, , , , have, need, , near] = record.get(14) ?? [];
  const known = (value) => value !== undefined && value !== null;
  if (code === 2 && known(near)) return near === 1 ? "1 more person is needed" : `${near} more people are needed`;
  if (code === 3) {
    return known(need) && need > 1
      ? `this person already had it ${have} times, and ${need} are allowed`
      : "this person already had it";
  }
  if (code === 7) {
    if (!known(have) || have === 0) return "this phone or card does not let itself be told apart from others";
    if (known(need) && need <= 3) return `this ${have === 1 ? "code" : "tag"} was not issued by the market`;
    return "this kind of tag or code does not qualify";
  }
  if (code === 19 && known(near)) return `${money(near, record.get(23))} more in the basket would do`;
  if (code === 6) return `it is not on now${known(near) ? `; it begins in ${duration(near * 1000)}` : ""}`;
  if (code === 40) return `this looked unusual${known(record.get(22)) ? `: ${signal(record.get(22))}` : ""}`;
  if (!known(code)) return "no reason was recorded";
  return REASONS.get(code) ?? `reason ${code} is ${NEWER}`;
}

function collective(times) {
  const often = times === 1 ? "once more" : `${times ?? "several"} times`;
  return `Nothing this time: the same again ${often} within a minute.`;
}

const OTHERS = new Map([
  [0, "The brick's first record."],
  [5, "An earlier grant was made void."],
  [6, "An earlier grant was refunded."],
]);

/** One or two plain sentences for a customer's record; records of other kinds are named by their kind. */
export function sentence(record) {
  const kind = record.get(10);
  let words = OTHERS.get(kind);
  const given = record.get(12)?.length ? `: ${grants(record)}` : "";
  if (kind === 1) words = `Granted: ${grants(record)}${age(record)}.`;
  else if (kind === 4) words = `Granted: a voucher was redeemed${given}.`;
  else if (kind === 2) words = `Nothing this time: ${reason(record)}${age(record)}.`;
  else if (kind === 14) words = `Ask at the stall: ${reason(record)}${age(record)}.`;
  else if (kind === 3) words = "Nothing this time: this visit is in the comparison group.";
  else if (kind === 12) words = collective(record.get(24)?.[0]);
  words ??= KINDS.has(kind) ? `A record of the kind ${KINDS.get(kind)}.` : `A record of kind ${kind}, ${NEWER}.`;
  const flags = record.get(0);
  if (flags & 1) words = `Training: ${words}`;
  return flags & 8 ? `Trial run, nothing given: ${words}` : words;
}

/** `{outcome, tone, headline, sentence, at (ms), facts: [[name, value]]}` of a receipt as parseReceipt gives it. */
export function describe({ fields, record }) {
  const kind = record.get(10);
  const outcome = OUTCOMES.get(kind) ?? "";
  const word = KINDS.get(kind) ?? `${NEWER} (${kind})`;
  const granted = kind === 1 && record.get(12)?.length ? grants(record) : "";
  const headline = capital(granted || outcome || word);
  const byBrick = fields.get(8) === 1 && record.get(5) !== null;
  const facts = [
    ["Brick", `${hex(record.get(1))}, record ${record.get(2)}`],
    ["Host", `${hex(fields.get(3))}, receipt ${fields.get(4)}`],
  ];
  if (fields.has(10)) facts.push(["Terms", hex(fields.get(10))]);
  return {
    outcome: outcome || word,
    tone: tone(outcome, word),
    headline,
    sentence: sentence(record),
    why: beside(headline, sentence(record)),
    at: Number(byBrick ? record.get(5) : fields.get(6)),
    facts,
  };
}
