// What the pages for people share: requests, who is signed in, failures in words, and proving who one is once more.

import { withPasskey } from "./passkeys.mjs";

export const by = (id) => document.getElementById(id);
export const SESSION = "/v1/admin/session";
/** Who is signed in. */
export const me = { name: "", csrf: "", permissions: [] };

/** Takes over what the controller says of a session. */
export function become(found) {
  Object.assign(me, { name: found.name, csrf: found.csrf ?? "", permissions: found.permissions });
  return found;
}

/** One request: the answer and its object, null where nothing changed. Throws what the controller says, with `status`. */
export async function request(method, path, body, headers = {}) {
  if (method !== "GET") headers = { ...headers, "X-CSRF-Token": me.csrf };
  if (body !== undefined) headers = { ...headers, "Content-Type": "application/json" };
  const answer = await fetch(path, { method, headers, body: body === undefined ? undefined : JSON.stringify(body) });
  if (answer.status === 304) return { answer, found: null };
  const found = await answer.json().catch(() => ({}));
  if (!answer.ok) {
    const words = found.reason ?? `the controller answered ${answer.status}`;
    throw Object.assign(new Error(words), { status: answer.status, again: Boolean(found.again) });
  }
  return { answer, found };
}

/** The same, the object alone. */
export const ask = async (...what) => (await request(...what)).found;

/** A change. Where the controller wants to know again who this is, its person is asked, and it is tried once more. */
export async function change(method, path, body) {
  try {
    return await ask(method, path, body);
  } catch (error) {
    if (!error.again) throw error;
    await proveAgain(error.message);
    return await ask(method, path, body);
  }
}

/** An element with text. */
export function make(name, words = "", more = {}) {
  const element = Object.assign(document.createElement(name), more);
  if (words !== "") element.textContent = words;
  return element;
}

/** Shows words above everything; none hides them. */
export function tell(words) {
  by("told").textContent = words;
  by("told").hidden = words === "";
}

/** Runs what a button does: one at a time, its failure in words. */
export async function act(button, work, after = () => {}) {
  button.disabled = true;
  tell("");
  try {
    await work();
  } catch (error) {
    tell(error.name === "NotAllowedError" ? "The passkey was not used: it was cancelled, or took too long." : `This did not work: ${error.message}.`);
    after(error);
  } finally {
    button.disabled = false;
  }
}

/** The state of a page beside its title. */
export function state(tone, icon, words) {
  by("state").className = `state is-${tone}`;
  by("state").querySelector("use").setAttribute("href", `#i-${icon}`);
  const word = by("state").querySelector(".word");
  if (word.textContent !== words) word.textContent = words;
}

/** Looks at once and again every `askMs`, later after a failure and in a page that nobody sees; says whether the page is up to date. */
export async function keepLooking(look, askMs, retryMs) {
  let wait = askMs;
  try {
    if (!me.name) become(await ask("GET", SESSION));
    await look();
    by("signed-out").hidden = true;
  } catch (error) {
    wait = retryMs;
    const out = error.status === 401;
    if (out) me.name = "";
    by("signed-out").hidden = !out;
    state("warn", "warn", out ? "not signed in" : `not up to date: ${error.message}`);
  }
  setTimeout(keepLooking, document.hidden ? 5 * wait : wait, look, askMs, retryMs);
}

function proveAgain(why) {
  const dialog = by("again");
  by("again-why").textContent = `${why[0].toUpperCase()}${why.slice(1)}.`;
  by("again-told").textContent = "";
  by("again-password").value = "";
  dialog.showModal();
  return new Promise((done, failed) => {
    const listening = new AbortController();
    const { signal } = listening;
    const close = () => { listening.abort(); by("again-password").value = ""; dialog.close(); };
    const prove = async (work) => {
      try {
        become(await work());
        close();
        done();
      } catch (error) {
        by("again-told").textContent = `${error.message}.`;
      }
    };
    by("again-form").addEventListener("submit", (event) => {
      event.preventDefault();
      prove(() => ask("POST", SESSION, { name: me.name, password: by("again-password").value }));
    }, { signal });
    by("again-passkey").addEventListener("click", () => prove(() => withPasskey(ask)), { signal });
    const cancelled = () => { close(); failed(new Error("nothing was done, as you did not sign in again")); };
    by("again-cancel").addEventListener("click", cancelled, { signal });
    dialog.addEventListener("cancel", (event) => { event.preventDefault(); cancelled(); }, { signal });
  });
}
