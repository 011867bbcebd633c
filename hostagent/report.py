"""What the host says of itself: one JSON object with plain words first, and recent receipts with their
links."""

import asyncio
import time
from typing import TYPE_CHECKING, Any

from hostagent import appliance, kitwords
from hostagent.bricks import BRICK_STATES, CLOCK_WORDS, READER_STATES, Brick, Trusted, word
from hostagent.clock import monotonic_ms
from hostagent.core import Fields, FormatError, base32, bundle, cbor, explain, receipt, rules
from hostagent.links.line import AnyPort, Line
from hostagent.store.database import free_bytes
from hostagent.store.receipts import Row
from hostagent.store.store import MISSING
from hostagent.trust.state import NOT_CONFIGURED
from hostagent.updater import RESULT_WORDS

if TYPE_CHECKING:
    from hostagent.agent import Agent

# Without an answer for this long the controller counts as away.
AWAY_S = 30.0
# A brick that says that something is wrong, with fewer free pages than this, is out of room.
SHORT_PAGES = 128


async def status(agent: "Agent") -> dict[str, Any]:
    """GET /v1/status. `words` says in sentences what needs somebody; empty: all is well."""
    backlog = await asyncio.wrap_future(agent.outbox.backlog())
    trouble = agent.store.trouble
    said = agent.forwarder.trouble
    reached = max(filter(None, (agent.forwarder.reached_at, agent.puller.reached_at)), default=None)
    offered = agent.updater.current
    now = time.monotonic()
    market_ms = agent.clock.now_ms()
    result: dict[str, Any] = {
        "host": {
            "name": agent.config.name,
            "host": agent.config.host.hex(),
            "kit": agent.config.kit.hex(),
            "rental": agent.steps.rental,
            "steps": agent.steps.report(),
            "wiping_waits": agent.handback.waits,
            "development": agent.config.development,
            "up_s": round(now - agent.started, 1),
            "release": {**agent.updating.report(), "words": agent.updating.words()},
        },
        "holds": agent.holding.report(),
        "words": [],
        "clock": {"market_ms": market_ms, "known": agent.clock.known()},
        "update_lock": agent.update_lock.state(),
        "store": {
            "receipts": agent.counts["receipts"],
            "pending": agent.intake.pending,
            "quarantined": agent.losses().quarantined,
            "lost": agent.losses().lost,
            "bytes": agent.store.size(),
            "free_bytes": free_bytes(agent.store.path),
            "commits": agent.store.writer.commits,
            "failures": agent.store.writer.failures,
            "trouble": None
            if trouble is None
            else {"reason": trouble.reason, "age_s": round(now - trouble.since, 1)},
            "set_aside": agent.store.meta.get("recovered"),
            "ready": agent.intake.ready,
        },
        "outbox": {
            "receipts": backlog.receipts,
            "batches": backlog.batches,
            "oldest_age_s": None
            if backlog.oldest_ms is None
            else max(0, market_ms - backlog.oldest_ms) / 1000,
            "next_batch": agent.forwarder.number,
            "accepted": agent.forwarder.accepted,
            "error": None
            if said is None
            else {"kind": said.kind, "text": said.text, "age_s": round(now - said.at, 1)},
        },
        "controller": {
            "address": agent.config.controller,
            "reached_s_ago": None if reached is None else round(now - reached, 1),
            "error": agent.puller.trouble,
            "failures": dict(sorted(agent.controller.failures.items())),
        },
        "bundle": {
            "name": None if offered is None else offered.name,
            "rev": None if offered is None else offered.rev,
            "digest": None if offered is None else offered.digest.hex(),
            "ruleset": None if offered is None else offered.artefact.hex(),
            "trouble": agent.updater.trouble,
        },
        "rights": agent.budgets.summary(),
        # As the controller counts them, by the ledger (docs/rights.md); [] until it said so.
        "budgets": agent.budgets.figures,
        "exposure": _exposure(agent),
        "rights_refused": agent.budgets.refused,
        **agent.kitside.report(),
        "lane": _lane(agent),
        "till": None if agent.till is None else dict(sorted(agent.till.counters.items())),
        "trust": NOT_CONFIGURED if agent.listing is None else agent.listing.as_json(),
        "printer": {"there": agent.printer.there, "printed": agent.printer.printed, "trouble": agent.printer.trouble},
        "bricks": [_line(line, agent) for line in agent.lines],
        "ended": agent.ended.report(),
        "configuration": {"taken_up": agent.takeup.taken, "trouble": agent.takeup.trouble},
    }
    result["words"] = _words(agent, result)
    return result


