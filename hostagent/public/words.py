"""The words of the customers' pages: English, German. Short, and without anything that has to be explained."""

LANGUAGES = ("en", "de")

WORDS: dict[str, tuple[str, str]] = {
    "granted": ("Granted", "Gewährt"),
    "nothing": ("Nothing this time", "Diesmal nichts"),
    "ask": ("Ask at the stall", "Bitte am Stand fragen"),
    "note": ("Note", "Hinweis"),
    "home": ("Stall", "Stand"),
    "terms": ("Terms", "Bedingungen"),
    "faq": ("Questions and answers", "Fragen und Antworten"),
    "pass": ("Your pass", "Dein Pass"),
    "poster": ("Poster", "Plakat"),
    "receipt": ("Your receipt", "Dein Beleg"),
    "no_page": ("There is no such page here.", "Diese Seite gibt es hier nicht."),
    "no_page_do": (
        "Scan the code at the stall again.",
        "Bitte den Code am Stand nochmals scannen.",
    ),
    # pass
    "pass_what": (
        "This code is you at this market: show it at a brick or use it with the poster. No app, no account, no name.",
        "Dieser Code bist du auf diesem Markt: am Brick zeigen oder mit dem Plakat nutzen. Keine App, kein Konto, "
        "kein Name.",
    ),
    "pass_none": (
        "This phone has no pass yet. Ask at the stall: they show you a code to scan.",
        "Dieses Telefon hat noch keinen Pass. Frag am Stand: dort gibt es einen Code zum Scannen.",
    ),
    "pass_code": ("Code from the stall", "Code vom Stand"),
    "pass_get": ("Get my pass", "Pass holen"),
    "pass_wrong": (
        "This code is used up or too old. Ask at the stall for a new one.",
        "Dieser Code ist verbraucht oder zu alt. Frag am Stand nach einem neuen.",
    ),
    "pass_often": ("Too many attempts. Wait a minute.", "Zu viele Versuche. Eine Minute warten."),
    "pass_number": ("Pass number", "Passnummer"),
    "pass_number_what": (
        "Write it down. With it the stall can block the pass if the phone is lost. The number alone buys nothing.",
        "Notieren. Damit kann der Stand den Pass sperren, wenn das Telefon weg ist. Die Nummer allein ist nichts wert.",
    ),
    "pass_save": ("Save as a picture", "Als Bild sichern"),
    "pass_offline": (
        "Kept on this phone: it opens without a network.",
        "Auf diesem Telefon gesichert: öffnet ohne Netz.",
    ),
    "pass_not_offline": (
        "This browser cannot keep the page. Save the picture: it works the same.",
        "Dieser Browser kann die Seite nicht behalten. Bild sichern: es gilt genauso.",
    ),
    "pass_drop": ("Forget this pass", "Diesen Pass vergessen"),
    "pass_sure": (
        "Forget it? It cannot be brought back.",
        "Wirklich vergessen? Er lässt sich nicht zurückholen.",
    ),
    "pass_no_key": (
        "This stall gives out no passes.",
        "Dieser Stand gibt keine Pässe aus.",
    ),
    # poster
    "scan_head": ("You are at {name}", "Du bist bei {name}"),
    "scan_go": ("Take part", "Mitmachen"),
    "scan_what": (
        "One tap tells the stall that you are here. The answer comes at once, with a receipt.",
        "Ein Tipp sagt dem Stand, dass du da bist. Die Antwort kommt sofort, mit Beleg.",
    ),
    "scan_with": ("Your pass goes with it.", "Dein Pass wird mitgeschickt."),
    "scan_without": (
        "Without a pass you stay anonymous: some bonuses need one.",
        "Ohne Pass bleibst du anonym: manche Boni brauchen einen.",
    ),
    "scan_credit": ("{money} off, at the stall", "{money} Gutschrift, am Stand"),
    "scan_see": ("See the receipt", "Beleg ansehen"),
    "scan_back": ("Show this at the stall.", "Am Stand vorzeigen."),
    "scan_no_lane": (
        "This stall does not take the poster right now. Tap at the brick, or ask.",
        "Der Stand nimmt das Plakat gerade nicht an. Am Brick scannen oder fragen.",
    ),
    "scan_often": (
        "That was often. Wait a minute, then try again.",
        "Das war oft. Bitte eine Minute warten.",
    ),
    "scan_failed": (
        "That did not work just now. Try again, or ask at the stall.",
        "Das hat gerade nicht geklappt. Nochmals versuchen oder am Stand fragen.",
    ),
    # poster sheet
    "sheet_scan": ("Scan me", "Scan mich"),
    "sheet_what": (
        "Open your camera, scan, tap once. No app.",
        "Kamera öffnen, scannen, einmal tippen. Keine App.",
    ),
    "sheet_print": (
        "Print this page. The code leads to this host: {address}",
        "Diese Seite drucken. Der Code führt zu diesem Host: {address}",
    ),
    "sheet_local": (
        "This host can only be reached from itself now ({address}): phones cannot open the code. Let it listen on the "
        "kit's network first.",
        "Dieser Host ist jetzt nur von sich selbst erreichbar ({address}): Telefone können den Code nicht öffnen. "
        "Zuerst im Netz des Kits lauschen lassen.",
    ),
    # terms
    "terms_none": (
        "The rules in use name no terms.",
        "Die geltenden Regeln nennen keine Bedingungen.",
    ),
    "terms_missing": (
        "The terms in force are {digest}; their text is not on this host. Ask at the stall, or look at the hub's page.",
        "Es gelten die Bedingungen {digest}; ihr Text ist nicht auf diesem Host. Frag am Stand oder beim Hub.",
    ),
    "terms_named": ("Receipts name this text as {digest}.", "Belege nennen diesen Text {digest}."),
    "terms_translated": (
        "A translation; the text that counts is the original.",
        "Eine Übersetzung; es gilt der Originaltext.",
    ),
    "terms_original": ("Original", "Original"),
    # receipt
    "receipt_missing": (
        "This host does not know this receipt. Older ones are with the hub.",
        "Dieser Host kennt den Beleg nicht. Ältere liegen beim Hub.",
    ),
    "voucher": ("Voucher: {worth}", "Gutschein: {worth}"),
    "voucher_series": ("series {series}", "Serie {series}"),
    "voucher_until": (
        "Good once at this stall, until {until}. Whoever brings it first is paid: show it to nobody else.",
        "Gilt einmal an diesem Stand, bis {until}. Wer ihn zuerst bringt, löst ihn ein: niemandem sonst zeigen.",
    ),
    "voucher_paid": ("This voucher was paid already.", "Dieser Gutschein ist schon eingelöst."),
    "voucher_reversed": (
        "This voucher was taken back with its sale and is not paid.",
        "Dieser Gutschein wurde mit dem Kauf zurückgenommen und gilt nicht mehr.",
    ),
    "voucher_expired": ("This voucher has expired.", "Dieser Gutschein ist abgelaufen."),
    "receipt_when": ("When", "Wann"),
    "receipt_number": ("Number at this host", "Nummer an diesem Host"),
    "receipt_kept": (
        "Signed by this host. Whoever has this link can read it; no name is in it.",
        "Von diesem Host signiert. Wer den Link hat, kann ihn lesen; kein Name steht darin.",
    ),
    "receipt_file": ("The receipt as a file", "Der Beleg als Datei"),
    "receipt_check": (
        "Check it with the hub (needs internet)",
        "Beim Hub prüfen (braucht Internet)",
    ),
}

