// Sign in by password or passkey, see what one may, add passkeys, sign out. Talks to /v1/admin/session and /v1/admin/passkeys.

import { base64, fromBase64url } from "./bytes.mjs";
import { timeElement } from "./when.mjs";

const by = (id) => document.getElementById(id);
const SESSION = "/v1/admin/session";
let csrf = "";

/** One request; its answer as an object. Throws what the controller says. */
async function ask(method, path, body) {
  const headers = { "X-CSRF-Token": csrf };
  if (body !== undefined) headers["Content-Type"] = "application/json";
  const answer = await fetch(path, { method, headers, body: body === undefined ? undefined : JSON.stringify(body) });
  const found = await answer.json().catch(() => ({}));
  if (!answer.ok) throw Object.assign(new Error(found.reason ?? `the controller answered ${answer.status}`), { status: answer.status });
  return found;
}

function tell(text) {
  by("told").textContent = text;
  by("told").hidden = text === "";
}

/** Runs what a button does: one at a time, its failure in words. */
async function act(button, work) {
  button.disabled = true;
  tell("");
  try {
    await work();
  } catch (error) {
    tell(error.name === "NotAllowedError" ? "The passkey was not used: it was cancelled, or took too long." : `This did not work: ${error.message}.`);
    if (error.status === 401 && !by("in").hidden) signedOut();
  } finally {
    button.disabled = false;
  }
}

const base64url = (buffer) => base64(new Uint8Array(buffer)).replaceAll("+", "-").replaceAll("/", "_").replace(/=+$/, "");
const ids = (list) => (list ?? []).map((one) => ({ ...one, id: fromBase64url(one.id) }));

/** A credential as JSON, as WebAuthn level 3 has it; older browsers lack its own toJSON. */
function asJson(credential) {
  const response = {};
  for (const name of ["clientDataJSON", "attestationObject", "authenticatorData", "signature", "userHandle"])
    if (credential.response[name]) response[name] = base64url(credential.response[name]);
  return { id: credential.id, rawId: base64url(credential.rawId), type: credential.type, response, clientExtensionResults: {} };
}

async function withPasskey() {
  const { publicKey } = await ask("POST", `${SESSION}/passkey/begin`, {});
  const options = { ...publicKey, challenge: fromBase64url(publicKey.challenge), allowCredentials: ids(publicKey.allowCredentials) };
  signedIn(await ask("POST", `${SESSION}/passkey/finish`, asJson(await navigator.credentials.get({ publicKey: options }))));
}

async function addPasskey() {
  const { publicKey } = await ask("POST", "/v1/admin/passkeys/begin", {});
  const options = {
    ...publicKey,
    challenge: fromBase64url(publicKey.challenge),
    user: { ...publicKey.user, id: fromBase64url(publicKey.user.id) },
    excludeCredentials: ids(publicKey.excludeCredentials),
  };
  const made = await navigator.credentials.create({ publicKey: options });
  await ask("POST", "/v1/admin/passkeys/finish", { name: by("passkey-name").value, credential: asJson(made) });
  await listPasskeys();
}

async function listPasskeys() {
  const { passkeys, why_not } = await ask("GET", "/v1/admin/passkeys");
  by("passkeys").replaceChildren(...passkeys.map(row));
  by("why-not").textContent = why_not ? `None can be made here: ${why_not}.` : "";
  by("why-not").hidden = !why_not;
  by("make").hidden = by("add-passkey").hidden = Boolean(why_not);
}

function row(passkey) {
  const item = document.createElement("li");
  const forget = document.createElement("button");
  forget.type = "button";
  forget.textContent = "Forget it";
  forget.setAttribute("aria-label", `Forget the passkey ${passkey.name}`);
  forget.addEventListener("click", () => act(forget, () => ask("DELETE", `/v1/admin/passkeys/${passkey.passkey}`).then(listPasskeys)));
  item.append(`${passkey.name}, made `, timeElement(passkey.made_ms), " ", forget);
  return item;
}

function signedIn(found) {
  csrf = found.csrf ?? "";
  by("who").textContent = found.name;
  by("roles").textContent = found.roles.join(", ") || "none yet: a fleet admin gives them";
  by("hubs").textContent = found.hubs.join(", ") || "all";
  by("may").textContent = found.permissions.join(", ") || "nothing yet";
  by("pages").hidden = !found.permissions.includes("rollouts.read");
  by("password").value = "";
  by("out").hidden = true;
  by("in").hidden = false;
  listPasskeys().catch((error) => tell(`Passkeys are not shown: ${error.message}.`));
}

function signedOut() {
  csrf = "";
  by("in").hidden = true;
  by("out").hidden = false;
}

by("out").addEventListener("submit", (event) => {
  event.preventDefault();
  const form = { name: by("name").value, password: by("password").value };
  act(event.submitter ?? by("by-passkey"), async () => signedIn(await ask("POST", SESSION, form)));
});
by("by-passkey").addEventListener("click", (event) => act(event.currentTarget, withPasskey));
by("add-passkey").addEventListener("click", (event) => act(event.currentTarget, addPasskey));
by("leave").addEventListener("click", (event) => act(event.currentTarget, async () => { await ask("DELETE", SESSION); signedOut(); }));
ask("GET", SESSION).then(signedIn, signedOut);
