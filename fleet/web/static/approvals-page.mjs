// What waits for a second person, with what is agreed to in plain words; agree or say no. Asks /v1/admin/approvals.

import { act, ask, by, change, keepLooking, make, me, state, tell } from "./admin.mjs";
import { age, timeElement } from "./when.mjs";

const ROOT = "/v1/admin/approvals";
const ASK_MS = 4000;
const RETRY_MS = 8000;
const PAST = 20;
let shown = "";

function button(words, more) {
  return make("button", words, { type: "button", ...more });
}

function card(one, now) {
  const item = make("section", "", { className: "card" });
  item.dataset.number = String(one.number);
  const id = `words-${one.number}`;
  const ends = make("span", "; it ends ");
  ends.append(timeElement(one.expires_ms));
  const asked = make("p", `Asked ${age(now - one.made_ms)} by ${one.author}; number ${one.number}`, { className: "soft" });
  asked.append(ends, ".");
  item.append(make("h2", one.words[0] ?? `${one.kind} ${one.thing}`), asked);
  const lines = make("ul", "", { className: "plain-words" });
  lines.append(...one.words.slice(1).map((line) => make("li", line)));
  const said = one.votes.map((vote) => `${vote.account} agreed ${age(now - vote.at_ms)}`).join(", ");
  const left = one.needed - one.votes.length;
  item.append(lines, make("p", `${said ? `${said}. ` : ""}${left === 1 ? "One other person" : `${left} others`} must agree.`));
  item.append(make("p", `This very thing: SHA-256 ${one.digest}`, { className: "soft mono" }));
  if (one.may !== null) item.append(make("p", `You cannot agree: ${one.may}.`, { className: "notice" }));
  if (one.may !== null && one.author !== me.name) return item;
  const words = make("input", "", { id, type: "text", maxLength: 256, autocomplete: "off" });
  const yes = button("Agree", { className: "chief" });
  const no = button(one.author === me.name ? "Take it back" : "Decline");
  yes.hidden = one.may !== null;
  yes.addEventListener("click", () => act(yes, () => vote(one, true, words)));
  no.addEventListener("click", () => act(no, () => vote(one, false, words)));
  const buttons = make("ul", "", { className: "buttons" });
  for (const each of [yes, no]) buttons.append(wrapped(each));
  item.append(make("label", "Words, stand beside it for good", { htmlFor: id }), words, buttons);
  return item;
}

function wrapped(element) {
  const item = make("li");
  item.append(element);
  item.hidden = element.hidden;
  return item;
}

async function vote(one, yes, words) {
  const said = words.value.trim();
  if (!yes && !said) {
    tell("Say why not: whoever asked reads it.");
    words.focus();
    return;
  }
  const after = await change("POST", `${ROOT}/${one.number}`, { yes, digest: one.digest, words: said });
  shown = "";
  await look();
  const next = after.state === "agreed" && one.kind === "rollout" ? ` It can be started now: ${location.origin}/admin/rollouts?rollout=${one.thing}` : "";
  tell(`${one.kind} ${one.thing}: ${after.sentence}.${next}`);
}

function past(one, now) {
  const item = make("li");
  const last = Math.max(one.made_ms, ...one.votes.map((vote) => vote.at_ms));
  item.append(make("b", `${one.kind} ${one.thing}`), make("span", `${one.sentence} (asked by ${one.author}, ${age(now - last)})`));
  return item;
}

async function look() {
  const { approvals, now_ms: now } = await ask("GET", ROOT);
  const open = approvals.filter((one) => one.state === "waiting");
  const over = approvals.filter((one) => one.state !== "waiting").slice(0, PAST);
  const mine = open.filter((one) => one.may === null).length;
  const count = open.length === 1 ? "1 waits" : `${open.length} wait`;
  state(mine ? "warn" : "calm", mine ? "wait" : "good", open.length ? `${count}, ${mine} for you` : "nothing waits");
  by("none").hidden = open.length > 0;
  const key = JSON.stringify(approvals.map((one) => [one.number, one.state, one.votes.length, one.may]));
  if (key === shown) return; // words that somebody types stay
  shown = key;
  by("open").replaceChildren(...open.map((one) => card(one, now)));
  by("decided").replaceChildren(...over.map((one) => past(one, now)));
  by("past").hidden = over.length === 0;
}

keepLooking(look, ASK_MS, RETRY_MS);
