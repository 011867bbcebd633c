"""Attacks on what a brick trusts, each by its name: those of TUF and Uptane, stolen keys, replay, wrong clocks."""

from stallmark import cbor, directive, rootmeta, trust, truststate
from stallmark import registry as reg
from trustkit import (
    AUTHORS,
    DAY,
    DIRECTORS,
    KIT,
    NEW_ROOTS,
    OTHER_KIT,
    ROOTS,
    SISTER,
    T0,
    THIEF,
    answer,
    install,
    item,
    me,
    obeyed,
    order,
    provisioned,
    release,
    root,
    sealed,
    told,
    verify,
)

OLD = release(b"old rules", 10)[1]
NEW = release(b"new rules", 11)[1]
EVIL = release(b"a thief's rules", 99, [THIEF, THIEF])[1]


def with_order(number=5, found=NEW, **more):
    return obeyed(told(), order(number, [item(found)], **more))


def refused_root(held, envelope):
    result, fields = held.take_root(envelope, verify, lambda version, digest: True)
    assert fields is None
    return result


# --- who signs


def test_arbitrary_software_is_not_installed():
    held = with_order()
    assert install(held, NEW, OLD) == reg.INSTALL_OK
    assert install(held, EVIL, OLD) == reg.INSTALL_NOT_NAMED
    assert install(held, release(b"good rules", 12)[1], OLD) == reg.INSTALL_NOT_NAMED, "signed, and not ordered"


def test_a_stolen_director_key_alone_ships_no_rules():
    held = with_order(found=EVIL)
    assert install(held, EVIL, OLD) == reg.INSTALL_THRESHOLD
    one = release(b"half signed", 12, AUTHORS[:1])[1]
    assert install(with_order(found=one), one, OLD) == reg.INSTALL_THRESHOLD


def test_a_stolen_director_key_alone_ships_no_old_rules():
    older = release(b"rules with a hole", 9)[1]
    assert answer(told(), order(5, [item(older)]), me(OLD)) == reg.INSTALL_OLDER
    # where nothing was installed yet when it came
    assert install(with_order(found=older), older, OLD) == reg.INSTALL_OLDER


def test_a_stolen_director_key_does_not_lie_about_a_bundle():
    for lie in ({"rev": 12}, {"artefact": bytes(32)}, {"length": 1}, {"kind": 2}):
        held = obeyed(told(), order(5, [item(NEW, **lie)]))
        assert install(held, NEW, OLD) == reg.INSTALL_NOT_NAMED


def test_stolen_author_keys_alone_ship_no_rules():
    evil = release(b"a thief's rules", 99)[1]  # with both authors' keys
    assert install(told(), evil, OLD) == reg.INSTALL_NOT_NAMED, "no directive"
    assert install(with_order(), evil, OLD) == reg.INSTALL_NOT_NAMED, "the directive names another"


def test_stolen_author_keys_alone_bring_in_no_root():
    mine = root(roots=[THIEF] + AUTHORS[:2], directors=[THIEF], signers=AUTHORS[:2])
    result, fields = provisioned().take_root(mine, verify, lambda version, digest: False)
    assert result == reg.INSTALL_NOT_FIRST_ROOT and fields is None
    assert provisioned().take_root(mine, verify)[0] == reg.INSTALL_NOT_FIRST_ROOT


def test_a_stolen_controller_brings_in_no_root():
    mine = root(roots=[THIEF] + ROOTS[:2], directors=[THIEF], authors=[THIEF] + AUTHORS, signers=[THIEF, ROOTS[0]])
    assert refused_root(provisioned(), mine) == reg.INSTALL_THRESHOLD


def test_a_promised_root_is_the_only_first_one():
    first = root(signers=ROOTS[:2])
    digest = trust.sha256(trust.bundle.opened(first, rootmeta.TYPE)[0])
    held = provisioned(promised=digest)
    assert refused_root(held, root(issued=T0 + 1)) == reg.INSTALL_NOT_FIRST_ROOT
    assert held.take_root(first, verify)[0] == reg.INSTALL_OK, "no tag, no author: the bench said so"
    assert refused_root(held, root(signers=ROOTS[:1])) == reg.INSTALL_THRESHOLD


