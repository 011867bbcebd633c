// Keeps the pass page for when there is no network. ASSETS is put in front by the host.
const NAME = "stallmark-pass " + ASSETS;
const FILES = ["style.css", "mark.svg", "pass.mjs", "kept.mjs"].map((name) => ASSETS + name);

self.addEventListener("install", (event) => {
  event.waitUntil(
    caches
      .open(NAME)
      .then((cache) => cache.addAll(["/p", ...FILES]))
      .then(() => self.skipWaiting()),
  );
});

self.addEventListener("activate", (event) => {
  const old = (names) => names.filter((name) => name.startsWith("stallmark-pass ") && name !== NAME);
  event.waitUntil(
    caches
      .keys()
      .then((names) => Promise.all(old(names).map((name) => caches.delete(name))))
      .then(() => self.clients.claim()),
  );
});

self.addEventListener("fetch", (event) => {
  const { method, url } = event.request;
  const path = new URL(url).pathname;
  if (method !== "GET" || (path !== "/p" && !path.startsWith(ASSETS))) return;
  const page = path === "/p";
  const fresh = fetch(event.request).then(async (answer) => {
    if (page && answer.ok && !new URL(url).search) await (await caches.open(NAME)).put("/p", answer.clone());
    return answer;
  });
  event.respondWith(fresh.catch(() => caches.match(page ? "/p" : event.request)));
});
