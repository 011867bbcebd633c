// The poster's button takes the phone's pass along, where it has one.
import { kept } from "./kept.mjs";

const form = document.getElementById("scan");
const pass = kept();
if (form && pass) {
  form.elements.pass.value = pass.text;
  document.getElementById("with").hidden = false;
  document.getElementById("without").hidden = true;
}
form?.addEventListener("submit", () => {
  form.querySelector("button").disabled = true;
});
