// The last question, whether a later entry takes a receipt back: on a press of the button the whole ledger is read.

import { readHistory } from "./history.mjs";
import { show } from "./verdicts.mjs";
import { readReceipt, verifyReceipt } from "./verify.mjs";

const MOST = 200000; // entries; about 100 MB, which is for the command line

async function fetchFile(path) {
  const answer = await fetch(`/ledger/${path}`);
  if (answer.status === 404) return null;
  if (!answer.ok) throw new Error(`the server answered ${answer.status} for ${path}`);
  return new Uint8Array(await answer.arrayBuffer());
}

/** Show the button; `given` is what verifyReceipt was given, `size` how many entries there are, as far as is known. */
export function offerWholeLedger(given, size) {
  const button = document.getElementById("whole");
  const line = document.getElementById("whole-progress");
  if (size > MOST) return;
  button.hidden = false;
  button.disabled = false;
  line.textContent = size ? `${size} entries or a few more` : "";
  button.onclick = async () => {
    button.disabled = true;
    line.textContent = "reading …";
    try {
      const { receipt, short } = await readReceipt(given.cose, given.crypto);
      const progress = (done, of) => (line.textContent = `${done} of ${of} entries read`);
      const history = await readHistory({ proof: null, ...given, receipt, short, fetchFile, progress });
      const { checks } = await verifyReceipt({ ...given, history });
      show(checks, given.crypto);
      button.hidden = true;
    } catch (error) {
      line.textContent = `The ledger could not be read: ${error.message}.`;
      button.disabled = false;
    }
  };
}