def _exposure(agent: "Agent") -> list[dict[str, Any]]:
    """Rules with exposure limits, and how many records of each brick this host does not have yet: no more grants of such
    a rule than that can be open there, and never more than its upper limit."""
    ruleset = _ruleset(agent)
    if ruleset is None:
        return []
    waiting = {
        brick.name: max(0, brick.status.next_seq - 1 - brick.durable_seq)
        for brick in agent.bricks.values()
        if brick.status is not None
    }
    return [
        {
            "rule": rule.id,
            "mode": {2: "lan", 3: "strict"}[rule.mode],
            "lower": rule.lower,
            "upper": rule.upper,
            "at_most": {name: min(count, rule.upper) if rule.mode == 2 else 0 for name, count in waiting.items()},
        }
        for rule in ruleset.rules
        if rule.mode in (2, 3)
    ]


async def links(agent: "Agent", limit: int, brick: bytes | None = None) -> list[dict[str, Any]]:
    """The newest receipts (of one brick, or of all), newest first, each with its sentence, and with its look-up link where only
    this machine can ask: who has the link can read the receipt. None of a brick that is not known."""
    one = None if brick is None else agent.bricks.get(brick)
    if brick is not None and one is None:
        return []
    rows = await asyncio.wrap_future(agent.receipts.recent(limit, None if one is None else one.number))
    names = {brick.number: brick.name for brick in agent.bricks.values()}
    ruleset = _ruleset(agent)
    return [_link(row, names.get(row.brick, "?"), agent, ruleset) for row in rows]


def _link(row: Row, name: str, agent: "Agent", ruleset: Any) -> dict[str, Any]:
    fields: Fields = receipt.parse(row.cose).fields
    public: Fields = cbor.decode(fields[1])
    handle = agent.chain.handle(public[1], row.seq, fields[2])
    base = agent.config.public_url
    return {
        "host_seq": row.host_seq,
        "brick": name,
        "seq": row.seq,
        "kind": public[10],
        "outcome": explain.outcome(public[10]),
        "sentence": explain.sentence(public, ruleset),
        "received_ms": row.ms,
        "market_ms": public[5],
        **({"handle": base32.encode(handle), "link": receipt.link_text(base, handle)} if agent.private else {}),
        "in_ledger": (brick := agent.bricks.get(public[1])) is not None
        and brick.ledger_seq is not None
        and brick.ledger_seq >= row.seq,
    }


def _ruleset(agent: "Agent") -> Any:
    """The ruleset on offer, for names in sentences; a sentence of another ruleset does without."""
    offered = agent.updater.current
    if offered is None:
        return None
    known = agent.parsed_rulesets
    if offered.artefact not in known:
        known.clear()
        try:
            known[offered.artefact] = rules.Ruleset(bundle.split(offered.data)[1])
        except FormatError:
            known[offered.artefact] = None
    return known[offered.artefact]


