"""The lifecycle as text, for `yetan issues graph`."""

from __future__ import annotations

from yetan.plugins.registry import Registry


def draw_graph(registry: Registry) -> str:
    """States with what leads out of them: the transition, where to, whose right it takes, and its guards."""
    lines: list[str] = []
    for state in registry.states.values():
        owner = registry.owner_of(state)
        lines.append(f"{state.name} {state.label} [{state.category}]" + ("" if owner == "core" else f" from {owner}"))
        for transition in registry.transitions.values():
            if state.name in transition.sources:
                guards = [guard.name for guard in registry.guards if transition.name in guard.transitions]
                guarded = f" if {', '.join(guards)}" if guards else ""
                rule = f" ({transition.rule})" if transition.rule else ""
                target = transition.target or state.name
                lines.append(
                    f"  --{transition.name} {transition.label}--> {target}  {transition.permission}{guarded}{rule}"
                )
    return "\n".join(lines)
