"""Bodies and answers of the till API, as OpenAPI shows them."""

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from hostagent.core import reg

MOST_MINOR = 100_000_000_000
MOST_COUNT = 1_000_000
Kind = Literal[
    "till sale", "wearable ping", "geofence entry", "footfall count", "social mention", "share", "review",
    "referral claim", "commitment", "attendance scan", "RSVP", "pre-order pickup", "tip", "refund", "void",
    "operator entry",
]  # fmt: skip
NUMBERS: dict[str, int] = {name: number for number, name in reg.EVENT_NAMES}


def _bytes(most: int) -> AfterValidator:
    def check(value: str) -> str:
        if len(value.encode()) > most:
            raise ValueError(f"at most {most} bytes of UTF-8")
        return value

    return AfterValidator(check)


Short = Annotated[str, Field(min_length=1, max_length=32), _bytes(32)]
MinorUnits = Annotated[int, Field(ge=0, le=MOST_MINOR)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class Money(_Strict):
    """An amount in minor units (cents)."""

    minor: MinorUnits
    currency: Annotated[str, Field(pattern=r"^[A-Z]{3}$")]


Amount = (
    Annotated[
        str,
        Field(max_length=24, description="Text like 16.00, in the currency of the rules", examples=["16.00"]),
    ]
    | Money
)


class Tag(_Strict):
    """What an NFC reader at the till saw. `payload`: of the market's own record on the tag, where there is one."""

    uid: Annotated[str, Field(pattern=r"^([0-9A-Fa-f]{8}|[0-9A-Fa-f]{14}|[0-9A-Fa-f]{20})$")]
    payload: Annotated[str, Field(pattern=r"^[0-9A-Fa-f]{34}$")] | None = None


class Customer(_Strict):
    """Who it is, in one of three ways. Nothing of it is kept: the host makes a pseudonym for this event of it."""

    pass_text: Annotated[str | None, Field(alias="pass", min_length=1, max_length=128)] = None
    tag: Tag | None = None
    reference: Annotated[str, Field(min_length=1, max_length=128)] | None = None

    @model_validator(mode="after")
    def _one(self) -> "Customer":
        if sum(part is not None for part in (self.pass_text, self.tag, self.reference)) != 1:
            raise ValueError("give exactly one of pass, tag, reference")
        return self


class Line(_Strict):
    """One line of the basket."""

    code: Short | MinorUnits
    quantity: Annotated[int, Field(ge=1, le=MOST_COUNT)] = 1
    amount: Amount = "0"


class EventIn(_Strict):
    """One event. `type` says which; of the rest give what is known."""

    type: Kind
    reference: (
        Annotated[
            Short,
            Field(
                description="The till's own number of the sale; stands in the receipt; a refund may name it"
            ),
        ]
        | None
    ) = None
    occurred_at: (
        Annotated[
            datetime,
            Field(strict=False, description="RFC 3339 with its zone; more than ten minutes ago is refused"),
        ]
        | None
    ) = None
    currency: Annotated[str, Field(pattern=r"^[A-Z]{3}$")] | None = None
    basket: Amount | None = None
    items: Annotated[int, Field(ge=0, le=MOST_COUNT)] | None = None
    lines: Annotated[list[Line], Field(max_length=64)] = []
    tip: Amount | None = None
    customer: Customer | None = None
    staff: Annotated[str, Field(min_length=1, max_length=64, description="Kept as a pseudonym")] | None = None
    signal: Annotated[Short, Field(description="Name of the signal in the rules")] | None = None
    value: (
        Annotated[int, Field(ge=-(2**53), le=2**53, description="The signal's value, as a head count")] | None
    ) = None
    age_s: Annotated[int, Field(ge=0, le=604_800)] = 0
    voucher: Annotated[str, Field(max_length=200, description="Text of a voucher's QR code")] | None = None
    slip: Annotated[str, Field(max_length=40, description="Code of a numbered paper slip")] | None = None
    receipt: (
        Annotated[str, Field(max_length=300, description="Refund, void: look-up link of the receipt")] | None
    ) = None
    amount: (
        Annotated[Amount, Field(description="Refund: how much of the basket; absent: all of it")] | None
    ) = None
    reason: Annotated[str, Field(max_length=60), _bytes(60)] = ""


class MoneyOut(BaseModel):
    """Money, for programs and for people."""

    minor: int
    currency: str | None
    text: str


class DecisionOut(BaseModel):
    """One record that came of the event."""

    number: int = Field(description="Sequence number in the lane's chain")
    kind: str
    rule: str | None
    reason: int | None = Field(description="Reason code of the registry")
    sentence: str
    grants: list[str]


class ReceiptOut(BaseModel):
    """Where the customer finds the receipt."""

    link: str
    number: int = Field(description="Number of the receipt at this host")


class VoucherOut(BaseModel):
    """A voucher for the customer: `text` goes into a QR code."""

    text: str
    minor: int = Field(description="Worth in minor units; 0: what the redeeming rule says")
    text_amount: str
    expires: str = Field(description="RFC 3339, UTC")


class EventOut(BaseModel):
    """What came of it. `credit` is what to take off this purchase now; negative: put back on, after a refund."""

    id: str
    outcome: str = Field(
        description="granted · nothing this time · ask at the stall · reversed · nothing to take back"
    )
    credit: MoneyOut
    also: list[str] = Field(description="What else was given or, in a refund, taken back")
    sentence: str
    vouchers: list[VoucherOut] = Field(description="Single-use vouchers that were granted, to hand over")
    reason: int | None
    decisions: list[DecisionOut]
    receipt: ReceiptOut | None
    training: bool


class Problem(BaseModel):
    """What was wrong, in one sentence."""

    detail: str


KIND_NAMES: dict[int, str] = dict(getattr(reg, "KIND_NAMES", ()))
OPENAPI: dict[str, Any] = EventIn.model_json_schema(ref_template="#/components/schemas/{model}")
# Every name that a body may hold
FIELDS = {
    found.alias or name
    for model in (EventIn, Customer, Tag, Line, Money)
    for name, found in model.model_fields.items()
}