def test_a_withheld_root_does_not_bring_back_installs_without_a_director():
    assert install(provisioned(), NEW, OLD) == reg.INSTALL_OK, "as before there were roots"
    assert install(provisioned(promised=bytes(32)), NEW, OLD) == reg.INSTALL_ROOT_WANTED
    assert install(provisioned(strict=True), NEW, OLD) == reg.INSTALL_ROOT_WANTED, "the state was there, and is damaged"


def test_a_threshold_is_not_reached_by_one_key_twice():
    two = told(root(2, ROOTS[:2], directors=DIRECTORS[:2], few=2))
    assert answer(two, order(5, signers=[DIRECTORS[0], DIRECTORS[0]])) == reg.INSTALL_THRESHOLD
    assert two.take_directive(order(5, signers=DIRECTORS[:2]), verify, me())[0] == reg.INSTALL_OK
    assert refused_root(told(), root(2, [ROOTS[0], ROOTS[0]])) == reg.INSTALL_THRESHOLD


def test_one_key_under_two_names_is_no_second_signer():
    twin = [[DIRECTORS[0].kid8, DIRECTORS[0].public], [b"twinkid8", DIRECTORS[0].public]]
    f = cbor.decode(trust.bundle.opened(root(2), rootmeta.TYPE)[0])
    f[6], f[7] = twin, 2
    assert refused_root(told(), sealed(rootmeta.TYPE, cbor.encode(f), ROOTS[:2])) == reg.INSTALL_UNREADABLE
    same = trust.Trust(None, [(b"name---1", AUTHORS[0].public), (b"name---2", AUTHORS[0].public)], 2)
    message = b"anything"
    signed = trust.Signed(message, [(b"name---1", AUTHORS[0].sign(message)), (b"name---2", AUTHORS[0].sign(message))], verify)
    assert not signed.by(*same.authors), "provisioned that way it does not help either"


def test_unknown_keys_do_not_count_and_do_not_disturb():
    held = told()
    assert answer(held, order(5, signers=[THIEF, THIEF, THIEF])) == reg.INSTALL_THRESHOLD
    assert held.take_directive(order(5, signers=[THIEF, DIRECTORS[0]]), verify, me())[0] == reg.INSTALL_OK


def test_a_signature_is_checked_once_and_unknown_ones_not_at_all():
    asked = []

    def counting(public, message, signature):
        asked.append(public)
        return verify(public, message, signature)

    step = root(2, [THIEF] + ROOTS[:2], roots=ROOTS)
    assert told().take_root(step, counting)[0] == reg.INSTALL_OK
    assert len(asked) == 2, "old and new threshold rest on the same two"


def test_what_one_role_signs_is_nothing_for_another():
    held = told()
    payload = directive.payload(KIT, 5, T0 + DAY, T0 + 9 * DAY, rental=3)
    as_root = sealed(rootmeta.TYPE, payload, ROOTS[:2])
    assert refused_root(held, as_root) == reg.INSTALL_UNREADABLE
    stolen = cbor.decode(sealed(rootmeta.TYPE, payload, DIRECTORS[:1]))
    stolen[1] = directive.TYPE  # the type is signed, too
    assert answer(held, cbor.encode(stolen)) == reg.INSTALL_THRESHOLD


# --- root chain


def test_a_root_signed_by_old_keys_only_or_new_keys_only_is_refused():
    for signers in (ROOTS[:2], NEW_ROOTS[:2], [ROOTS[0]] + NEW_ROOTS[:2], ROOTS[:2] + [NEW_ROOTS[0]]):
        assert refused_root(told(), root(2, signers, roots=NEW_ROOTS)) == reg.INSTALL_THRESHOLD
    assert told().take_root(root(2, ROOTS[:2] + NEW_ROOTS[:2], roots=NEW_ROOTS), verify)[0] == reg.INSTALL_OK


def test_a_root_that_skips_a_step_is_refused():
    assert refused_root(told(), root(3, ROOTS[:2])) == reg.INSTALL_ROOT_STEP


def test_a_root_does_not_go_back():
    two = told(root(2, ROOTS[:2]))
    assert refused_root(two, root(1)) == reg.INSTALL_OLDER
    gone = told(root(2, ROOTS[:2] + NEW_ROOTS[:2], roots=NEW_ROOTS))
    assert refused_root(gone, root(1)) == reg.INSTALL_THRESHOLD, "its keys are nobody's any more"


