// Passkeys between the browser and the controller: WebAuthn's buffers as base64url and back.

import { base64, fromBase64url } from "./bytes.mjs";

const base64url = (buffer) => base64(new Uint8Array(buffer)).replaceAll("+", "-").replaceAll("/", "_").replace(/=+$/, "");
const ids = (list) => (list ?? []).map((one) => ({ ...one, id: fromBase64url(one.id) }));

/** A credential as JSON, as WebAuthn level 3 has it; older browsers lack its own toJSON. */
function asJson(credential) {
  const response = {};
  for (const name of ["clientDataJSON", "attestationObject", "authenticatorData", "signature", "userHandle"])
    if (credential.response[name]) response[name] = base64url(credential.response[name]);
  return { id: credential.id, rawId: base64url(credential.rawId), type: credential.type, response, clientExtensionResults: {} };
}

/** Signs in by a passkey; what the controller says of the session. `ask` makes one request. */
export async function withPasskey(ask) {
  const { publicKey } = await ask("POST", "/v1/admin/session/passkey/begin", {});
  const options = { ...publicKey, challenge: fromBase64url(publicKey.challenge), allowCredentials: ids(publicKey.allowCredentials) };
  return await ask("POST", "/v1/admin/session/passkey/finish", asJson(await navigator.credentials.get({ publicKey: options })));
}

/** Makes one of this name for whoever is signed in. */
export async function addPasskey(ask, name) {
  const { publicKey } = await ask("POST", "/v1/admin/passkeys/begin", {});
  const options = {
    ...publicKey,
    challenge: fromBase64url(publicKey.challenge),
    user: { ...publicKey.user, id: fromBase64url(publicKey.user.id) },
    excludeCredentials: ids(publicKey.excludeCredentials),
  };
  const made = await navigator.credentials.create({ publicKey: options });
  return await ask("POST", "/v1/admin/passkeys/finish", { name, credential: asJson(made) });
}
