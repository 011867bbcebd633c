// Sign in by password or passkey, see what one may, add passkeys, sign out. Talks to /v1/admin/session and /v1/admin/passkeys.

import { SESSION, act, ask, become, by, change, make, me, tell } from "./admin.mjs";
import { addPasskey, withPasskey } from "./passkeys.mjs";
import { timeElement } from "./when.mjs";

const doing = (button, work) => act(button, work, (error) => { if (error.status === 401 && !by("in").hidden) signedOut(); });

async function listPasskeys() {
  const { passkeys, why_not } = await ask("GET", "/v1/admin/passkeys");
  by("passkeys").replaceChildren(...passkeys.map(row));
  by("why-not").textContent = why_not ? `None can be made here: ${why_not}.` : "";
  by("why-not").hidden = !why_not;
  by("make").hidden = by("add-passkey").hidden = Boolean(why_not);
}

function row(passkey) {
  const item = make("li");
  const forget = make("button", "Forget it", { type: "button" });
  forget.setAttribute("aria-label", `Forget the passkey ${passkey.name}`);
  forget.addEventListener("click", () => doing(forget, () => change("DELETE", `/v1/admin/passkeys/${passkey.passkey}`).then(listPasskeys)));
  item.append(`${passkey.name}, made `, timeElement(passkey.made_ms), " ", forget);
  return item;
}

function signedIn(found) {
  become(found);
  by("who").textContent = found.name;
  by("roles").textContent = found.roles.join(", ") || "none yet: a fleet admin gives them";
  by("hubs").textContent = found.hubs.join(", ") || "all";
  by("may").textContent = found.permissions.join(", ") || "nothing yet";
  by("password").value = "";
  by("out").hidden = true;
  by("in").hidden = false;
  listPasskeys().catch((error) => tell(`Passkeys are not shown: ${error.message}.`));
}

function signedOut() {
  me.csrf = "";
  by("in").hidden = true;
  by("out").hidden = false;
}

by("out").addEventListener("submit", (event) => {
  event.preventDefault();
  const form = { name: by("name").value, password: by("password").value };
  doing(event.submitter ?? by("by-passkey"), async () => signedIn(await ask("POST", SESSION, form)));
});
by("by-passkey").addEventListener("click", (event) => doing(event.currentTarget, async () => signedIn(await withPasskey(ask))));
by("add-passkey").addEventListener("click", (event) =>
  doing(event.currentTarget, () => addPasskey(change, by("passkey-name").value).then(listPasskeys)));
by("leave").addEventListener("click", (event) => doing(event.currentTarget, async () => { await ask("DELETE", SESSION); signedOut(); }));
by("new-words").addEventListener("submit", (event) => {
  event.preventDefault();
  doing(event.submitter, async () => {
    await ask("POST", `${SESSION}/password`, { now: by("words-now").value, new: by("words-new").value });
    by("new-words").reset();
    signedOut();
    tell("The new password counts: sign in with it.");
  });
});
ask("GET", SESSION).then(signedIn, signedOut);