FAQ: tuple[tuple[tuple[str, str], tuple[str, str]], ...] = (
    (
        ("What happens when I tap or scan?", "Was passiert, wenn ich scanne?"),
        (
            "A small brick looks at the rules it carries and decides at once whether a bonus is due. It needs no "
            "internet for that.",
            "Ein kleiner Brick schaut in seine Regeln und entscheidet sofort, ob es einen Bonus gibt. Internet braucht "
            "er dafür nicht.",
        ),
    ),
    (
        ("Why did I get nothing?", "Warum habe ich nichts bekommen?"),
        (
            "The receipt says why, and how near it was: too few people yet, already had today, budget used up. Ask at "
            "the stall if it says so.",
            "Der Beleg sagt, warum, und wie knapp es war: noch zu wenige Leute, heute schon gehabt, Budget aufgebraucht. "
            "Am Stand fragen, wenn er es sagt.",
        ),
    ),
    (
        ("What do you know about me?", "Was wisst ihr über mich?"),
        (
            "No name, number or contact. The tag or pass becomes a pseudonym that means nothing at another market.",
            "Keinen Namen, keine Nummer, keinen Kontakt. Aus Tag oder Pass wird ein Pseudonym, das auf keinem anderen "
            "Markt etwas bedeutet.",
        ),
    ),
    (
        ("Where is my receipt?", "Wo ist mein Beleg?"),
        (
            "Scan the code on the stall's screen, take the paper slip, or keep the link. It stays valid after the market.",
            "Den Code auf der Standanzeige scannen, den Zettel nehmen oder den Link behalten. Er gilt auch nach dem "
            "Markt.",
        ),
    ),
    (
        ("Can I check that it is true?", "Kann ich prüfen, ob das stimmt?"),
        (
            "Yes. Every decision is signed and put into a public log. The receipt's page checks it in your browser.",
            "Ja. Jede Entscheidung ist signiert und steht in einem öffentlichen Verzeichnis. Die Seite des Belegs prüft "
            "es in deinem Browser.",
        ),
    ),
    (
        ("I lost my phone or tag.", "Mein Telefon oder Tag ist weg."),
        (
            "Tell the stall your pass number. They block it. If you show a new pass, the points that the stall knows "
            "of move to it, once, where its rules give points; what it cannot move, it says.",
            "Nenne dem Stand deine Passnummer. Der Pass wird gesperrt. Zeigst du einen neuen, wandern die Punkte, die "
            "der Stand kennt, einmal dorthin, wo seine Regeln Punkte geben; was nicht geht, sagt er dir.",
        ),
    ),
    (
        ("I bring something back.", "Ich gebe etwas zurück."),
        (
            "The stall takes the sale back; the bonus that came with it goes back too, and a receipt says so.",
            "Der Stand nimmt den Verkauf zurück; der Bonus dazu geht mit zurück, und ein Beleg sagt es.",
        ),
    ),
    (
        ("What if the network or power fails?", "Und wenn Netz oder Strom ausfallen?"),
        (
            "A green light means that the decision is already stored. Nothing is lost and nothing is paid twice.",
            "Grünes Licht heißt: die Entscheidung ist schon gespeichert. Nichts geht verloren, nichts wird doppelt "
            "gezahlt.",
        ),
    ),
)


def say(language: int, key: str, **values: object) -> str:
    """The words of a key in a language (index into LANGUAGES)."""
    words = WORDS[key][language]
    return words.format(**values) if values else words
