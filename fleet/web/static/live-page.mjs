// The stall as it happens: server-sent events for the feed, a summary every few seconds, ages that count on.

import { age, fill, local, localise, utc } from "./when.mjs";
import { beside, capital, money, tone } from "./words.mjs";

const FEED = 40; // entries kept on the page
const SUMMARY_MS = 4000;
const RETRY_MS = [1000, 2000, 4000, 8000, 15000];

const by = (id) => document.getElementById(id);

let ahead = 0; // market clock minus this device's clock, ms
let failures = 0;
let stream = null;

function icon(svg, name) {
  svg.querySelector("use").setAttribute("href", `#i-${name}`);
}

/** The state line: live, reconnecting or not connected, each with its own shape. */
function state(colour, shape, words) {
  const line = by("state");
  line.className = `state is-${colour}`;
  icon(line.querySelector("svg"), shape);
  const word = line.querySelector(".word");
  if (word.textContent !== words) word.textContent = words;
  line.dataset.state = colour;
}

/** One receipt into the feed, newest first, each index once. */
function add(one) {
  const feed = by("feed");
  if (feed.querySelector(`[data-index="${one.index}"]`)) return;
  const item = by("row").content.cloneNode(true).firstElementChild;
  const look = tone(one.outcome, one.kind);
  item.dataset.index = one.index;
  item.querySelector(".shape").classList.add(`is-${look}`);
  icon(item.querySelector("svg"), look);
  const what = capital(one.outcome || one.kind);
  item.querySelector(".what").textContent = what;
  item.querySelector(".sentence").textContent = beside(what, one.sentence);
  item.querySelector(".who").textContent = `brick ${one.brick.slice(0, 4)}…, record ${one.seq}`;
  fill(item.querySelector("time"), one.market_ms);
  const older = [...feed.children].find((other) => Number(other.dataset.index) < one.index);
  feed.insertBefore(item, older ?? null);
  while (feed.children.length > FEED) feed.lastElementChild.remove();
  by("empty").hidden = true;
  ages();
}

/** Every time in the feed and the lists gets its age, in the market's clock. */
function ages() {
  const now = Date.now() + ahead;
  for (const element of document.querySelectorAll("main time[data-ms]")) {
    const ms = Number(element.dataset.ms);
    element.textContent = age(now - ms);
    element.title = `${local(ms)} · ${utc(ms)}`;
  }
}

function row(list, left, right, ms) {
  const item = document.createElement("li");
  const name = document.createElement("span");
  name.append(...left);
  const value = document.createElement("span");
  value.append(...right);
  if (ms) value.append(fill(document.createElement("time"), ms));
  item.append(name, value);
  list.append(item);
  return item;
}

const mono = (text) => Object.assign(document.createElement("span"), { className: "mono", textContent: text });

/** The rest of the page from /v1/stall. */
function summary({ stall, recent }) {
  ahead = stall.now_ms - Date.now();
  for (const number of document.querySelectorAll("[data-kind]")) {
    number.textContent = stall.kinds[number.dataset.kind] ?? 0;
  }
  by("size").textContent = stall.ledger_size;
  by("receipts").textContent = stall.receipts;
  by("findings").textContent = stall.findings;
  if (stall.people !== undefined) {
    by("people").textContent = stall.people;
    by("people").parentElement.hidden = false;
  }
  if (stall.checkpoint_ms) by("checkpoint").replaceChildren(fill(document.createElement("time"), stall.checkpoint_ms));
  by("no-bricks").hidden = stall.bricks.length > 0;
  by("bricks").replaceChildren();
  for (const one of stall.bricks) {
    row(by("bricks"), ["brick ", mono(one.brick)], [one.last_ms ? `record ${one.seq}, ` : "no record yet"], one.last_ms);
  }
  by("hosts").replaceChildren();
  for (const one of stall.hosts) row(by("hosts"), [one.name], one.last_ms ? [] : ["not heard from yet"], one.last_ms);
  left(stall.left ?? [], stall.currency);
  for (const one of [...recent].reverse()) add(one);
  ages();
}

/** Budgets and stock: a bar, and the numbers beside it. */
function left(entries, currency) {
  by("left-card").hidden = entries.length === 0;
  by("left").replaceChildren();
  for (const one of entries) {
    const say = (amount) => (one.unit === 1 ? money(amount, currency) : `${amount}`);
    const words = one.unit === 3 ? " people" : one.unit === 2 ? " pieces" : "";
    const item = row(by("left"), [one.what], [`${say(one.left)} of ${say(one.of)}${words}`]);
    const bar = document.createElement("meter");
    Object.assign(bar, { min: 0, max: one.of, low: one.of / 5, value: one.left });
    bar.setAttribute("aria-label", `${one.what}: left`);
    item.append(bar);
  }
}

async function refresh() {
  try {
    const answer = await fetch("/v1/stall", { cache: "no-store" });
    if (answer.ok) summary(await answer.json());
  } catch {
    // The stream's own state line says that the server is away.
  }
}

function connect() {
  stream = new EventSource("/v1/live");
  stream.onopen = () => {
    failures = 0;
    state("good", "dot", "live");
    refresh();
  };
  stream.onmessage = (event) => add(JSON.parse(event.data));
  stream.onerror = () => {
    // The browser retries by itself only after some errors; closing and opening anew covers them all.
    stream.close();
    const wait = RETRY_MS[Math.min(failures, RETRY_MS.length - 1)];
    failures += 1;
    state("warn", "warn", `connection lost, trying again every ${Math.round(wait / 1000)} s`);
    setTimeout(connect, wait);
  };
}

localise();
ages();
connect();
setInterval(ages, 1000);
setInterval(refresh, SUMMARY_MS);
