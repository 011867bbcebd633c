"""A rule as a Python function: straight-line text made of fixed words and the rule's integers. docs/formats/ruleset.md

What the function gives back is what stallmark.decide's own judging gives: a list for a win, a tuple for a refusal with its
reason, an int for a condition that is not true (`code`). Whatever is rare it leaves to that judging (`J`)."""

from stallmark.expr import ALWAYS, EQ, needed
from stallmark.judgewhen import Conditions
from stallmark.numbers import (
    GRANT_PERCENT_NEXT,
    GRANT_SPLIT,
    GRANT_TIP_MATCH,
    KIND_DENY,
    REASON_ALREADY_HAD,
    REASON_BASKET_SMALL,
    REASON_GRANTED,
    REASON_OTHER_ARM,
    UNIT_MINOR,
    UNIT_PIECES,
)
from stallmark.ruleform import BALANCES, CAP_ONLY, COUNTS_KIT, FLAT, MODE_LOCAL, PIECES, SHARES, SIGNALS

_OF_OTHERS = COUNTS_KIT | BALANCES | SIGNALS


class Writer(Conditions):
    """The text of one rule's function `f{index}(V)`: V the View; R is the rule, looked up where it is needed."""

    def text(self):
        """Lines of the function."""
        rule = self._rule
        self._lines = ["def f{}(V):".format(self._index)]
        if rule.redeems is not None:
            self._put("return J(V,{})", self._index)
        else:
            self._place()
            self._condition()
            self._standing()
            self._win(*self._grants())
        return "\n".join(self._lines) + "\n"

    # --- trust and slot

    def _place(self):
        rule, index = self._rule, self._index
        self._put("E=V.event")
        if rule.trust:
            self._leave("E.trust<{}".format(int(rule.trust)))
        if not rule.early and (rule.stale is None or not rule.flags & _OF_OTHERS):
            self._put("s=V.mine[{}]", index)
            self._put("if s!=V.here:")
            self._put(" if s==255:return 0")
            self._put(" V.turn(s,s,None)")
        else:
            self._put("if V.enter({},V.ruleset.bodies[{}])<0:return 0", index, index)

    # --- arm and limits

    def _standing(self):
        rule, index = self._rule, self._index
        if rule.experiment is not None or self._ruleset.holdout is not None:
            self._leave("E.subject is None")
        if rule.limit:
            self._put("p=V.at")
            self._put("if p is None:p=V.place()")
            self._put("if p>=0:")
            self._put(" n=V.state.granted(p,{})", index)
            self._had(" if n>={}", rule.limit)
            self._put("elif E.subject is None or V.unseen():return -1")
        if rule.limit_ever:
            self._put("n=None if E.subject is None else V.state.granted_ever(E.subject,{})", index)
            self._leave("n is None")
            self._had("if n>={}", rule.limit_ever)
        if rule.experiment is not None:
            which, arm = rule.experiment
            self._put("c=V.arm({})", which)
            control = self._ruleset.experiments[which][3]
            if arm != control:
                self._put(
                    "if c!={} and c!={}:return ({},[{},{}])", arm, control, KIND_DENY, REASON_OTHER_ARM, index
                )
            else:
                self._put("if c!={}:return ({},[{},{}])", arm, KIND_DENY, REASON_OTHER_ARM, index)

    def _had(self, test, most):
        if self._rule.experiment is not None:
            self._put(test + ":return -1", most)  # another arm's is told first, and costs a hash
            return
        self._put(
            test + ":return ({},[{},{},True,None,n,{}])",
            most,
            KIND_DENY,
            REASON_ALREADY_HAD,
            self._index,
            most,
        )

    # --- what is given

    def _grants(self):
        """(grants, money, pieces) as text; the latter are ints where they are always the same, None where `G` finds all."""
        rule = self._rule
        if len(rule.grants) == 1 and self._share(rule.grants[0][0]):
            return self._one_share(rule.grants[0])
        for kind, quantity, minor in [grant[:3] for grant in rule.grants]:
            if type(quantity) is tuple or type(minor) is tuple or self._share(kind):
                return self._found()
        money = pieces = 0
        given = []
        for kind, quantity, minor in [grant[:3] for grant in rule.grants]:
            if kind in SHARES and not (minor and quantity):
                continue
            if kind in PIECES:
                if not quantity:
                    continue
                pieces += quantity
            given.append("[{},{},{}]".format(int(kind), int(quantity), int(minor)))
            if kind != GRANT_SPLIT:
                money += minor
        if not given:
            return self._found()
        return "[" + ",".join(given) + "]", money, pieces

    def _share(self, kind):
        return kind in SHARES and kind != GRANT_PERCENT_NEXT and not self._rule.flags & CAP_ONLY

    def _small(self, test):
        self._put("if not " + test + ":return ({},[{},{}])", KIND_DENY, REASON_BASKET_SMALL, self._index)

    def _found(self):
        self._put("g,m,q=G(V.state,E,V.ruleset.bodies[{}])", self._index)
        self._small("g")
        return "g", None, None

    def _one_share(self, grant):
        kind, quantity, minor = grant[:3]
        self._put("m=" + ("E.tip_minor" if kind == GRANT_TIP_MATCH else "E.basket_minor"))
        share = self._open_value("k", quantity)
        most = self._open_value("l", minor)
        self._put("if m is None:m=" + most)
        self._put("else:")
        self._put(" m=(m*" + share + "+5000)//10000")
        self._put(" if m>" + most + ":m=" + most)
        self._small("m" if share != "k" else "(m and k)")
        given = "[[{},".format(int(kind)) + share + ",m]]"
        return (given, 0, 0) if kind == GRANT_SPLIT else (given, "m", 0)

    def _open_value(self, name, number):
        if type(number) is not tuple:
            return "{}".format(int(number))
        self._put(name + "=V.state.parameter({})", number[1])
        return name

    def _rights(self, money, pieces):
        """The text of the rights that cover it."""
        first = True
        for unit, amount in self._rule.need:
            if not amount:
                amount = money if unit == UNIT_MINOR else pieces if unit == UNIT_PIECES else 1
                if not amount:
                    continue
            text = "m" if amount == "m" else "{}".format(int(amount))
            name = "r" if first else "o"
            self._put(name + "=V.state.rights.cover({},{}," + text + ")", self._index, unit)
            self._put(
                "if " + name + " is None:return ({},S(V,{},{}," + text + "))", KIND_DENY, self._index, unit
            )
            if not first:
                self._put("r=r+o")
            first = False
        return "[]" if first else "r"

    def _win(self, given, money, pieces):
        rule, index = self._rule, self._index
        if money is None:
            money, pieces = "m", "q"
            rights = "[]"
            if rule.need:
                self._put("r=K(V.state,{},V.ruleset.bodies[{}],m,q)", index, index)
                self._put("if type(r) is tuple:return ({},S(V,{},r[0],r[1]))", KIND_DENY, index)
                rights = "r"
        else:
            rights = self._rights(money, pieces)
        ask = "0" if rule.mode == MODE_LOCAL else "0 if V.lane else A(V.state.exposed({}),R)".format(index)
        self._put("R=V.ruleset.bodies[{}]", index)
        control = "False" if rule.experiment is None else "c!={}".format(int(rule.experiment[1]))
        parts = (
            "{}".format(index),
            "R",
            given,
            "{}".format(money),
            "{}".format(pieces),
            rights,
            ask,
            control,
            self._because(),
        )
        self._put("return [" + ",".join(parts) + "]")

    def _because(self):
        """Why it grants, as stallmark.decide finds it; None leaves that to it."""
        rule, index = self._rule, self._index
        if rule.when[0] == ALWAYS:
            return "[{},{},0]".format(REASON_GRANTED, index)
        if not rule.flags & FLAT or rule.latch or rule.shown is None:
            return "None"
        part = rule.when[rule.shown + 1]
        op, at, right = [column[part] for column in self._ruleset.leaves[:3]]
        if op > EQ:
            return "None"
        self._fetch("a", at)
        if not self._known(at):
            self._put("if type(a) is not int:a=a[0]")
        mask = (1 << len(rule.when) - 1) - 1
        return "[{},{},{},{},a,{}]".format(REASON_GRANTED, index, mask, rule.shown, needed(op, int(right)))