def test_a_chain_of_more_than_eight_roots_is_taken_in_two_goes():
    chain = [root(version, ROOTS[:2]) for version in range(2, 12)]
    held = told()
    result, fields, taken = held.take_roots(chain, verify)
    assert (result, fields, taken) == (reg.INSTALL_MANY_ROOTS, None, 0)
    result, fields, taken = held.take_roots(chain[:8], verify)
    assert (result, taken) == (reg.INSTALL_OK, 8)
    result, fields, taken = trust.Trust(fields).take_roots(chain[8:], verify)
    assert result == reg.INSTALL_OK and taken == 2 and fields[truststate.ROOT_VERSION] == 11


def test_a_chain_goes_as_far_as_it_is_good():
    chain = [root(2, ROOTS[:2]), root(3, [ROOTS[0], THIEF]), root(4, ROOTS[:2])]
    result, fields, taken = told().take_roots(chain, verify)
    assert result == reg.INSTALL_THRESHOLD and taken == 1 and fields[truststate.ROOT_VERSION] == 2


def test_equivocating_roots_raise_an_alarm_and_change_nothing_else():
    result, fields = told().take_root(root(1, ROOTS[:2], issued=T0 + 7), verify)
    assert result == reg.INSTALL_EQUIVOCATION and fields[truststate.ALARM] == truststate.ALARM_ROOT
    again = trust.Trust(fields)
    assert again.take_root(root(1, ROOTS[:2], issued=T0 + 8), verify) == (reg.INSTALL_EQUIVOCATION, None), "written once"


# --- order of directives


def test_rollback_to_an_older_directive_is_refused():
    held = with_order(5)
    assert answer(held, order(4, [item(OLD)])) == reg.INSTALL_OLDER


def test_replay_of_every_earlier_directive_is_refused():
    held, earlier = told(), []
    for number in range(1, 12):
        one = order(number, [item(NEW)])
        held = obeyed(held, one)
        assert held.take_directive(one, verify, me())[:2] == (reg.INSTALL_ALREADY, None), "the same again is nothing"
        for replayed in earlier:
            assert answer(held, replayed) == reg.INSTALL_OLDER
        earlier.append(one)


def test_equivocation_raises_an_alarm_and_the_first_word_holds():
    held = with_order(5)
    result, fields, found = held.take_directive(order(5, [item(EVIL)]), verify, me())
    assert result == reg.INSTALL_EQUIVOCATION and found is None
    alarmed = trust.Trust(fields)
    assert fields[truststate.ALARM] == truststate.ALARM_DIRECTIVE
    assert fields[truststate.ITEMS] == held.fields[truststate.ITEMS]
    assert alarmed.take_directive(order(5), verify, me()) == (reg.INSTALL_EQUIVOCATION, None, None), "written once"
    assert alarmed.take_directive(order(6), verify, me())[0] == reg.INSTALL_OK


def test_another_signer_of_the_same_directive_is_no_equivocation():
    two = told(root(2, ROOTS[:2], directors=DIRECTORS[:2]))
    held = obeyed(two, order(5, signers=DIRECTORS[:1]))
    assert held.take_directive(order(5, signers=DIRECTORS[1:2]), verify, me())[0] == reg.INSTALL_ALREADY


def test_fast_forward_is_recovered_by_rotating_the_director():
    far = order(2**32 - 1, [item(NEW)], issued=T0 + 364 * DAY, expires=T0 + 365 * DAY)
    lost = obeyed(told(), far)
    assert answer(lost, order(6)) == reg.INSTALL_OLDER, "the thief's number stands"
    assert lost.time_lb() == T0 + 364 * DAY, "and so does his instant"
    step = root(2, ROOTS[:2], directors=DIRECTORS[1:2], issued=T0 + 20 * DAY)
    result, fields = lost.take_root(step, verify)
    assert result == reg.INSTALL_OK and fields[truststate.NUMBER] == 0 and fields[truststate.ITEMS] == []
    anew = trust.Trust(fields)
    assert install(anew, NEW, OLD) == reg.INSTALL_NOT_NAMED, "nothing is ordered until somebody orders"
    assert answer(anew, far) == reg.INSTALL_THRESHOLD
    obeyed(anew, order(1, [item(NEW)], DIRECTORS[1:2], issued=T0 + 20 * DAY))


