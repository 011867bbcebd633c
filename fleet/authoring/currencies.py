"""Currencies in use, by ISO 4217: a code that is none of them is most likely mistyped, or a market's own points."""

from __future__ import annotations

from fleet.authoring.reader import Problem

# Active alphabetic codes of money that people pay with (ISO 4217, list one), without funds, metals and tests
_CODES = """
    AED AFN ALL AMD AOA ARS AUD AWG AZN BAM BBD BDT BGN BHD BIF BMD BND BOB BRL BSD BTN BWP BYN BZD CAD CDF
    CHF CLP CNY COP CRC CUP CVE CZK DJF DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GNF GTQ GYD
    HKD HNL HTG HUF IDR ILS INR IQD IRR ISK JMD JOD JPY KES KGS KHR KMF KPW KRW KWD KYD KZT LAK LBP LKR LRD
    LSL LYD MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK MXN MYR MZN NAD NGN NIO NOK NPR NZD OMR PAB PEN PGK
    PHP PKR PLN PYG QAR RON RSD RUB RWF SAR SBD SCR SDG SEK SGD SHP SLE SOS SRD SSP STN SVC SYP SZL THB TJS
    TMT TND TOP TRY TTD TWD TZS UAH UGX USD UYU UZS VED VES VND VUV WST XAF XCD XCG XOF XPF YER ZAR ZMW ZWG
"""
ACTIVE = frozenset(_CODES.split())


def note(currency: str) -> list[Problem]:
    """What to say of a currency of three capital letters; nothing where it is one in use."""
    if currency in ACTIVE or len(currency) != 3:
        return []
    text = (
        f"{currency} is no currency in use by ISO 4217: amounts have two places then; look at its letters, unless it "
        "is meant"
    )
    return [Problem("/currency", text, "unknown currency", currency)]