def _line(line: Line, agent: "Agent") -> dict[str, Any]:
    brick = agent.bricks[line.expected.brick]
    session = line.session
    assert session is not None
    link = session.link
    now = monotonic_ms()
    up = line.brick is not None
    other = line.brick if line.brick != line.expected.brick else None
    return {
        "name": line.expected.name,
        "brick": line.expected.brick.hex(),
        "port": {
            "path": str(line.port.path),
            "state": line.port.state,
            "age_s": round((now - line.port.since_ms) / 1000, 1),
            "overruns": line.port.overruns,
            "kind": line.port.kind,
        },
        "ports": [_port(port, port is line.port) for port in line.ports],
        "moves": line.moves,
        "stranger": None if line.stranger is None else line.stranger.hex(),
        "link": {
            "up": up,
            "other_brick": None if other is None else other.hex(),
            "heard_s_ago": None if session.heard_ms is None else round((now - session.heard_ms) / 1000, 1),
            "last_down": session.last_down,
            "refusal": link.refusal,
            "notice": session.last_notice,
            "handshakes": link.handshakes,
            "bad_handshakes": link.bad_handshakes,
            "bad_tags": link.bad_tags,
            "resends": link.resends,
            "repeats": link.repeats,
            "dropped": link.dropped,
            "noise": session.count("noise"),
            "oversize": session.count("oversize"),
            "unknown": session.count("unknown_version") + link.unexpected,
            "unreadable": link.unreadable,
            "strays": link.strays,
            "frames": session.count("frames"),
        },
        "records": {
            "durable_seq": brick.durable_seq,
            "ledger_seq": brick.ledger_seq,
            "waiting_on_brick": None
            if brick.status is None
            else max(0, brick.status.next_seq - brick.next_seq),
        },
        "counters": dict(sorted(brick.counters.items())),
        "status": _brick_status(brick, now, agent),
        "diagnostics": None
        if brick.diagnostics is None
        else {**brick.diagnostics, "age_s": round((now - brick.diagnostics_at_ms) / 1000, 1)},
        "bundle_result": None
        if brick.bundle_result is None
        else {
            "bundle": brick.bundle_result[0].hex(),
            "words": RESULT_WORDS.get(brick.bundle_result[1], "newer than this program"),
            "text": brick.bundle_result[2],
        },
        "programs": programs(brick),
        "warning": brick.warning,
        "log": [
            {"age_s": round((now - at) / 1000, 1), "level": level, "text": text}
            for at, level, text in session.lines
        ],
    }


def _port(port: AnyPort, active: bool) -> dict[str, Any]:
    """One way to a brick; `rssi` in dBm as it was heard before the connection."""
    return {
        "kind": port.kind,
        "path": str(port.path),
        "state": port.state,
        "open": port.is_open,
        "active": active and port.is_open,
        "rssi": getattr(port, "rssi", None),
        "connections": getattr(port, "connections", None),
    }


def _lane(agent: "Agent") -> dict[str, Any] | None:
    """The host's own lane; None where it has no key for one."""
    lane = agent.lane
    if lane is None:
        return None
    said = lane.brick.status
    return {
        "brick": lane.brick8.hex(),
        "trouble": lane.trouble,
        "training": lane.training,
        "ruleset": None if said is None or said.ruleset is None else said.ruleset.hex(),
        "slices": {} if said is None else {str(number): left for number, left in sorted(said.slices.items())},
        "open_slips": len(lane.state.open_reserves()),
        "durable_seq": lane.brick.durable_seq,
        "ledger_seq": lane.brick.ledger_seq,
    }


def programs(brick: Brick) -> dict[str, Any] | None:
    """Which of its programs a brick runs, and whether others came back; None where it did not say."""
    if brick.slots is None:
        return None
    return {"words": brick.slots.words(), "attention": brick.slots.returned is not None}


def _trusted(said: Trusted | None) -> dict[str, Any] | None:
    """Whom a brick trusts, in its own words; None where its program knows no roots."""
    if said is None:
        return None
    return {"root": said.version, "directive": said.number, "words": said.words, "attention": bool(said.bits & 5)}


def _brick_status(brick: Brick, now: int, agent: "Agent") -> dict[str, Any] | None:
    said = brick.status
    if said is None:
        return None
    rules = None if said.ruleset8 is None else agent.kitside.rulebook.get(said.ruleset8)
    return {
        "age_s": round((now - said.at_ms) / 1000, 1),
        "state": word(BRICK_STATES, said.state),
        "clock": CLOCK_WORDS.get(said.clock_quality, "newer than this program"),
        "reader": word(READER_STATES, said.reader),
        "scanner": word(READER_STATES, said.scanner),
        "radio": word(READER_STATES, said.radio),
        "boot": said.boot,
        "next_seq": said.next_seq,
        "oldest_seq": said.oldest_seq,
        "free_pages": said.free_pages,
        "ruleset": None if said.ruleset is None else said.ruleset.hex(),
        # None where this host never had them.
        "rules": None if rules is None else {"id": rules.id, "rev": rules.rev},
        "firmware": None if said.firmware is None else said.firmware.hex(),
        "trust": _trusted(said.trust),
        "slices": {str(number): left for number, left in sorted(said.slices.items())},
    }


