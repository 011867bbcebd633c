// The public keys file, `stallmark-public-keys/1` (docs/formats/ledger.md): all that a stranger trusts.

import { FormatError, fromBase64, hex } from "./bytes.mjs";
import { parseVkey } from "./tlog.mjs";

/**
 * `{development, log: {origin, name, keyId, publicKey}, hosts: [{kid (hex), publicKey, name}]}`. Key ids are computed
 * from the keys themselves; what the file claims them to be does not matter. Throws FormatError.
 */
export async function parseKeys(json, sha256) {
  let file;
  try {
    file = typeof json === "string" ? JSON.parse(json) : json;
  } catch {
    throw new FormatError("the keys file is not JSON");
  }
  if (file?.format !== "stallmark-public-keys/1") {
    throw new FormatError("the keys file is not of the form stallmark-public-keys/1");
  }
  if (typeof file.log?.origin !== "string" || typeof file.log?.vkey !== "string" || !Array.isArray(file.hosts)) {
    throw new FormatError("the keys file names no log or no hosts");
  }
  const log = { origin: file.log.origin, ...(await parseVkey(file.log.vkey, sha256)) };
  const hosts = [];
  for (const host of file.hosts) {
    const publicKey = fromBase64(String(host.public));
    if (publicKey.length !== 32) throw new FormatError("a host key in the keys file is not 32 bytes");
    const kid = hex((await sha256(publicKey)).subarray(0, 8));
    hosts.push({ kid, publicKey, name: String(host.name ?? "") });
  }
  return { development: file.development === true, log, hosts };
}
