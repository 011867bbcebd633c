"""What each role may do: the one table of permissions, and nothing else.

A permission is `area.verb`. Reading is a permission like any other; whatever is not listed for a role, it may not."""

from __future__ import annotations

FLEET_ADMIN = "fleet-admin"
RULE_AUTHOR = "rule-author"
APPROVER = "approver"
HUB_STAFF = "hub-staff"
TECHNICIAN = "technician"
OPERATOR = "operator"
CREATOR = "creator"
ACCOUNTANT = "accountant"
AUDITOR = "auditor"

# permission: (what it allows, roles that have it)
PERMISSIONS: dict[str, tuple[str, tuple[str, ...]]] = {
    "people.read": ("see accounts, roles and tokens", (FLEET_ADMIN, AUDITOR)),
    "people.write": ("make, change and disable accounts and tokens", (FLEET_ADMIN,)),
    "audit.read": ("read and export the audit log", (FLEET_ADMIN, AUDITOR)),
    "kits.read": (
        "see kits, their state and why they are so",
        (FLEET_ADMIN, RULE_AUTHOR, APPROVER, HUB_STAFF, TECHNICIAN, OPERATOR, AUDITOR),
    ),
    "kits.write": ("say what a kit is to run, where it belongs, its tags", (FLEET_ADMIN,)),
    "enrol.read": (
        "see devices that wait and what was decided",
        (FLEET_ADMIN, HUB_STAFF, TECHNICIAN, AUDITOR),
    ),
    "enrol.accept": ("accept or reject a device that waits; make label codes", (FLEET_ADMIN, TECHNICIAN)),
    "enrol.replace": (
        "put a device in another's place with the code of its label",
        (FLEET_ADMIN, HUB_STAFF, TECHNICIAN),
    ),
    "enrol.revoke": ("end a brick or a host", (FLEET_ADMIN, TECHNICIAN)),
    "hosts.read": (
        "see the operating systems of hosts, their releases and logs",
        (FLEET_ADMIN, HUB_STAFF, TECHNICIAN, AUDITOR),
    ),
    "hosts.write": ("tag, pin, restart and tie hosts to kits, let them blink", (FLEET_ADMIN, TECHNICIAN)),
    "rules.write": ("propose rules and releases", (FLEET_ADMIN, RULE_AUTHOR)),
    "rollouts.read": (
        "see rollouts, waves and reasons",
        (FLEET_ADMIN, RULE_AUTHOR, APPROVER, HUB_STAFF, TECHNICIAN, OPERATOR, AUDITOR),
    ),
    "rollouts.write": ("plan, start, pause and resume rollouts", (FLEET_ADMIN, RULE_AUTHOR)),
    "rollouts.approve": ("let a rollout into production waves, if somebody else wrote it", (APPROVER,)),
    "rollouts.halt": ("halt a rollout, take it back", (FLEET_ADMIN, RULE_AUTHOR, APPROVER, OPERATOR)),
    "keys.read": ("see which keys count and when they expire", (FLEET_ADMIN, RULE_AUTHOR, APPROVER, AUDITOR)),
    "keys.write": ("rotate and revoke keys", (FLEET_ADMIN,)),
    "alerts.read": (
        "see alerts",
        (FLEET_ADMIN, HUB_STAFF, TECHNICIAN, OPERATOR, AUDITOR),
    ),
    "alerts.write": ("take an alert over, silence it for a while", (FLEET_ADMIN, HUB_STAFF, OPERATOR)),
    "rentals.read": (
        "see bookings, custody and kit states",
        (FLEET_ADMIN, HUB_STAFF, TECHNICIAN, ACCOUNTANT, AUDITOR),
    ),
    "rentals.write": ("book, pack, hand over and take back kits", (FLEET_ADMIN, HUB_STAFF)),
    "rentals.force": ("close a rental that is not drained", (FLEET_ADMIN,)),
    "money.read": ("see budgets, charges and settlements", (FLEET_ADMIN, CREATOR, ACCOUNTANT, AUDITOR)),
    "stall.run": ("run a stall's screen: answer what is uncertain", (HUB_STAFF, OPERATOR)),
    "campaigns.read": ("see one's own campaigns and what became of them", (RULE_AUTHOR, CREATOR, ACCOUNTANT)),
}

ROLES: dict[str, str] = {
    FLEET_ADMIN: "runs the controller: people, kits, keys; approves nothing",
    RULE_AUTHOR: "writes rules and plans their rollout",
    APPROVER: "lets what others wrote into production",
    HUB_STAFF: "hands kits over and takes them back, replaces what breaks",
    TECHNICIAN: "makes, enrols and ends bricks and hosts",
    OPERATOR: "runs stalls: sees kits, may halt",
    CREATOR: "sees one's own campaigns and money",
    ACCOUNTANT: "sees budgets, charges and settlements",
    AUDITOR: "sees everything that was decided, changes nothing",
}


def of_role(role: str) -> frozenset[str]:
    """The permissions of a role; none for a word that is no role."""
    return frozenset(name for name, (_, roles) in PERMISSIONS.items() if role in roles)


def who_may(permission: str) -> tuple[str, ...]:
    """The roles that have a permission, for messages."""
    return PERMISSIONS[permission][1] if permission in PERMISSIONS else ()
