"""Who this brick is: the key partition's content and the keys derived from it (docs/formats/keys.md)."""

from stallmark import control, keys, keystore


class Identity:
    """`store` is a keystore.KeyStore, `fields` what its `load` gave. No key leaves in a message or a log."""

    def __init__(self, store, fields):
        self._store = store
        self._fields = fields
        root = fields[keystore.ROOT]
        self.brick8 = fields[keystore.BRICK]
        self.kit8 = fields[keystore.KIT]
        self.hub8 = fields[keystore.HUB]
        self.rental = fields[keystore.RENTAL]
        self.only_key = fields[keystore.ONLY]
        self.authors = [(kid8, public32) for kid8, public32 in fields[keystore.AUTHORS]]
        self.threshold = fields[keystore.THRESHOLD]
        self.director = fields[keystore.DIRECTOR]
        self.first_root = fields.get(keystore.FIRST_ROOT)
        self.currency = fields[keystore.CURRENCY]
        self.first_boot = fields[keystore.FIRST_BOOT]
        self.event8 = fields[keystore.EVENT]
        self.control_key = keys.control_key(root)
        self.subject_key = keys.subject_key(fields[keystore.EVENT_KEY])
        self.token_key = keys.token_key(fields[keystore.EVENT_KEY])
        self.mac_key = keys.record_mac_key(fields[keystore.RECORD_CHAIN])

    @property
    def link_epoch(self):
        """Epoch of the link key."""
        return self._fields[keystore.LINK_EPOCH]

    @property
    def link_key(self):
        """The link key of that epoch."""
        return self._fields[keystore.LINK_KEY]

    @property
    def record_epoch(self):
        """Epoch of `mac_key`."""
        return self._fields[keystore.RECORD_EPOCH]

    def advance_link(self, epoch, key):
        """Make the next link key durable and erase the one before. Raises OSError: then nothing changed."""
        if epoch <= self.link_epoch:  # a session of the rental before, which ends with the restart
            raise OSError("a link key of before")
        self._save({keystore.LINK_EPOCH: epoch, keystore.LINK_KEY: key})

    def rekeyed(self, epoch, tag):
        """The link key of a controller's order, or None where its tag is wrong."""
        return control.rekey_taken(self.control_key, self.brick8, epoch, tag)

    def advance_records(self):
        """Go on to the next record key. Raises OSError, and then nothing changed."""
        chain = keys.next_chain(self._fields[keystore.RECORD_CHAIN])
        self.change({keystore.RECORD_EPOCH: self.record_epoch + 1, keystore.RECORD_CHAIN: chain})

    @property
    def tag_keys(self):
        """[version, meta16, file16, live16] of this event's tags, or None before the controller sent them."""
        return self._fields.get(keystore.TAG_KEYS)

    def keep_tag_keys(self, tag_keys):
        """Make the event's tag keys durable. Raises OSError: then nothing changed."""
        self._save({keystore.TAG_KEYS: tag_keys})

    def field(self, number):
        """A field of the key partition (stallmark.keystore): for the step to another rental alone."""
        return self._fields[number]

    def change(self, changes, gone=()):
        """Make fields durable, without those in `gone`, and the record key theirs. Raises OSError: then nothing changed."""
        self._save(changes, gone)
        self.mac_key = keys.record_mac_key(self._fields[keystore.RECORD_CHAIN])

    def _save(self, changes, gone=()):
        fields = dict(self._fields)
        fields.update(changes)
        for number in gone:
            fields.pop(number, None)
        self._store.save(fields)
        self._fields = fields
