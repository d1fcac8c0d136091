"""The loop an issue goes through (002-B1): its states and transitions as one table, checked at start-up."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from yetan.plugins.declarations import Guard, State, Transition
from yetan.runtime import current
from yetan.web.forms import Field

if TYPE_CHECKING:
    from yetan.plugins.registry import Registry

REPORTED = "reported"
TRANSFERRED = "transferred"
REPORTED_UP = "reported_up"
LISTED = "listed"
HANDLING = "handling"
RESOLVED = "resolved"
RETURNED = "returned"
STRUCK_OFF = "struck_off"
DECLINED = "declined"
MERGED = "merged"

STATES = (
    State(REPORTED, "待办件", "open"),  # 001-20
    State(TRANSFERRED, "转办件", "open"),  # 001-20
    State(REPORTED_UP, "已上报", "open"),  # 002-B3
    State(LISTED, "已立项", "open"),
    State(HANDLING, "办理中", "open"),
    State(RESOLVED, "待验收", "awaiting"),
    State(RETURNED, "退回再办", "open"),
    State(STRUCK_OFF, "已销号", "closed_good"),
    State(DECLINED, "不予受理", "closed"),
    State(MERGED, "已并案", "closed"),
)

#: States in which nobody has taken the issue on yet.
UNLISTED = (REPORTED, TRANSFERRED, REPORTED_UP)
_IN_HAND = (LISTED, HANDLING, RETURNED)

_REASON = Field("reason", "原因", "long_text", max_length=2000, remark="public", hint="反映人和公开板都看得到。")
_OUTCOME = Field("outcome", "办理结果", "long_text", max_length=4000, remark="public", hint="做了什么、什么时候做完。")

TRANSITIONS = (
    Transition(
        "settle",
        "当场解决",
        UNLISTED,
        RESOLVED,
        "issue.handle",
        (_OUTCOME,),
        rule="002-B2",
        description="能当场解决的当场解决，不用立项。",
    ),
    Transition(
        "list",
        "立项",
        UNLISTED,
        LISTED,
        "issue.list",
        (
            Field("unit", "责任单位", "unit", required=False, hint="不选就是本单位。"),
            Field("owner", "责任人", "account"),
            Field("measures", "具体措施", "long_text", max_length=4000, remark="public"),
            Field("deadline", "完成时限", "date"),
            Field("supervisor", "督促人", "account", required=False),
        ),
        rule="002-B5",
        description="列入问题清单：定责任人、具体措施和完成时限。",
        kind="main",
    ),
    Transition(
        "start",
        "开始办理",
        (LISTED, RETURNED),
        HANDLING,
        "issue.handle",
        (),
        rule="002-B6",
        kind="main",
        description="责任单位已经动手。",
        several=True,
    ),
    Transition(
        "resolve",
        "办结",
        _IN_HAND,
        RESOLVED,
        "issue.handle",
        (_OUTCOME,),
        rule="002-B1",
        description="办完了，等反馈和居民验收。",
        kind="main",
    ),
    Transition(
        "transfer",
        "转办",
        (*UNLISTED, LISTED, HANDLING, RETURNED),
        TRANSFERRED,
        "issue.transfer",
        (Field("unit", "转给哪个单位", "unit"), _REASON),
        rule="001-20",
        description="不归本单位管，转给该管的单位。",
        several=True,
    ),
    Transition(
        "report_up",
        "上报",
        (REPORTED, TRANSFERRED, LISTED, HANDLING, RETURNED),
        REPORTED_UP,
        "issue.report_up",
        (Field("opinion", "初步办理意见", "long_text", max_length=4000, remark="staff"),),
        rule="002-B3",
        description="本级解决不了，附上初步办理意见报上一级。",
    ),
    Transition(
        "extend",
        "延期",
        _IN_HAND,
        "",
        "issue.extend",
        (Field("deadline", "新的完成时限", "date"), _REASON),
        rule="002-B17",
        description="期限内办不完，要写明原因和进展，居民看得到。",
    ),
    Transition(
        "return",
        "退回再办",
        (RESOLVED,),
        RETURNED,
        "issue.return",
        (_REASON,),
        at="home",
        rule="002-B16",
        description="居民没有同意，退回责任单位再办。",
        kind="back",
    ),
    Transition(
        "decline",
        "不予受理",
        UNLISTED,
        DECLINED,
        "issue.decline",
        (_REASON, Field("instead", "该找谁", "text", remark="public", hint="写清单位和电话。")),
        rule="002-B1",
        description="不在受理范围内，说明原因，并告诉居民该找谁。",
        kind="back",
    ),
    Transition(
        "merge",
        "并案",
        (*UNLISTED, LISTED),
        MERGED,
        "issue.merge",
        (Field("into", "并入哪一件（编号）", "issue_number", max_length=20), _REASON),
        at="home",
        rule="001-23",
        description="和另一件是同一回事，并到那一件里办，反映人一起转过去。",
    ),
    Transition(
        "strike_off",
        "销号",
        (RESOLVED,),
        STRUCK_OFF,
        "issue.strike_off",
        (),
        at="home",
        rule="002-B16",
        description="已经反馈，居民验收同意，可以销号。",
        kind="main",
    ),
    Transition(
        "reopen",
        "重新办理",
        (STRUCK_OFF,),
        HANDLING,
        "issue.reopen",
        (_REASON,),
        at="home",
        rule="002-B12",
        description="问题又出现了，重新办理。",
        kind="back",
    ),
    Transition(
        "reconsider",
        "重新受理",
        (DECLINED, MERGED),
        REPORTED,
        "issue.reopen",
        (_REASON,),
        at="home",
        rule="001-09",
        description="重新看这件事。",
        kind="back",
    ),
)


def guards() -> tuple[Guard, ...]:
    """The core's guards: nothing is struck off without feedback and acceptance (002-B13 to B16)."""
    from yetan.issues.acceptance import acceptance_missing, feedback_missing

    return (
        Guard("feedback_given", ("strike_off",), feedback_missing),
        Guard("residents_accepted", ("strike_off",), acceptance_missing),
    )


