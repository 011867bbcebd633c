// Times in the viewer's zone with UTC on hover, and ages that keep counting.

const short = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "medium" });

// A wild clock must not stop a page: later instants are shown as the last of the year 9999.
const LAST = 253402300799000;
const instant = (ms) => new Date(Math.min(ms, LAST));

/** "2026-09-21 10:15:00 UTC", whatever the viewer's zone. */
export function utc(ms) {
  return `${instant(ms).toISOString().slice(0, 19).replace("T", " ")} UTC`;
}

/** In the viewer's zone and language. */
export function local(ms) {
  return short.format(instant(ms));
}

/** Fill a <time> element for an instant in ms since 1970. */
export function fill(element, ms) {
  element.dateTime = instant(ms).toISOString();
  element.dataset.ms = String(ms);
  element.title = utc(ms);
  element.textContent = local(ms);
  return element;
}

/** A new <time> element. */
export function timeElement(ms) {
  return fill(document.createElement("time"), ms);
}

/** How long ago, in plain words; what lies ahead (clocks differ) is "just now". */
export function age(ms) {
  const seconds = Math.max(0, Math.round(ms / 1000));
  if (seconds < 2) return "just now";
  if (seconds < 90) return `${seconds} seconds ago`;
  const minutes = Math.round(seconds / 60);
  if (minutes < 90) return `${minutes} minutes ago`;
  const hours = Math.round(minutes / 60);
  return hours < 48 ? `${hours} hours ago` : `${Math.round(hours / 24)} days ago`;
}

/** Every <time> of the page that carries data-ms, put into the viewer's zone. */
export function localise(root = document) {
  for (const element of root.querySelectorAll("time[data-ms]")) fill(element, Number(element.dataset.ms));
}

localise();
