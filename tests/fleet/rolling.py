"""A fleet on paper for rollouts: kits that can be seen, take, report; the engine's orders as each kit has them."""

from fleet.rollouts import engine, facts
from fleet.rollouts.plan import Gate, Limits, Plan, Release, Wave
from fleet.rollouts.state import FLYING, counted, from_json

NEW, OLD = "aa" * 32, "bb" * 32
MINUTE = 60_000
START = 1_790_000_000_000


def release(digest, rev=7, host=""):
    return Release(digest=digest, bundle=digest, rev=rev, length=800, host=host)


def kit_name(number):
    return f"{number:016x}"


def plan(waves=({"size": "1"}, {"size": "100%"}), limits=None, gates=(), host="", **more):
    more.setdefault("rollback", release(OLD, 6))
    return Plan(
        name="spring rules",
        release=release(NEW, host=host),
        waves=tuple(Wave(**({"soak_s": 600, "deadline_s": 7_200} | wave)) for wave in waves),
        limits=Limits(**(limits or {})),
        gates=tuple(Gate(**gate) for gate in gates),
        **more,
    )


class Fleet:
    """Steps one rollout, keeps its log, and obeys its orders."""

    def __init__(self, of, kits=6, bricks=0, about=None):
        names = [kit_name(n) for n in range(1, kits + 1)]
        fleet = {
            name: ((about or {}).get(name, {}), [f"{at:02x}" * 8 for at in range(1, bricks + 1)])
            for name in names
        }
        self.now = START
        self.state = self.first = engine.begin("r1", of, fleet, self.now)
        self.log = []
        self.orders = {}
        self.commands = []
        self.number = 0

    def step(self, *said):
        """Facts now; returns the commands."""
        before = self.state
        self.state, commands = engine.step(before, said, self.now)
        if self.state is not before:
            self.log.append(([facts.fact_to_json(one) for one in said], self.now))
        else:
            assert not commands
        for one in commands:
            if isinstance(one, facts.Deliver | facts.Withdraw):
                self.orders[one.kit] = one
        self.commands += commands
        self.check()
        return commands

    def check(self):
        """What holds at any time."""
        state = self.state
        assert state.counts == counted(state.kits)
        flying = [name for name, kit in state.kits.items() if kit.status in FLYING]
        assert sorted(flying) == sorted(state.flying)
        assert len(flying) <= state.plan.limits.in_flight
        assert all(
            kit.wave <= state.wave for kit in state.kits.values() if kit.status in ("offered", "installing")
        )
        held = dict(self.orders)
        for name, wanted in engine.orders(state):
            assert engine.command(name, wanted, "")[:-1] == held.pop(name)[:-1]
        assert all(state.kits[name].status == "superseded" for name in held)

    def replayed(self, log=None):
        """The state that the log gives."""
        state = self.first
        for said, now in self.log if log is None else log:
            state, _ = engine.step(state, [facts.fact_from_json(one) for one in said], now)
        return state

    def wait(self, ms):
        self.now += ms
        return self.step()

    def verb(self, verb, reason="", accept=False):
        return self.step(facts.Verb(verb, "ada", reason, accept))

    def see(self, *kits):
        return self.step(*(facts.Seen(kit, self.now) for kit in kits or self.state.kits))

    def take(self, *kits):
        """Hosts take what is ordered."""
        found = []
        for kit in kits:
            order = self.orders[kit]
            if isinstance(order, facts.Deliver):
                found.append(facts.Fetched(kit, OLD if order.back else NEW, self.now))
        return self.step(*found)

    def report(self, kit, outcome="ok", digest=None, brick="", number=None, why=""):
        if digest is None:
            order = self.orders.get(kit)
            digest = OLD if isinstance(order, facts.Deliver) and order.back else NEW
        self.number += 1
        number = self.number if number is None else number
        return self.step(facts.Reported(kit, outcome, digest, self.now, number, brick, why))

    def flying(self):
        return list(self.state.flying)

    def through(self, outcome="ok"):
        """Every kit that has an order takes it and reports, until nobody has one."""
        for _ in range(1000):
            kits = self.flying()
            if not kits:
                return
            self.take(*kits)
            for kit in kits:
                if kit in self.state.flying:
                    self.report(kit, outcome)
        raise AssertionError("it goes on for ever")

    def status(self, kit):
        return self.state.kits[kit].status

    def in_wave(self, index):
        return [name for name, kit in self.state.kits.items() if kit.wave == index]


def round_trip(state):
    return from_json(state.to_json())
