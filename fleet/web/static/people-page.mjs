// Other people's accounts: who there is, what opens them, roles, a new one, recovery, the end. Talks to /v1/admin/people.

import { act, ask, become, by, change, make, me, state, tell } from "./admin.mjs";
import { timeElement } from "./when.mjs";

const ROOT = "/v1/admin/people";
let people = [];
let roles = {};
let chosen = null;
const list = (id) => by(id).value.split(/[\s,]+/).filter(Boolean);
const path = (name, tail = "") => `${ROOT}/${encodeURIComponent(name)}${tail}`;
const writes = () => me.permissions.includes("people.write");

function choices(id, given, fixed) {
  by(id).replaceChildren(...Object.entries(roles).map(([role, { what }]) => {
    const item = make("li");
    const label = make("label");
    const box = make("input", "", { type: "checkbox", value: role, checked: given.includes(role), disabled: fixed });
    const words = make("span");
    words.append(make("b", role), make("span", ` ${what}`, { className: "soft" }));
    label.append(box, words);
    item.append(label);
    return item;
  }));
}

const picked = (id) => [...by(id).querySelectorAll("input:checked")].map((box) => box.value);

function row(one) {
  const item = make("li");
  const button = make("button", one.name, { type: "button", className: "name" });
  button.dataset.name = one.name;
  button.setAttribute("aria-pressed", String(one.name === chosen));
  const where = [one.tenant === "main" ? "" : `tenant ${one.tenant}`, one.hubs.length ? `${one.hubs.length} hubs` : "", one.tags.length ? `tags ${one.tags.join(" ")}` : ""];
  const words = [one.roles.join(", ") || "no role yet", ...where.filter(Boolean), one.disabled_ms ? "disabled" : ""].filter(Boolean).join("; ");
  item.append(button, make("span", words, { className: one.disabled_ms ? "soft" : "" }));
  return item;
}

async function load() {
  ({ people } = await ask("GET", ROOT));
  by("people").replaceChildren(...people.map(row));
  const good = people.filter((one) => !one.disabled_ms).length;
  state("good", "good", `${good} ${good === 1 ? "account" : "accounts"}`);
  if (chosen) await show(chosen);
}

/** A line with a button that ends it. */
function key(words, ms, label, work) {
  const item = make("li");
  const text = make("span", `${words}, made `);
  text.append(timeElement(ms));
  const end = make("button", label, { type: "button", hidden: !writes() });
  end.setAttribute("aria-label", `${label}: ${words}`);
  end.addEventListener("click", () => act(end, () => work().then(load)));
  item.append(text, end);
  return item;
}

async function show(name) {
  const one = people.find((found) => found.name === name);
  if (!one) return;
  const access = await ask("GET", path(name, "/access"));
  chosen = name;
  for (const button of by("people").querySelectorAll("button")) button.setAttribute("aria-pressed", String(button.dataset.name === name));
  by("nobody").hidden = true;
  by("one").hidden = false;
  by("one-title").textContent = one.shown === one.name ? one.name : `${one.shown} (${one.name})`;
  const ended = make("span", "disabled since ");
  if (one.disabled_ms) ended.append(timeElement(one.disabled_ms));
  by("one-state").replaceChildren(one.disabled_ms ? ended : "good");
  by("one-tenant").textContent = one.tenant === "*" ? "all of them" : one.tenant;
  by("one-made").replaceChildren(timeElement(one.made_ms));
  const sessions = access.sessions === 1 ? "1 session is open" : `${access.sessions} sessions are open`;
  by("one-opens").textContent = `${access.password ? "A password" : "No password"}; ${access.passkeys.length} passkeys; ${access.tokens.length} tokens; ${sessions}.`;
  by("one-keys").replaceChildren(
    ...access.passkeys.map((each) => key(`Passkey ${each.name}`, each.made_ms, "Forget it", () => change("DELETE", path(name, `/passkeys/${each.passkey}`)))),
    ...access.tokens.map((each) => key(`Token ${each.number}, ${each.what}`, each.made_ms, "End it", () => change("DELETE", `/v1/admin/tokens/${each.number}`))),
  );
  const own = name === me.name;
  choices("one-roles", one.roles, own || !writes());
  by("one-hubs").value = one.hubs.join(" ");
  by("one-tags").value = one.tags.join(" ");
  by("belongs").querySelector(".buttons").hidden = by("access").hidden = own || !writes();
  for (const id of ["one-hubs", "one-tags"]) by(id).readOnly = own || !writes();
  by("own").hidden = !own;
  by("set-password").hidden = by("disable").hidden = Boolean(one.disabled_ms);
}

/** One of the three buttons of an account; the reason and the password go with it and are gone then. */
function doing(id, tail, needed, done) {
  by(id).addEventListener("click", () => act(by(id), async () => {
    const [password, reason] = [by("one-password").value, by("one-reason").value.trim()];
    const missing = needed === "password" ? !password : !reason;
    if (missing) {
      tell(needed === "password" ? "Type a new password first; tell it to them, and they change it on their own page." : "Say why: the reason stands in the log for good.");
      by(`one-${needed}`).focus();
      return;
    }
    await change("POST", path(chosen, tail), { ...(tail === "/disable" || !password ? {} : { password }), reason });
    by("one-password").value = by("one-reason").value = "";
    await load();
    tell(`${chosen}: ${done}.`);
  }));
}

doing("set-password", "/password", "password", "the new password counts, sessions have ended");
doing("recover", "/recover", "reason", "passkeys, tokens and sessions have ended; look in the log for what was done in this name");
doing("disable", "/disable", "reason", "disabled, sessions and tokens have ended");

by("people").addEventListener("click", (event) => {
  const button = event.target.closest("button[data-name]");
  if (button) act(button, () => show(button.dataset.name));
});
by("belongs").addEventListener("submit", (event) => {
  event.preventDefault();
  act(event.submitter, async () => {
    await change("POST", path(chosen), { roles: picked("one-roles"), hubs: list("one-hubs"), tags: list("one-tags") });
    await load();
    tell(`${chosen}: saved.`);
  });
});
by("access").addEventListener("submit", (event) => event.preventDefault());
by("new").addEventListener("submit", (event) => {
  event.preventDefault();
  act(event.submitter, async () => {
    const name = by("new-name").value.trim().toLowerCase();
    const password = by("new-password").value;
    const made = { name, roles: picked("new-roles"), hubs: list("new-hubs"), tags: list("new-tags") };
    await change("POST", ROOT, password ? { ...made, password } : made);
    by("new").reset();
    chosen = name;
    await load();
    tell(`${name} is made.`);
  });
});

try {
  become(await ask("GET", "/v1/admin/session"));
  ({ roles } = await ask("GET", "/v1/admin/roles"));
  choices("new-roles", [], false);
  await load();
  by("all").hidden = false;
  by("new").hidden = !writes();
} catch (error) {
  by("signed-out").hidden = error.status !== 401;
  state("warn", "warn", error.status === 401 ? "not signed in" : "not shown");
  if (error.status !== 401) tell(`People are not shown: ${error.message}.`);
}
