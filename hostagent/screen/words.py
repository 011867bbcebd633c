"""Every word of the stall screen in one table: English, German. Sentences of decisions come from the rules."""

LANGUAGES = ("en", "de")

_WORDS: dict[str, tuple[str, str]] = {
    # outcomes: the customer's three, always with icon and colour
    "granted": ("Granted", "Gewährt"),
    "nothing": ("Nothing this time", "Diesmal nichts"),
    "ask": ("Ask at the stall", "Am Stand fragen"),
    "note": ("Note", "Hinweis"),
    # frame
    "title": ("Stall screen", "Standanzeige"),
    "tab_now": ("Now", "Jetzt"),
    "tab_ask": ("Ask", "Fragen"),
    "tab_amount": ("Amount", "Betrag"),
    "tab_kit": ("Kit", "Koffer"),
    "tab_more": ("More", "Mehr"),
    "sign_out": ("Sign out", "Abmelden"),
    "nobody": (
        "No operators are set up: only this machine may use the screen, and records say “stall”.",
        "Keine Personen eingerichtet: nur dieses Gerät darf die Anzeige nutzen, in Belegen steht „stall“.",
    ),
    "nobody_do": (
        "Add operators with a PIN to keys.json: stallmark host pin NAME",
        "Personen mit PIN in keys.json eintragen: stallmark host pin NAME",
    ),
    "training_on": (
        "TRAINING: nothing that happens now counts or is paid.",
        "ÜBUNG: nichts, was jetzt geschieht, zählt oder wird gezahlt.",
    ),
    "signed_out": ("You are signed out. Open the page again.", "Abgemeldet. Bitte die Seite neu öffnen."),
    "failed": ("That did not work: {why}", "Das hat nicht geklappt: {why}"),
    "no_lane": (
        "This host cannot decide by itself yet: it has no rules or no key of its own lane. Ask the hub.",
        "Dieser Host kann noch nicht selbst entscheiden: Regeln oder Schlüssel fehlen. Bitte den Hub fragen.",
    ),
    "done": ("Done", "Erledigt"),
    "cancel": ("Cancel", "Abbrechen"),
    "close_dialog": ("Close", "Schließen"),
    # now
    "empty_now": (
        "Nothing yet: hold a tag or a code to a brick.",
        "Noch nichts: ein Tag oder einen Code an einen Brick halten.",
    ),
    "seconds_ago": ("{n} s ago", "vor {n} s"),
    "minutes_ago": ("{n} min ago", "vor {n} min"),
    "hours_ago": ("{n} h ago", "vor {n} h"),
    "receipt": ("Receipt", "Beleg"),
    "receipt_scan": (
        "The customer scans this to see and check the receipt.",
        "Die Kundin scannt dies, um den Beleg zu sehen und zu prüfen.",
    ),
    "receipt_here": ("Without internet:", "Ohne Internet:"),
    "voucher": ("Voucher: {worth}", "Gutschein: {worth}"),
    "voucher_series": ("series {series}", "Serie {series}"),
    "voucher_until": (
        "Good once, until {until}: whoever brings it first is paid.",
        "Gilt einmal, bis {until}: wer ihn zuerst bringt, löst ihn ein.",
    ),
    "voucher_paid": ("Paid already.", "Schon eingelöst."),
    "voucher_reversed": (
        "Taken back with its sale: it is not paid.",
        "Mit dem Kauf zurückgenommen: gilt nicht.",
    ),
    "voucher_expired": ("Expired.", "Abgelaufen."),
    "voucher_print": ("Print the voucher", "Gutschein drucken"),
    "take_back_paid": (
        "Taken back. Its voucher was paid before and stays paid.",
        "Zurückgenommen. Der Gutschein war schon eingelöst und bleibt es.",
    ),
    "receipt_secret": ("Who has the link can read it.", "Wer den Link hat, kann ihn lesen."),
    "paper_slip": ("Print a slip", "Zettel drucken"),
    "no_printer": (
        "No printer is set up: let the customer scan the code.",
        "Kein Drucker eingerichtet: den Code scannen lassen.",
    ),
    "printed": ("Printed", "Gedruckt"),
    "take_back": ("Take back", "Zurücknehmen"),
    "take_back_why": ("Why is it taken back?", "Warum wird es zurückgenommen?"),
    "in_ledger": ("in the ledger", "im Verzeichnis"),
    "on_host": ("safe on this host", "sicher auf diesem Host"),
    "by_host": ("decided by the host", "vom Host entschieden"),
    # ask the host
    "ask_none": (
        "Nothing to answer. When a rule asks the host, the question stands here.",
        "Keine Fragen offen. Wenn eine Regel den Host fragt, steht die Frage hier.",
    ),
    "ask_head": ("A customer is waiting", "Jemand wartet"),
    "ask_reason": ("Reason (stands in the record)", "Grund (steht im Beleg)"),
    "ask_yes": ("Give it", "Geben"),
    "ask_no": ("Decline", "Ablehnen"),
    "ask_need_reason": ("Write a reason first.", "Bitte zuerst einen Grund schreiben."),
    "ask_limits": (
        "A yes cannot exceed limits or the budget.",
        "Ein Ja kann weder Grenzen noch Budget überschreiten.",
    ),
    "answered": ("Answered: {what}", "Beantwortet: {what}"),
    # amount
    "amount_sale": ("Sale", "Verkauf"),
    "amount_entry": ("Entry by hand", "Eingabe von Hand"),
    "amount_pass": ("Customer's pass (scan or type)", "Pass der Kundin (scannen oder tippen)"),
    "amount_pass_none": ("No pass: anonymous", "Ohne Pass: anonym"),
    "amount_pass_wrong": (
        "That is no pass of this event. Scan it again, or go on without.",
        "Das ist kein Pass dieser Veranstaltung. Nochmals scannen oder ohne weitermachen.",
    ),
    "amount_zero": ("Type an amount first.", "Bitte zuerst einen Betrag eingeben."),
    "amount_go": ("Decide", "Entscheiden"),
    "amount_credit": ("Credit {money}", "Gutschrift {money}"),
    # kit
    "opening": ("Opening check", "Prüfung vor dem Öffnen"),
    "opening_good": ("Ready to open.", "Bereit zum Öffnen."),
    "opening_open": ("{n} things to do before opening.", "{n} Dinge sind vor dem Öffnen zu tun."),
    "budget": ("Left of the budget", "Noch im Budget"),
    "budget_none": (
        "No rights are here: rules that need them will not grant.",
        "Keine Rechte hier: Regeln, die welche brauchen, geben nichts.",
    ),
    "left_of": ("{left} left of {all} sent here", "{left} übrig von {all}"),
    "stranded": ("stranded (unspent so far): {n}", "gestrandet (bisher nicht verbraucht): {n}"),
    "away": ("out of reach: {n}", "nicht erreichbar: {n}"),
    "away_what": (
        "With a brick that has not been heard for two minutes.",
        "Bei einem Brick, der seit zwei Minuten nicht zu hören ist.",
    ),
    "bricks": ("Bricks", "Bricks"),
    "link_up": ("connected", "verbunden"),
    "link_down": ("no link", "keine Verbindung"),
    "data_age": ("heard {age}", "gehört {age}"),
    "never_heard": ("not heard yet", "noch nicht gehört"),
    "others_age": ("counts of other bricks: {age}", "Zählung anderer Bricks: {age}"),
    "battery": ("Battery", "Batterie"),
    "battery_unknown": ("not measured by this brick", "misst dieser Brick nicht"),
    "battery_at": ("{percent} %", "{percent} %"),
    "battery_outside": ("power from outside", "Strom von außen"),
    "battery_wrong": ("measured wrongly", "falsch gemessen"),
    "battery_packs": ("main {main}, back-up {backup}", "Haupt {main}, Reserve {backup}"),
    "battery_absent": ("not there", "fehlt"),
    "battery_saving": ("saving power", "spart Strom"),
    "battery_low": ("change the pack now", "jetzt Akku wechseln"),
    "battery_empty": ("switching itself off", "schaltet sich ab"),
    "battery_do": ("Charge or change the pack of: {names}", "Akku laden oder wechseln: {names}"),
    "safe_mode": ("Safe mode: decides nothing", "Sicherer Betrieb: entscheidet nichts"),
    "journal": ("Journal", "Journal"),
    "journal_free": ("{n} pages free", "{n} Seiten frei"),
    "unknown": ("not known yet", "noch nicht bekannt"),
    "outbox": ("Waiting for the controller", "Warten auf den Controller"),
    "outbox_what": ("{n} receipts; the stall works without it", "{n} Belege; der Stand läuft auch ohne"),
    "trouble": ("What needs somebody", "Was jemanden braucht"),
    "all_well": ("All is well.", "Alles in Ordnung."),
    # opening check steps: title, and what to do
    "step_links": ("Bricks connected", "Bricks verbunden"),
    "step_links_do": (
        "Check power and cable of: {names}",
        "Strom und Kabel prüfen: {names}",
    ),
    "step_clock": ("Clock set", "Uhr gestellt"),
    "step_clock_do": (
        "Connect the host to a network for a minute, or set its clock.",
        "Den Host kurz ans Netz bringen oder seine Uhr stellen.",
    ),
    "step_rules": ("Rules active", "Regeln aktiv"),
    "step_rules_none": (
        "No rules have arrived: connect the host to the controller.",
        "Keine Regeln angekommen: den Host mit dem Controller verbinden.",
    ),
    "step_rules_do": ("Not yet on: {names}. Wait a minute.", "Noch nicht auf: {names}. Eine Minute warten."),
    "step_rights": ("Rights there", "Rechte da"),
    "step_rights_do": (
        "No budget here: connect the host to the controller, or ask the hub.",
        "Kein Budget hier: den Host mit dem Controller verbinden oder den Hub fragen.",
    ),
    "step_printer": ("Paper and printer", "Papier und Drucker"),
    "step_printer_do": (
        "No printer set up. Fine if you hand out no paper.",
        "Kein Drucker eingerichtet. In Ordnung, wenn kein Papier gebraucht wird.",
    ),
    "step_printer_look": (
        "Set up. Look that there is paper.",
        "Eingerichtet. Bitte nachsehen, ob Papier da ist.",
    ),
    "step_scan": ("Test scan seen", "Probescan gesehen"),
    "step_scan_do": (
        "Hold a tag or pass to each brick. Last ten minutes: nothing from {names}.",
        "Tag oder Pass an jeden Brick halten. Letzte zehn Minuten: nichts von {names}.",
    ),
    "step_disk": ("Disk takes writes", "Speicher schreibt"),
    "step_disk_do": ("{why}", "{why}"),
    "step_good": ("good", "gut"),
    "step_todo": ("to do", "zu tun"),
    "step_unknown": ("please look", "bitte ansehen"),
    # more
    "values": ("Open values", "Offene Werte"),
    "values_none": (
        "These rules leave no values open.",
        "Diese Regeln lassen keine Werte offen.",
    ),
    "values_bounds": ("{low} to {high}", "{low} bis {high}"),
    "values_by": ("set by {who}", "gesetzt von {who}"),
    "values_default": ("as the authors wrote it", "wie von den Autoren geschrieben"),
    "values_apart": ("{brick} still has {value}", "{brick} hat noch {value}"),
    "values_set": ("Set", "Setzen"),
    "values_out": ("{value} is outside {low} to {high}.", "{value} liegt außerhalb von {low} bis {high}."),
    "values_number": ("That is no number.", "Das ist keine Zahl."),
    "slips": ("Numbered paper slips", "Nummerierte Zettel"),
    "slips_what": (
        "Each slip is backed by rights set aside now. It is redeemed here or given back when the day closes.",
        "Hinter jedem Zettel stehen jetzt zurückgelegte Rechte. Er wird hier eingelöst oder am Tagesende frei.",
    ),
    "slips_rule": ("Rule", "Regel"),
    "slips_count": ("How many", "Wie viele"),
    "slips_make": ("Set aside and print", "Zurücklegen und drucken"),
    "slips_none": ("No slips today.", "Heute keine Zettel."),
    "slips_scan": (
        "A slip comes back: scan or type its code",
        "Ein Zettel kommt zurück: Code scannen oder tippen",
    ),
    "slips_terms": ("Once, at this stall, today.", "Einmal, an diesem Stand, heute."),
    "slips_write": ("No printer: write these down", "Kein Drucker: bitte abschreiben"),
    "slips_redeem": ("Redeem", "Einlösen"),
    "slip_out": ("handed out", "ausgegeben"),
    "slip_redeemed": ("redeemed", "eingelöst"),
    "slip_released": ("given back", "frei"),
    "passes": ("Passes", "Pässe"),
    "passes_new": ("New pass for a phone", "Neuer Pass fürs Telefon"),
    "passes_code": (
        "The customer scans this within five minutes. It is good for one pass.",
        "Die Kundin scannt dies binnen fünf Minuten. Es gilt für einen Pass.",
    ),
    "passes_revoke": ("Revoke a lost pass", "Verlorenen Pass sperren"),
    "passes_number": ("Pass number (16 characters) or scan", "Passnummer (16 Zeichen) oder Scan"),
    "passes_number_bad": ("A pass number has 16 characters.", "Eine Passnummer hat 16 Zeichen."),
    "passes_revoked": ("The old pass counts no more.", "Der alte Pass gilt nicht mehr."),
    "passes_balance": (
        "It held {n} tokens. Give the numbers of both passes to move them.",
        "Darauf waren {n} Punkte. Zum Umbuchen die Nummern beider Pässe angeben.",
    ),
    "passes_new_number": (
        "Number of the new pass, to move the balance (optional)",
        "Nummer des neuen Passes, um Punkte umzubuchen (freiwillig)",
    ),
    "passes_new_bad": (
        "That is not the number of another pass: it has 16 characters. Nothing was done.",
        "Das ist keine Nummer eines anderen Passes: sie hat 16 Zeichen. Es ist nichts geschehen.",
    ),
    "passes_moved": (
        "{n} tokens are on the new pass now.",
        "{n} Punkte sind jetzt auf dem neuen Pass.",
    ),
    "passes_no_key": (
        "This host holds no event key: it can neither make nor read passes. Ask the hub.",
        "Dieser Host hat keinen Veranstaltungsschlüssel: keine Pässe möglich. Bitte den Hub fragen.",
    ),
    "poster": ("Poster, terms, FAQ", "Plakat, Bedingungen, FAQ"),
    "poster_open": ("Poster to print", "Plakat drucken"),
    "terms_open": ("Terms", "Bedingungen"),
    "faq_open": ("Questions and answers", "Fragen und Antworten"),
    "training": ("Training", "Übung"),
    "training_what": (
        "Practise with real taps. Nothing is spent; every record says training.",
        "Üben mit echten Scans. Nichts wird verbraucht; jeder Beleg sagt „Übung“.",
    ),
    "training_start": ("Start training", "Übung beginnen"),
    "training_end": ("End training", "Übung beenden"),
    "day_end": ("End of day", "Tagesende"),
    "day_end_what": (
        "Every brick and the host write their close record. Slips that were not redeemed are given back.",
        "Jeder Brick und der Host schreiben den Abschluss. Nicht eingelöste Zettel werden frei.",
    ),
    "day_end_go": ("Close the day as {who}", "Tag abschließen als {who}"),
    "day_end_sure": ("Close the day now?", "Den Tag jetzt abschließen?"),
    "day_end_done": (
        "Asked: {asked}. As soon as they are back: {away}.",
        "Gefragt: {asked}. Sobald da: {away}.",
    ),
    "nobody_word": ("none", "niemand"),
    # sign-in
    "signin": ("Sign in", "Anmelden"),
    "signin_name": ("Name", "Name"),
    "signin_pin": ("PIN", "PIN"),
    "signin_wrong": ("Name or PIN is wrong.", "Name oder PIN stimmt nicht."),
    "signin_wait": ("Too many attempts. Wait {n} seconds.", "Zu viele Versuche. {n} Sekunden warten."),
    "signin_local": (
        "No operators are set up on this host, so only this machine itself may use the screen.",
        "Auf diesem Host sind keine Personen eingerichtet: nur das Gerät selbst darf die Anzeige nutzen.",
    ),
}


def say(language: int, key: str, **values: object) -> str:
    """The words of a key in a language (index into LANGUAGES), with {values} put in."""
    words = _WORDS[key][language if 0 <= language < len(LANGUAGES) else 0]
    return words.format(**values) if values else words


def age(language: int, seconds: float) -> str:
    """How long ago, in words."""
    if seconds < 90:
        return say(language, "seconds_ago", n=max(0, round(seconds)))
    if seconds < 5400:
        return say(language, "minutes_ago", n=round(seconds / 60))
    return say(language, "hours_ago", n=round(seconds / 3600))


def language_of(accept: str) -> int:
    """The language that a browser asks for first: German if so, else English."""
    return 1 if accept.strip().lower().startswith("de") else 0
