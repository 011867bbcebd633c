// A rollout as it goes: waves of dots, the reason of each kit on click. Asks /v1/admin/rollouts every other second.

import { ask, by, change, keepLooking, make, me, request, state, tell } from "./admin.mjs";
import { age } from "./when.mjs";

const ROOT = "/v1/admin/rollouts";
const ASK_MS = 2000;
const RETRY_MS = 5000;
const SIGNS = { good: "✓", bad: "!", moving: "…", open: "", away: "–", back: "↩", "back-open": "↩", gone: "·" };
const WORDS = {
  good: "proved it runs it", moving: "at it", open: "waits for its turn", away: "away or rented", bad: "needs somebody",
  back: "back to what was before", "back-open": "to go back", gone: "a newer rollout has it",
};
const VERBS = {
  planned: ["start"], shadow: ["pause", "stop/halt"], running: ["pause", "stop/halt", "stop/rollback"], complete: ["pause", "stop/halt", "stop/rollback"],
  paused: ["resume", "stop/halt", "stop/rollback"], halted: ["stop/rollback"], "rolling back": ["pause"], "rolled back": [],
};
const BUTTONS = { start: "Start", pause: "Pause", resume: "Resume", "stop/halt": "Halt", "stop/rollback": "Roll back" };

let rollout = new URLSearchParams(location.search).get("rollout");
let kit = null; // whose reasons stand there; null: the rollout's
let etag = "";
let phase = "";
let waits = false; // for the second person

const TONES = { running: "good", complete: "good", paused: "warn", halted: "bad", "rolling back": "warn", "rolled back": "calm", planned: "calm", shadow: "calm" };

function dot([id, name, status, look]) {
  const item = document.createElement("li");
  const button = make("button", SIGNS[look], { type: "button", className: look, title: `${name}: ${status}` });
  button.dataset.kit = id;
  button.dataset.name = name;
  button.setAttribute("aria-label", `${name}: ${status}`);
  button.setAttribute("aria-pressed", String(id === kit));
  item.append(button);
  return item;
}

function wave(found, number, open) {
  const item = make("li", "", { className: number === open && phase === "running" ? "open" : "" });
  const counts = Object.entries(found.counts);
  const total = counts.reduce((sum, [, n]) => sum + n, 0);
  const dots = make("ul", "", { className: "dots" });
  dots.append(...found.dots.map(dot));
  item.append(
    make("h3", `Wave ${number}: ${total} ${total === 1 ? "kit" : "kits"}`),
    dots,
    make("p", counts.map(([status, n]) => `${n} ${status}`).join(", ") || "no kits", { className: "soft" }),
  );
  if (found.left_out) item.append(make("p", `${found.left_out} more kits have no dot of their own here.`, { className: "soft" }));
  return item;
}

function pill() {
  const waiting = waits && phase === "planned";
  state(waiting ? "warn" : TONES[phase] ?? "calm", waiting ? "wait" : TONES[phase] ?? "calm", waiting ? "waiting for the second person" : phase);
}

/** The picture anew. The focus stays on the dot that had it. */
function draw(found) {
  phase = found.phase;
  const focused = document.activeElement?.dataset?.kit;
  by("name").textContent = `Rollout ${found.rollout}`;
  pill();
  by("waves").replaceChildren(...found.waves.map((one, at) => wave(one, at + 1, found.wave)));
  if (focused) by("waves").querySelector(`[data-kit="${focused}"]`)?.focus();
  const gates = Object.entries(found.gates);
  by("gates").replaceChildren(...gates.map(([name, one]) => {
    const item = document.createElement("li");
    item.append(make("b", name), make("span", `${one.verdict || "no verdict yet"}: ${one.why}`));
    return item;
  }));
  by("no-gates").hidden = gates.length > 0;
  by("one").hidden = false;
  verbs();
}