def _words(agent: "Agent", found: dict[str, Any]) -> list[str]:
    words: list[str] = []
    store = found["store"]
    if store["trouble"] is not None:
        words.append(
            f"{store['trouble']['reason']} for {store['trouble']['age_s']:.0f} s: bricks decide on and keep "
            "their records; nothing is acknowledged until the disk takes writes again."
        )
    if store["set_aside"] == MISSING:
        words.append("The store's file was gone; this is a new one. Tell the hub.")
    elif store["set_aside"] is not None:
        words.append(
            f"The store was damaged and set aside as {store['set_aside']}; this is a new one. "
            "Keep the file and tell the hub."
        )
    if not store["ready"]:
        words.append("Waiting for the controller to say where this host's receipts go on.")
    if not agent.clock.known():
        words.append("This host does not know the time: bricks are not given one.")
    error = found["outbox"]["error"]
    if error is not None:
        words.append(f"Receipts wait here: {error['text']}.")
    elif found["controller"]["error"] is not None and _away(found):
        words.append(f"New rules and rights wait: {found['controller']['error']}.")
    if found["bundle"]["trouble"] is not None:
        words.append(f"No new rules are passed on: {found['bundle']['trouble']}.")
    if agent.listing is not None and (agent.listing.unlisted is not None or found["trust"]["state"] != "good"):
        words.append(found["trust"]["words"])
    if found["lane"] is not None and found["lane"]["trouble"] is not None:
        words.append(f"No till is answered: {found['lane']['trouble']}.")
    if agent.updating.state.trial or agent.updating.state.returned is not None or agent.updating.trouble is not None:
        words.append(agent.updating.words())
    words += agent.ended.words()
    words += kitwords.words(found)
    if agent.takeup.trouble is not None:
        words.append(f"The changed list of bricks: {agent.takeup.trouble}.")
    for line in found["bricks"]:
        if agent.store.find_link_keys(bytes.fromhex(line["brick"])) is None:
            words.append(f"{line['name']}: no link key here. At the controller: stallmark fleet bricks rekey.")
        elif not line["link"]["up"]:
            why = line["link"]["refusal"] or line["link"]["last_down"] or "nothing heard yet"
            port = line["port"]["state"]
            words.append(f"{line['name']}: no link ({why if port == 'open' else port}).")
        if line["link"]["other_brick"] is not None:
            words.append(f"{line['name']}: another brick of the kit is on this port.")
        if line["stranger"] is not None:
            words.append(f"{line['name']}: another brick ({line['stranger']}) is on its cable: swap the plugs.")
        if line["warning"] is not None:
            words.append(f"{line['name']} {line['warning']}.")
        if line["counters"].get("equivocations"):
            words.append(f"{line['name']} sent two different records under one number: tell the hub.")
        said, body = line["status"], line["diagnostics"]
        if body is not None and line["link"]["up"]:
            words += [f"{line['name']} {warning}." for warning in appliance.warnings(body)]
        if said is not None and said["state"] == "degraded":
            words.append(f"{line['name']} says of itself: {said['state']}{_why(said)}.")
        if line["programs"] is not None and line["programs"]["attention"]:
            words.append(f"{line['name']} runs {line['programs']['words']}")
        if said is not None and said["trust"] is not None and said["trust"]["attention"]:
            words.append(f"{line['name']}: {said['trust']['words']}.")
    return words


def _away(found: dict[str, Any]) -> bool:
    """True when the controller has been silent for long enough to say so."""
    silent = found["controller"]["reached_s_ago"]
    return (found["host"]["up_s"] if silent is None else silent) > AWAY_S


def _why(said: dict[str, Any]) -> str:
    """What a brick's status shows of the reason why it is not well."""
    reasons = [f"its {part} does not answer" for part in ("reader", "scanner") if said[part] == "fault"]
    if said.get("radio") == "fault":
        reasons.append("its radio does not work, it needs its cable; switch it off and on")
    if said["free_pages"] is not None and said["free_pages"] < SHORT_PAGES:
        reasons.append("its journal is full, people are sent to the stall until this host has its records")
    return f" ({'; '.join(reasons)})" if reasons else ""
