// What a receipt says, in words, for receipts that no server has described: the same headline as on its own page.

import { hex } from "./bytes.mjs";

const KINDS = new Map([
  [0, "start"], [1, "grant"], [2, "deny"], [3, "ghost"], [4, "redeem"], [5, "void"], [6, "refund"], [8, "heartbeat"],
  [9, "latch"], [10, "rights"], [11, "outage"], [12, "collective"], [13, "close"], [14, "uncertain"], [15, "reserve"],
  [16, "release"], [17, "boot"], [18, "clock"], [19, "annotate"], [20, "lost"], [21, "rental"], [22, "parameters"],
]);

// The customer's words. A control arm (ghost) is never shown as a refusal.
const OUTCOMES = new Map([[1, "granted"], [2, "nothing this time"], [3, "nothing this time"], [14, "ask at the stall"]]);
export const TONES = new Map([[1, "good"], [2, "calm"], [3, "calm"], [14, "warn"], [5, "bad"], [6, "bad"]]);

// ISO 4217 currencies whose minor unit is not a hundredth.
const DECIMALS = { BHD: 3, CLP: 0, ISK: 0, JPY: 0, JOD: 3, KRW: 0, KWD: 3, OMR: 3, TND: 3, VND: 0 };

const newer = (number) => `newer than this program (${number})`;
const capital = (text) => text[0].toUpperCase() + text.slice(1);

/** Minor units with their currency: "1.50 EUR". */
export function money(minor, currency) {
  const places = DECIMALS[currency] ?? 2;
  const amount = BigInt(minor);
  const digits = String(amount < 0n ? -amount : amount).padStart(places + 1, "0");
  const text = places ? `${digits.slice(0, -places)}.${digits.slice(-places)}` : digits;
  return `${amount < 0n ? "-" : ""}${text}${currency ? ` ${currency}` : ""}`;
}

function percent(bps) {
  const rest = bps % 100;
  const whole = (bps - rest) / 100;
  return rest ? `${whole}.${String(rest).padStart(2, "0").replace(/0+$/, "")} %` : `${whole} %`;
}

function grant([type, amount, minor], currency) {
  const count = amount ?? 0;
  const cash = minor ? money(minor, currency) : "";
  const worth = cash ? ` (${cash})` : "";
  switch (type) {
    case 1: return `${percent(count)} off, now${worth}`;
    case 2: return `${cash} off, now`;
    case 3: return `${percent(count)} off the next visit${worth}`;
    case 4: return `${cash} off the next visit`;
    case 5: return count <= 1 ? "a free sample" : `${count} free samples`;
    case 6: return "an upgrade";
    case 7: return `the tip is matched${worth}`;
    case 8: return count === 1 ? "1 loyalty token" : `${count} loyalty tokens`;
    case 9: return count <= 1 ? "a voucher" : `${count} vouchers`;
    case 10: return "something unlocked";
    case 11: return `a donation${worth}`;
    case 12: return `a share for others${worth}`;
    default: return newer(type);
  }
}

/** `{outcome, tone, headline, at, facts: [[name, value]]}` of a receipt as parseReceipt gives it. */
export function describe({ fields, record }) {
  const kind = record.get(10);
  const outcome = OUTCOMES.get(kind) ?? "";
  const grants = (record.get(12) ?? []).map((one) => grant(one, record.get(23)));
  const word = KINDS.get(kind) ?? newer(kind);
  const headline = capital(kind === 1 && grants.length ? grants.join(" and ") : outcome || word);
  const byBrick = fields.get(8) === 1 && record.get(5) !== null;
  const facts = [
    ["Brick", `${hex(record.get(1))}, record ${record.get(2)}`],
    ["Host", `${hex(fields.get(3))}, receipt ${fields.get(4)}`],
  ];
  if (fields.has(10)) facts.push(["Terms", hex(fields.get(10))]);
  return {
    outcome: outcome || word,
    tone: TONES.get(kind) ?? "calm",
    headline,
    at: Number(byBrick ? record.get(5) : fields.get(6)),
    facts,
  };
}