function verbs() {
  const allowed = (VERBS[phase] ?? []).filter((verb) => me.permissions.includes(verb.startsWith("stop/") ? "rollouts.halt" : "rollouts.write"));
  by("verbs").hidden = allowed.length === 0;
  const shown = [...by("verb-buttons").querySelectorAll("button")].map((one) => one.dataset.verb).join();
  if (shown === allowed.join()) return;
  by("verb-buttons").replaceChildren(...allowed.map((verb) => {
    const item = document.createElement("li");
    const button = make("button", BUTTONS[verb], { type: "button" });
    button.dataset.verb = verb;
    item.append(button);
    return item;
  }));
}

async function reasons() {
  const whom = kit;
  const { reasons: found } = await ask("GET", `${ROOT}/${encodeURIComponent(rollout)}/why${whom ? `?kit=${whom}` : ""}`);
  if (whom !== kit) return; // another dot was pressed meanwhile
  by("why").replaceChildren(...found.map((one) => {
    const item = make("li", `${one.text} `);
    item.append(make("span", `(${age(one.age_s * 1000)})`, { className: "soft" }));
    return item;
  }));
  waits = found.some((one) => one.code === "second person");
  pill();
  by("of-all").hidden = whom === null;
  by("of-whom").hidden = whom !== null;
}

/** All rollouts, the newest first; which one is shown. */
async function list() {
  const { rollouts } = await ask("GET", ROOT);
  by("none").hidden = rollouts.length > 0;
  if (!rollouts.length) state("calm", "calm", "nothing to see");
  rollout ??= rollouts.at(-1)?.rollout ?? null;
  by("all").hidden = rollouts.length < 2;
  by("all").replaceChildren("All: ", ...rollouts.reverse().flatMap((one) => {
    const link = make("a", one.rollout, { href: `?rollout=${encodeURIComponent(one.rollout)}` });
    if (one.rollout === rollout) link.setAttribute("aria-current", "page");
    return [link, ` (${one.phase})  `];
  }));
}

async function look() {
  await list();
  if (!rollout) return;
  const { answer, found } = await request("GET", `${ROOT}/${encodeURIComponent(rollout)}/picture`, undefined, etag ? { "If-None-Match": etag } : {});
  etag = answer.headers.get("ETag") ?? "";
  if (found) draw(found);
  else pill(); // it is there again
  await reasons();
}

by("waves").addEventListener("click", (event) => {
  const pressed = event.target.closest("button[data-kit]");
  if (!pressed) return;
  kit = pressed.dataset.kit;
  for (const one of by("waves").querySelectorAll("button")) one.setAttribute("aria-pressed", String(one === pressed));
  by("why-title").textContent = `Why: ${pressed.dataset.name}`;
  reasons().catch((error) => state("warn", "warn", error.message));
});
by("of-all").addEventListener("click", () => {
  kit = null;
  by("why-title").textContent = "Why";
  for (const one of by("waves").querySelectorAll("button")) one.setAttribute("aria-pressed", "false");
  reasons().catch((error) => state("warn", "warn", error.message));
});
by("verbs").addEventListener("submit", (event) => event.preventDefault());
by("verb-buttons").addEventListener("click", async (event) => {
  const verb = event.target.closest("button")?.dataset.verb;
  if (!verb) return;
  const reason = by("reason").value.trim();
  const needed = verb.startsWith("stop/") && !reason;
  tell(needed ? "Say why: the reason stands beside it for good." : "");
  if (needed) {
    by("reason").focus();
    return;
  }
  try {
    const { approval, sentence } = await change("POST", `${ROOT}/${encodeURIComponent(rollout)}/${verb}`, { reason });
    by("reason").value = "";
    if (approval) tell(`Not begun yet: ${sentence}. It stands on the page Approvals as number ${approval}; start it again then.`);
    await reasons();
  } catch (error) {
    tell(`This did not work: ${error.message}.`);
  }
});
for (const [look, words] of Object.entries(WORDS)) {
  const entry = document.createElement("span");
  const dots = make("span", "", { className: "dots" });
  dots.append(make("button", SIGNS[look], { type: "button", className: look, disabled: true, tabIndex: -1 }));
  dots.setAttribute("aria-hidden", "true");
  entry.append(dots, words);
  by("legend").append(entry);
}
keepLooking(look, ASK_MS, RETRY_MS);
