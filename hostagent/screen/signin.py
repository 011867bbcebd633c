"""The sign-in page: plain HTML, no script, so that it stands before anything else is loaded."""

from html import escape

from starlette.responses import HTMLResponse

from hostagent.screen.words import LANGUAGES, say

HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; form-action 'self'; base-uri 'none'; "
    "frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    # The form's own POST must say where it comes from.
    "Referrer-Policy": "same-origin",
    "Cache-Control": "no-store",
}

CSS = """
:root { color-scheme: light dark; font: 18px/1.5 system-ui, sans-serif; }
body { margin: 0; min-height: 100vh; display: grid; place-items: center; background: #f6f2ea; color: #1f1b14; }
main { width: min(22rem, calc(100vw - 2rem)); background: #fffdf9; border: 1px solid #ddd4c3; border-radius: 1rem;
  padding: 1.5rem; box-sizing: border-box; }
h1 { font-size: 1.5rem; margin: 0 0 1rem; }
label { display: block; margin: 0 0 1rem; }
input { display: block; width: 100%; box-sizing: border-box; font: inherit; padding: .7rem; margin-top: .25rem;
  border: 2px solid #8a8070; border-radius: .6rem; }
button { width: 100%; font: inherit; font-weight: 700; padding: .9rem; border: 0; border-radius: .6rem;
  background: #0d6b3f; color: #fff; }
.wrong { background: #fde7e4; color: #a8201a; padding: .6rem .8rem; border-radius: .6rem; margin: 0 0 1rem; }
@media (prefers-color-scheme: dark) {
  body { background: #14120e; color: #f2ece0; }
  main { background: #1f1c16; border-color: #3a3529; }
  .wrong { background: #3c1714; color: #ff9a8f; }
  button { background: #74d69c; color: #14301f; }
}
"""


def page(
    language: int, wrong: str = "", status: int = 200, form: bool = True, **values: object
) -> HTMLResponse:
    """The page, with what went wrong before (a key of the words), in words."""
    said = f'<p class="wrong" role="alert">⚠ {escape(say(language, wrong, **values))}</p>' if wrong else ""
    fields = f"""<form method="post" action="/stall/signin">
<label>{escape(say(language, "signin_name"))}
<input name="name" autocomplete="username" autocapitalize="none" required maxlength="64" autofocus></label>
<label>{escape(say(language, "signin_pin"))}
<input name="pin" type="password" inputmode="numeric" autocomplete="current-password" required maxlength="32"></label>
<button>{escape(say(language, "signin"))}</button></form>"""
    text = f"""<!doctype html>
<html lang="{LANGUAGES[language]}"><head><meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{escape(say(language, "signin"))} – Stallmark</title><link rel="stylesheet" href="/stall/signin.css"></head>
<body><main><h1>{escape(say(language, "title"))}</h1>{said}{fields if form else ""}</main></body></html>"""
    return HTMLResponse(text, status, headers=HEADERS)
