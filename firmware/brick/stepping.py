"""The step to the next rental: its record first, then its keys, then a new start. docs/formats/control.md

Loaded for an order and for a step that was cut; a brick between two rentals has this module's code in memory, no other."""

from stallmark import keystore, rental
from stallmark import numbers as reg
from stallmark.errors import FullError

from brick import counters as count

MSG_STEPPED = 13


def advance(identity, following, epoch):
    """The keys of rental `following` in the place of those before, which are erased with the root that they came from; the
    event's tag keys were sealed for that one and are sent anew. Raises OSError: then nothing changed."""
    root, control_key, link_key, chain = rental.root_after(identity.field(keystore.ROOT), following)
    identity.change(
        {
            keystore.ROOT: root,
            keystore.RENTAL: following,
            keystore.LINK_EPOCH: epoch,
            keystore.LINK_KEY: link_key,
            keystore.RECORD_EPOCH: identity.record_epoch + 1,
            keystore.RECORD_CHAIN: chain,
        },
        (keystore.TAG_KEYS,),
    )
    identity.rental, identity.control_key = following, control_key


def take(value, identity, recorder, write_down, counters):
    """Message 52: (the answer as (kind, value), or None; whether to start anew). Raises FormatError.

    Once the record is durable the step is done, whatever happens: a start finishes it. So there is nothing to answer then:
    the host tells the order with each link until it has an answer, and the keys of now sign that."""
    result, following, epoch = rental.judge(
        value, identity.control_key, identity.brick8, identity.rental, identity.link_epoch
    )
    if result == 0:
        write_down()
        try:
            recorder.write(reg.KIND_RENTAL, {24: [following, epoch]})
        except FullError:
            counters.add(count.JOURNAL_FULL)
            result = rental.FLASH
        except OSError:
            counters.add(count.FLASH_ERRORS)
            result = rental.FLASH
        else:
            try:
                recorder.settle()
            except OSError:
                counters.add(count.FLASH_ERRORS)  # the next start finds the record and finishes the step
            return None, True
    if result != rental.STEPPED:
        counters.add(count.STEPS_REFUSED)
    said = rental.answer(
        identity.control_key, identity.brick8, result, following,
        identity.rental, identity.record_epoch, identity.link_epoch,
    )  # fmt: skip
    return (MSG_STEPPED, said), False
