"""The customers' pages as static files, for a web space or a stick: terms, questions and answers, the poster, a start.

What needs the host to answer (passes, the poster's button, receipts) leads to `public_url`.
"""

from pathlib import Path
from typing import Any

from hostagent.config import Config
from hostagent.public import terms
from hostagent.public.pages import Pages
from hostagent.public.routes import faq, qr_svg
from hostagent.public.words import LANGUAGES


def write(config: Config, folder: Path, poster: str = "stall") -> list[Path]:
    """Writes the pages into `folder`: the first language at its top, every other in a folder of its own. The files."""
    pages = Pages()
    written: list[Path] = []
    for language, code in enumerate(LANGUAGES):
        place = folder if language == 0 else folder / code
        place.mkdir(parents=True, exist_ok=True)
        assets = "assets/" if language == 0 else "../assets/"
        for name, template, values in _pages(config, language, poster):
            path = place / name
            path.write_text(pages.text(template, language, assets, market=config.name, **values))
            written.append(path)
    (folder / "assets").mkdir(exist_ok=True)
    for name in ("style.css", "mark.svg"):
        path = folder / "assets" / name
        path.write_bytes(pages.files[name])
        written.append(path)
    return written


def _pages(config: Config, language: int, poster: str) -> list[tuple[str, str, dict[str, Any]]]:
    digest = config.terms
    found = None if digest is None else terms.held(config.folder, digest, LANGUAGES[language])
    link = f"{config.public_url}/q/{poster}"
    questions = {"entries": faq(language)}
    return [
        ("index.html", "faq.html", questions),
        ("faq.html", "faq.html", questions),
        ("terms.html", "terms.html", {"digest": None if digest is None else digest.hex(), "found": found}),
        ("poster.html", "poster.html", {"link": link, "code": qr_svg(link), "local": False}),
    ]
