"""The rules the work at the desk follows, in words: what each asks, which steps follow it, what the city has set."""

from __future__ import annotations

from collections import defaultdict

from starlette.responses import Response

from yetan.i18n import translate as _
from yetan.issues.actions import ACTIONS
from yetan.plugins.declarations import Page, Rule
from yetan.rules.service import in_words, value_of
from yetan.rules.sources import known_rules, rules_in
from yetan.runtime import current
from yetan.units.service import root
from yetan.web.request import Request


async def rules(request: Request) -> Response:
    """Every rule that a step or a setting follows, each under its ID: `/desk/rules#002-B16`."""
    registry = current().registry
    steps: dict[str, dict[str, None]] = defaultdict(dict)
    followed = [(each.rule, each.label) for each in registry.transitions.values()]
    followed += [(each.rule, each.label) for each in ACTIONS]
    followed += [(each.rule, each.label) for each in registry.bulk_actions.values()]
    for told, label in followed:
        for rule in rules_in(told):
            steps[rule.id][_(label)] = None
    settings: dict[str, list[Rule]] = defaultdict(list)
    for setting in registry.rules.values():
        for rule in rules_in(setting.source):
            settings[rule.id].append(setting)
    city = await root()
    return request.render(
        "desk/rules.html",
        city_unit=city,
        rules=[
            (
                rule,
                list(steps[rule.id]),
                [(_(each.label), in_words(each, await value_of(each.name, city.id))) for each in settings[rule.id]],
            )
            for rule in known_rules()
            if rule.id in steps or rule.id in settings
        ],
    )


PAGES: tuple[Page, ...] = (Page("/desk/rules", rules, "desk.rules", permission="issue.view"),)
