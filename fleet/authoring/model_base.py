"""campaign/2, the small parts: names, money, percentages and times as text, and how a union is told apart."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field
from pydantic_core import PydanticCustomError

from fleet.authoring.engine import reg

DURATION = r"^P(?:\d{1,3}W|(?=\d|T\d)(?:\d{1,4}D)?(?:T(?=\d)(?:\d{1,5}H)?(?:\d{1,6}M)?(?:\d{1,8}S)?)?)$"
_DURATION_SCHEMA = {"pattern": DURATION}  # look-ahead is ECMA 262, which JSON Schema asks for


class Strict(BaseModel):
    """A closed object: an unknown member could change what is given, so it is an error."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, populate_by_name=True)


def exactly_one(*names: str) -> ConfigDict:
    """The configuration of an object of whose members `names` exactly one has to be there."""
    return ConfigDict(json_schema_extra={"oneOf": [{"required": [name]} for name in names]})


def by_member(value: Any, names: Sequence[str]) -> str | None:
    """The tag of a union's part: its distinctive member, or of a made model its class's first field."""
    if isinstance(value, dict):
        return next((f"~{name}" for name in names if name in value), None)
    if isinstance(value, BaseModel):
        fields = type(value).model_fields
        found = [field.alias or name for name, field in fields.items()]
        return next((f"~{name}" for name in found if name in names), None)
    return None


def _duration(text: str) -> str:
    """Checked here: the pattern's look-ahead is not one of pydantic's own engine."""
    if not re.fullmatch(DURATION, text):
        raise PydanticCustomError("duration", 'expected a duration, such as "PT1H15M" or "P30D"')
    return text


Name = Annotated[
    str,
    Field(
        pattern=r"^[A-Za-z0-9][A-Za-z0-9 ._:-]*$",
        min_length=1,
        max_length=32,
        description="Letters, digits, space and . _ : -",
    ),
]
AnyRule = Annotated[
    str,
    Field(
        pattern=r"^[A-Za-z0-9][A-Za-z0-9 ._:-]*(?:\+next)?$",
        min_length=1,
        max_length=32,
        description="A rule's id; with +next the rule that pays its credits for the next visit",
    ),
]
Money = Annotated[
    str,
    Field(
        pattern=r"^\d{1,12}(?:\.\d{1,3})?$",
        max_length=16,
        description='An amount in the campaign\'s currency as text: "5.00"',
    ),
]
Percent = Annotated[
    str,
    Field(
        pattern=r"^\d{1,3}(?:\.\d{1,2})?$", max_length=6, description='A percentage as text: "15" or "12.5"'
    ),
]
Duration = Annotated[
    str,
    AfterValidator(_duration),
    Field(
        max_length=32,
        json_schema_extra=dict(_DURATION_SCHEMA),
        description='An ISO 8601 duration of weeks, or of days, hours, minutes and seconds: "PT1H15M", "P30D"',
    ),
]
Salt = Annotated[str, Field(pattern=r"^[0-9a-f]{16}$", description="8 bytes in hexadecimal")]
Language = Annotated[str, Field(pattern=r"^[a-z]{2,3}(?:-[A-Z]{2})?$", max_length=8)]
TrustName = Literal["anonymous", "text", "bare", "issued", "voucher", "SDM", "live", "staff"]
EventName = Literal[
    "NFC tap", "QR scan", "till sale", "wearable ping", "geofence entry", "footfall count", "social mention", "share",
    "review", "referral claim", "commitment", "attendance scan", "RSVP", "pre-order pickup", "tip", "poster QR",
    "refund", "void", "operator entry",
]  # fmt: skip
EVENTS: dict[str, int] = {name: number for number, name in reg.EVENT_NAMES if number}
TRUSTS: dict[str, int] = {name: number for number, name in reg.TRUST_NAMES}
