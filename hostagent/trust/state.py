"""What a host without a root says of its trust; apart, so that such a host loads no library for it."""

from typing import Any

NOT_CONFIGURED: dict[str, Any] = {
    "state": "not configured",
    "words": "No root is configured: bundles are checked by their authors' signatures alone.",
}