def test_replay_across_a_rotation_that_keeps_a_director_is_refused():
    before = order(5, [item(OLD)])
    step = root(2, ROOTS[:2], directors=[DIRECTORS[0], DIRECTORS[2]], issued=T0 + 20 * DAY)
    anew = trust.Trust(obeyed(told(), before).take_root(step, verify)[1])
    assert anew.fields[truststate.NUMBER] == 0
    assert answer(anew, before) == reg.INSTALL_OLDER, "issued before these directors were"
    obeyed(anew, order(1, issued=T0 + 20 * DAY))


def test_a_root_that_keeps_the_directors_keeps_their_count():
    held = with_order(5)
    result, fields = held.take_root(root(2, ROOTS[:2], authors=AUTHORS + [THIEF]), verify)
    assert result == reg.INSTALL_OK and fields[truststate.NUMBER] == 5
    assert answer(trust.Trust(fields), order(4)) == reg.INSTALL_OLDER


# --- time


def test_freeze_keeps_the_rules_and_stops_installs_once_time_is_known():
    held = with_order(5)  # expires on day 19
    assert install(held, NEW, OLD) == reg.INSTALL_OK
    assert install(held, NEW, OLD, clock_ms=T0 + 20 * DAY) == reg.INSTALL_EXPIRED, "its own clock refuses"
    assert install(held, NEW, OLD, signed_ms=T0 + 20 * DAY) == reg.INSTALL_EXPIRED, "so does a signed instant"
    assert install(held, NEW, NEW) == reg.INSTALL_ALREADY, "what runs goes on"


def test_an_expired_directive_is_refused():
    held = with_order(5)
    assert answer(held, order(6, issued=T0, expires=T0 + 5 * DAY)) == reg.INSTALL_EXPIRED, "the last one was issued then"
    assert answer(held, order(6, expires=T0 + 19 * DAY), signed_ms=T0 + 19 * DAY) == reg.INSTALL_EXPIRED
    assert answer(held, order(6, expires=T0 + 6 * DAY)) == reg.INSTALL_EXPIRED, "before it was issued"


def test_an_expired_root_takes_no_directive_but_a_newer_root():
    short = told(root(2, ROOTS[:2], expires=T0 + 4 * DAY))
    assert answer(short, order(3), signed_ms=T0 + 4 * DAY) == reg.INSTALL_ROOT_EXPIRED
    late = obeyed(short, order(3, [item(NEW)]))
    assert install(late, NEW, OLD) == reg.INSTALL_OK
    assert install(late, NEW, OLD, signed_ms=T0 + 4 * DAY) == reg.INSTALL_ROOT_EXPIRED
    assert late.take_root(root(3, ROOTS[:2]), verify)[0] == reg.INSTALL_OK


def test_what_a_controllers_clock_of_2099_signed_is_refused_and_poisons_nothing():
    year_2099 = 4070908800000
    held = with_order(5)
    for flags in (0, directive.SECURITY_CRITICAL):
        assert answer(held, order(6, [item(NEW)], issued=year_2099, flags=flags)) == reg.INSTALL_ROOT_EXPIRED
    last = order(7, [item(NEW)], issued=T0 + 365 * DAY - 1)
    assert obeyed(held, last).time_lb() < T0 + 365 * DAY, "no instant is believed beyond the root's year"
    assert answer(held, order(7, issued=T0 + 365 * DAY)) == reg.INSTALL_ROOT_EXPIRED


def test_a_stop_is_taken_whatever_the_clocks_say_and_its_instant_not_believed():
    held, day = with_order(5), T0 + 365 * DAY
    for stop in (
        order(6, flags=directive.HALTED, issued=day + 9000 * DAY),  # signed in the wrong year
        order(6, flags=directive.HALTED, issued=T0, expires=T0 + DAY),  # and long over
    ):
        stopped = obeyed(held, stop, signed_ms=day)
        assert install(stopped, NEW, OLD) == reg.INSTALL_HALTED
        assert stopped.time_lb() == held.time_lb()
        lifted = obeyed(stopped, order(7, [item(NEW)]))
        assert install(lifted, NEW, OLD) == reg.INSTALL_OK
    assert answer(held, order(4, flags=directive.HALTED)) == reg.INSTALL_OLDER, "but none twice"
    assert answer(held, order(6, signers=[THIEF], flags=directive.HALTED)) == reg.INSTALL_THRESHOLD


