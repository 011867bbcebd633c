"""The controller's order to a brick to go on with the next rental, and the brick's answer. docs/formats/control.md"""

from stallmark import form, keys
from stallmark.constant import const
from stallmark.crypt import equal, hmac

# What a brick answers (docs/formats/registry.md, install results)
STEPPED = const(28)
TAG = const(29)
OTHER = const(30)
LINK_EPOCH = const(31)
FLASH = const(11)

_U32 = const(0xFFFFFFFF)


def order_tag(k_ctl, brick8, rental, following, epoch):
    """Tag of the order to step from a rental to the following one, whose link key begins at `epoch` (each u32), 16 bytes."""
    return hmac(k_ctl, b"stallmark/step/1\0" + brick8 + _u32s((rental, following, epoch)))[:16]


def order(rental, following, epoch, tag):
    """The value of message 52."""
    return {0: rental, 1: following, 2: epoch, 3: tag}


def parse(value):
    """(rental, following, link epoch, tag16) of message 52. Raises FormatError."""
    form.fields(value, "rental step", (0, 1, 2, 3))
    found = [form.uint(value[at], "rental step ({})".format(at), _U32) for at in (0, 1, 2)]
    return found[0], found[1], found[2], form.octets(value[3], "rental step tag (3)", 16)


def judge(value, k_ctl, brick8, rental, link_epoch):
    """(result, following, link epoch) for message 52 at a brick that is in `rental`: STEPPED where it is done already, 0 where
    it is to be done, else why not. Raises FormatError."""
    here, following, epoch, tag = parse(value)
    if following == rental:
        return STEPPED, following, epoch  # done before: what it is in now it may tell anybody
    if here != rental or following <= here:
        return OTHER, following, epoch
    if not equal(order_tag(k_ctl, brick8, here, following, epoch), tag):
        return TAG, following, epoch
    if epoch <= link_epoch:
        return LINK_EPOCH, following, epoch
    return 0, following, epoch


def answer(k_ctl, brick8, result, asked, rental, record_epoch, link_epoch):
    """The value of message 13: the result for an order to rental `asked`, the rental and the epochs that the brick is in, and
    its tag under the K_ctl of that rental."""
    tag = answer_tag(k_ctl, brick8, result, asked, rental, record_epoch, link_epoch)
    return {0: result, 1: asked, 2: rental, 3: record_epoch, 4: link_epoch, 5: tag}


def answer_tag(k_ctl, brick8, result, asked, rental, record_epoch, link_epoch):
    """16 bytes by which the controller knows an answer for its brick's."""
    said = _u32s((result, asked, rental, record_epoch, link_epoch))
    return hmac(k_ctl, b"stallmark/stepped/1\0" + brick8 + said)[:16]


def root_after(root, following):
    """(R_{g+1}, its K_ctl, link_0 and record chain) of the rental that follows."""
    fresh = keys.next_root(root, following)
    return fresh, keys.control_key(fresh), keys.link_key0(fresh), keys.record_chain0(fresh)


def _u32s(numbers):
    return b"".join([number.to_bytes(4, "big") for number in numbers])
