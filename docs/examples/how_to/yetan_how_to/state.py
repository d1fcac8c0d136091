"""A state of one's own: somebody goes and looks, with the residents, before anything is decided."""

from yetan.api import EventType, Field, State, Transition

ON_SITE = State("on_site", "现场踏勘", "open", fallback="handling")

GO_TO_SITE = Transition(
    "go_to_site",
    "到现场看",
    sources=("listed", "handling"),
    target="on_site",
    permission="issue.handle",
    form=(Field("arrangement", "什么时候、和谁一起去", "long_text", max_length=500, remark="public"),),
)
BACK_FROM_SITE = Transition(
    "back_from_site",
    "看完了，接着办",
    sources=("on_site",),
    target="handling",
    permission="issue.handle",
    form=(Field("finding", "看到了什么", "long_text", max_length=2000, remark="public"),),
    kind="main",
)
EVENT_TYPES = (EventType("issue.go_to_site", "到现场踏勘"), EventType("issue.back_from_site", "踏勘回来"))