def test_a_stop_is_taken_for_another_rental_and_before_a_root_that_was_withheld():
    held = with_order(5)
    for more in ({"rental": 9}, {"root_version": 9}):
        assert answer(held, order(6, [item(NEW)], **more)) in (reg.INSTALL_OTHER_RENTAL, reg.INSTALL_ROOT_WANTED)
        stopped = obeyed(held, order(6, flags=directive.HALTED, **more))
        assert install(stopped, NEW, OLD) == reg.INSTALL_HALTED
    assert answer(held, order(6, kit=OTHER_KIT, flags=directive.HALTED)) == reg.INSTALL_OTHER_KIT


def test_a_clock_at_1970_lets_nothing_expired_in():
    held = with_order(5)
    assert install(held, NEW, OLD, clock_ms=0) == reg.INSTALL_OK
    assert answer(held, order(6, issued=T0, expires=T0 + DAY), signed_ms=0) == reg.INSTALL_EXPIRED
    gone = obeyed(held, order(6, [item(NEW)], issued=T0 + 30 * DAY, expires=T0 + 31 * DAY))
    assert install(gone, NEW, OLD, clock_ms=0, signed_ms=T0 + 31 * DAY) == reg.INSTALL_EXPIRED


def test_a_clock_at_2099_stops_installs_and_poisons_nothing():
    year_2099 = 4070908800000
    held = with_order(5)
    assert install(held, NEW, OLD, clock_ms=year_2099) == reg.INSTALL_EXPIRED
    after = obeyed(held, order(6, [item(NEW)]))  # a directive is judged by signed instants alone
    assert after.time_lb() == T0 + 6 * DAY
    assert install(after, NEW, OLD, clock_ms=T0 + 7 * DAY) == reg.INSTALL_OK, "once the clock is right again"


def test_the_time_floor_never_falls():
    held = told()
    floor = held.time_lb()
    for number, issued in ((1, T0 + 3 * DAY), (2, T0 + DAY), (3, T0 + 9 * DAY)):
        result, fields, _ = held.take_directive(order(number, issued=issued), verify, me())
        if result == reg.INSTALL_OK:
            held = trust.Trust(fields)
        assert held.time_lb() >= floor
        floor = held.time_lb()
    held = trust.Trust(held.take_root(root(2, ROOTS[:2], issued=T0 - DAY), verify)[1])
    assert held.time_lb() == floor


# --- what is named


def test_mixed_kits_are_refused_and_accuse_nobody():
    held = with_order(5)
    for number in (5, 6):
        assert answer(held, order(number, [item(NEW)], kit=OTHER_KIT)) == reg.INSTALL_OTHER_KIT


def test_an_earlier_rentals_directive_is_refused():
    assert answer(told(), order(5, rental=2)) == reg.INSTALL_OTHER_RENTAL
    held = with_order(5)
    later = me(OLD)
    later.rental = 4
    assert install(held, NEW, OLD, later) == reg.INSTALL_OTHER_RENTAL, "and so is what it ordered"


def test_wrong_hardware_is_refused_in_directive_and_bundle():
    assert answer(told(), order(5, [item(NEW, hardware="rp2040")])) == reg.INSTALL_HARDWARE
    other = release(b"new rules", 11, hardware=["rp2040"])[1]
    assert install(with_order(found=other), other, OLD) == reg.INSTALL_HARDWARE
    newer = release(b"new rules", 11, engine=(3, 4))[1]
    assert install(with_order(found=newer), newer, OLD) == reg.INSTALL_HARDWARE, "an engine that is not here"


def test_a_brick_named_twice_is_refused():
    assert answer(told(), order(5, [item(NEW), item(OLD)])) == reg.INSTALL_NAMED_TWICE
    assert answer(told(), order(5, [item(NEW, SISTER), item(OLD, SISTER)])) == reg.INSTALL_NAMED_TWICE
    obeyed(told(), order(5, [item(NEW), item(OLD, SISTER)]))


def test_a_brick_that_is_not_named_installs_nothing_and_counts_on():
    held = obeyed(with_order(5), order(6, [item(OLD, SISTER)]))
    assert install(held, NEW, OLD) == reg.INSTALL_NOT_NAMED
    assert install(held, OLD, NEW) == reg.INSTALL_NOT_NAMED, "a sister's order is not its own"
    assert answer(held, order(5, [item(NEW)])) == reg.INSTALL_OLDER


