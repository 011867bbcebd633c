// The page of a receipt that this server does not have: a full link still holds the receipt itself.

if (location.hash.startsWith("#r=")) {
  document.getElementById("lost").hidden = false;
  document.getElementById("lost-link").href = `/verify${location.hash}`;
}
