"""Amounts and shares as people read them, from integers alone."""

# ISO 4217 minor units where they are not 2
_PLACES_0 = "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF"
_PLACES_3 = "BHD IQD JOD KWD LYD OMR TND"


def places(currency):
    """Decimal places of a currency."""
    if currency in _PLACES_0.split():
        return 0
    return 3 if currency in _PLACES_3.split() else 2


def text(minor, currency):
    """Minor units as text: 500, "EUR" → "5.00 EUR". Without a currency the units are named as such."""
    if currency is None:
        return "{} minor units".format(minor)
    return decimal(minor, places(currency)) + " " + currency


def percent(bps):
    """Basis points as text: 1500 → "15 %", 1250 → "12.5 %"."""
    digits = decimal(bps, 2)
    while digits[-1] == "0":
        digits = digits[:-1]
    return (digits[:-1] if digits[-1] == "." else digits) + " %"


def decimal(number, places):
    """An integer with the point `places` from its right end."""
    sign = "-" if number < 0 else ""
    digits = str(abs(number))
    if not places:
        return sign + digits
    digits = "0" * (places + 1 - len(digits)) + digits
    return sign + digits[:-places] + "." + digits[-places:]