def test_halted_stops_what_was_ordered_before():
    held = obeyed(with_order(5), order(6, [item(NEW)], flags=directive.HALTED))
    assert install(held, NEW, OLD) == reg.INSTALL_HALTED
    assert install(obeyed(held, order(7, [item(NEW)])), NEW, OLD) == reg.INSTALL_OK


def test_a_stop_is_taken_whatever_is_ordered_beside_it():
    other = item(NEW, hardware="esp32c3")
    for unfit in (item(OLD, rev=1, artefact=bytes(32)), other):
        assert answer(with_order(5), order(6, [unfit]), me(NEW)) != reg.INSTALL_OK
        held = obeyed(with_order(5), order(6, [unfit], flags=directive.HALTED), me(NEW))
        assert held.fields[truststate.FLAGS] == directive.HALTED


def test_a_stop_outlives_its_director():
    halted = obeyed(with_order(5), order(6, flags=directive.HALTED | directive.SECURITY_CRITICAL))
    step = root(2, ROOTS[:2], directors=DIRECTORS[1:2], issued=T0 + 20 * DAY)
    anew = trust.Trust(halted.take_root(step, verify)[1])
    assert anew.fields[truststate.NUMBER] == 0 and anew.fields[truststate.FLAGS] == directive.HALTED
    assert install(anew, NEW, OLD) == reg.INSTALL_HALTED
    lifted = obeyed(anew, order(1, [item(NEW)], DIRECTORS[1:2], issued=T0 + 20 * DAY))
    assert lifted.fields[truststate.FLAGS] == 0 and install(lifted, NEW, OLD) == reg.INSTALL_OK


def test_a_damaged_store_counts_as_a_stop_until_the_next_directive():
    lost = provisioned(strict=True)
    assert install(lost, NEW, OLD) == reg.INSTALL_ROOT_WANTED
    result, fields = lost.take_root(root(), verify, lambda version, digest: True)
    assert result == reg.INSTALL_OK and fields[truststate.FLAGS] == directive.HALTED
    again = trust.Trust(fields)
    assert install(again, NEW, OLD) == reg.INSTALL_HALTED, "what was lost may have been one"
    assert install(obeyed(again, order(5, [item(NEW)])), NEW, OLD) == reg.INSTALL_OK


def test_a_fallback_needs_no_author_and_still_a_director():
    back = release(b"rules of before", 9)[1]
    installed = release(b"new rules", 11, fallback=[back.fields[2]])[1]
    assert install(told(), back, installed) == reg.INSTALL_NOT_NAMED
    held = obeyed(told(), order(5, [item(back)]), me(installed))
    assert install(held, back, installed) == reg.INSTALL_OK


# --- size


def test_endless_data_is_refused_unread():
    held = told()

    def unread(*given):
        raise AssertionError("a signature over too much was checked")

    long = bytes(4097)
    assert held.take_directive(long, unread, me())[0] == reg.INSTALL_TOO_LARGE
    assert held.take_root(long, unread)[0] == reg.INSTALL_TOO_LARGE
    deep = cbor.encode({0: 1, 1: directive.TYPE, 2: b"\x81" * 3000 + b"\x00", 3: []})
    assert answer(held, deep) == reg.INSTALL_THRESHOLD, "not looked into before it is signed"
    evil = sealed(directive.TYPE, b"\x81" * 3000 + b"\x00", DIRECTORS[:1])
    assert answer(held, evil) == reg.INSTALL_UNREADABLE, "a thief's nesting ends at a limit"
    many = sealed(directive.TYPE, b"\x99\x0b\xb8" + bytes(3000), DIRECTORS[:1])
    assert answer(held, many) == reg.INSTALL_UNREADABLE


def test_extraneous_items_are_bounded():
    crowd = [item(NEW, bytes([number]) * 8) for number in range(32)]
    assert len(order(5, crowd)) < 4096
    obeyed(told(), order(5, crowd))
    f = cbor.decode(trust.bundle.opened(order(5, crowd), directive.TYPE)[0])
    f[5].append(list(item(NEW, SISTER)))
    assert answer(told(), sealed(directive.TYPE, cbor.encode(f), DIRECTORS[:1])) == reg.INSTALL_UNREADABLE
    four = [item(NEW, kind=kind) for kind in (1, 2, 3, 4)]
    assert answer(told(), order(5, four)) == reg.INSTALL_TOO_LARGE