def check_lifecycle(registry: Registry) -> Iterator[str]:
    """What is wrong with the graph: states nobody declares, dead ends, unreachable states, fallbacks that are none."""
    states, transitions = registry.states, registry.transitions
    for transition in transitions.values():
        for name in (*transition.sources, *([transition.target] if transition.target else [])):
            if name not in states:
                yield f"transition {transition.name!r} names the state {name!r}, which nobody declares"
        if transition.permission not in registry.permissions:
            yield f"transition {transition.name!r} asks for {transition.permission!r}, which nobody declares"
        if f"issue.{transition.name}" not in registry.event_types:
            yield f"transition {transition.name!r} needs an event type named 'issue.{transition.name}'"
    for guard in registry.guards:
        for name in guard.transitions:
            if name not in transitions:
                yield f"guard {guard.name!r} watches the transition {name!r}, which nobody declares"
    core = {state.name for state in STATES}
    for state in states.values():
        if state.name not in core and state.fallback not in core:
            yield f"state {state.name!r} must name a state of the core as its fallback; it names {state.fallback!r}"
        if state.category == "open" and not any(state.name in each.sources for each in transitions.values()):
            yield f"state {state.name!r} is open, but no transition leads out of it"
    for name in sorted(set(states) - _reachable(registry)):
        yield f"state {name!r} cannot be reached from {REPORTED!r}"


def _reachable(registry: Registry) -> set[str]:
    reached, waiting = {REPORTED}, [REPORTED]
    while waiting:
        state = waiting.pop()
        for transition in registry.transitions.values():
            if state in transition.sources and transition.target and transition.target not in reached:
                reached.add(transition.target)
                waiting.append(transition.target)
    return reached


def state_of(name: str) -> State:
    """The state an issue acts in: its own, or, while its plugin is off, the fallback recorded when it was on (F21).

    It bears the label of its own, and the name of the state it acts in.
    """
    city = current()
    known = city.registry.states.get(name)
    return known or city.former_states.get(name) or _fallen_back(city.registry, name, {})


def states_of(*categories: str) -> list[str]:
    """The names of all states of some categories; those of plugins that are off count as what they fall back to."""
    city = current()
    states = {**city.former_states, **city.registry.states}
    return [name for name, state in states.items() if state.category in categories]


def former_states(registry: Registry, recorded: Mapping[str, Mapping[str, str]]) -> dict[str, State]:
    """The states of plugins that are off, as issues in them act now; `recorded` is what is known of all there were."""
    return {
        name: _fallen_back(registry, name, known) for name, known in recorded.items() if name not in registry.states
    }


def _fallen_back(registry: Registry, name: str, known: Mapping[str, str]) -> State:
    fallback = registry.states[known.get("fallback", REPORTED)]
    return State(fallback.name, known.get("label", name), fallback.category)
