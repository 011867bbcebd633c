// The pass page: shows the pass that this phone keeps, or asks the stall for one with a code.
import { drop, keep, kept } from "./kept.mjs";

const byId = (id) => document.getElementById(id);

const show = () => {
  const pass = kept();
  byId("have").hidden = !pass;
  byId("none").hidden = Boolean(pass);
  if (pass) {
    byId("code").src = pass.png;
    byId("save").href = pass.png;
    byId("number").textContent = pass.number.match(/.{4}/g).join(" ");
  }
};

byId("ask")?.addEventListener("submit", async (event) => {
  event.preventDefault();
  const wrong = byId("wrong");
  wrong.hidden = true;
  try {
    const answer = await fetch("/p", { method: "POST", body: new URLSearchParams(new FormData(event.target)) });
    const found = await answer.json();
    if (!answer.ok) throw Object.assign(new Error(found.error), { known: found.error });
    keep(found);
    history.replaceState(null, "", location.pathname);
    show();
  } catch (error) {
    wrong.textContent = wrong.dataset[error.known] ?? wrong.dataset.pass_failed;
    wrong.hidden = false;
  }
});

byId("drop").addEventListener("click", () => {
  if (confirm(byId("drop").dataset.sure)) {
    drop();
    show();
  }
});

show();
// Browsers keep pages for offline use only where the connection is protected, or on this machine.
if ("serviceWorker" in navigator && isSecureContext) {
  try {
    await navigator.serviceWorker.register("/p/sw.mjs", { scope: "/p" });
    await navigator.serviceWorker.ready;
    byId("kept").hidden = false;
  } catch {
    byId("unkept").hidden = false;
  }
} else {
  byId("unkept").hidden = false;
}
