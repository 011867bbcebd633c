// Instants in the reader's own zone, the UTC instant on hover.
for (const time of document.querySelectorAll("time[data-ms]")) {
  const at = new Date(Number(time.dataset.ms));
  time.dateTime = at.toISOString();
  time.title = at.toISOString();
  time.textContent = at.toLocaleString(document.documentElement.lang, { dateStyle: "medium", timeStyle: "medium" });
}
