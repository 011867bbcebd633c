// Which Ed25519, SHA-256 and HMAC a page uses: the browser's WebCrypto where it may and can, else our own modules.

import { fromHex } from "./bytes.mjs";
import * as ed25519 from "./ed25519.mjs";
import { hmac256, sha256 } from "./sha2.mjs";

/** Our own modules; works in any context. */
export const own = {
  name: "own",
  why: "",
  sha256: async (bytes) => sha256(bytes),
  hmac256: async (key, bytes) => hmac256(key, bytes),
  verify: async (publicKey, message, signature) => ed25519.verify(publicKey, message, signature),
};

/** The browser's WebCrypto, behind the same three functions. */
export const web = {
  name: "webcrypto",
  why: "",
  sha256: async (bytes) => new Uint8Array(await crypto.subtle.digest("SHA-256", bytes)),
  async hmac256(key, bytes) {
    const form = { name: "HMAC", hash: "SHA-256" };
    const imported = await crypto.subtle.importKey("raw", key, form, false, ["sign"]);
    return new Uint8Array(await crypto.subtle.sign("HMAC", imported, bytes));
  },
  async verify(publicKey, message, signature) {
    try {
      const imported = await crypto.subtle.importKey("raw", publicKey, { name: "Ed25519" }, false, ["verify"]);
      return await crypto.subtle.verify({ name: "Ed25519" }, imported, signature, message);
    } catch {
      return false; // not a point: a key that signs nothing
    }
  },
};

// RFC 8032 §7.1, test 1: the empty message.
const PROBE_KEY = "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a";
const PROBE_SIGNATURE =
  "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b";

/** `web` or `own`; the `why` of the answer says in words what decided. `force` = "own" always gives `own`. */
export async function chooseCrypto(force = null) {
  if (force === "own") return { ...own, why: "the address asks for it" };
  if (!globalThis.isSecureContext) return { ...own, why: "this page was not loaded over a secure connection" };
  const message = new Uint8Array(0);
  if (await web.verify(fromHex(PROBE_KEY), message, fromHex(PROBE_SIGNATURE))) return web;
  return { ...own, why: "this browser has no Ed25519 of its own" };
}
