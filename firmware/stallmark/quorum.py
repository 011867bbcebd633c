"""Whether enough different keys signed a message: what every threshold of the trust module rests on."""


class Signed:
    """One message and its signatures; each is checked once, whoever asks for it."""

    def __init__(self, message, signatures, verify):
        self._message = message
        self._signatures = signatures
        self._verify = verify
        self._known = {}

    def by(self, keys, threshold):
        """Whether at least `threshold` different keys of `keys` signed. A threshold of none is no quorum."""
        good = []
        for kid8, public in keys:
            if len(good) >= threshold:
                break
            if public not in good and self._one(kid8, public):
                good.append(public)
        return 0 < threshold <= len(good)

    def _one(self, kid8, public):
        for signer8, signature in self._signatures:
            if signer8 == kid8:
                known = (public, signature)
                if known not in self._known:
                    self._known[known] = bool(self._verify(public, self._message, signature))
                if self._known[known]:
                    return True
        return False
