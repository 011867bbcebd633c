"""The public pages: server-made words, and static modules that check every word in the browser."""
