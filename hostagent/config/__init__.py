"""config.json and keys.json of a host, typed; what is wrong with them is said in one sentence."""

from hostagent.config.keys import forget_links, keys_alone
from hostagent.config.model import (
    BrickConfig,
    Config,
    EndedBrick,
    Keys,
    LaneKey,
    LinkKey,
    OperatorKey,
    Printer,
    Quorum,
    TillKey,
    TillLimits,
    TrustSource,
)
from hostagent.config.whole import load

__all__ = [
    "BrickConfig",
    "Config",
    "EndedBrick",
    "Keys",
    "LaneKey",
    "LinkKey",
    "OperatorKey",
    "Printer",
    "Quorum",
    "TillKey",
    "TillLimits",
    "TrustSource",
    "forget_links",
    "keys_alone",
    "load",
]
