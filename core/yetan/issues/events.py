"""The events of an issue's life and how a timeline words them."""

from yetan.plugins.declarations import EventType

REPORTED = "issue.reported"
#: A unit of the issue was renamed, or hangs elsewhere in the tree.
UNIT_CHANGED = "issue.unit_changed"

EVENT_TYPES = (
    EventType(REPORTED, "提出"),
    EventType("issue.settle", "当场解决"),
    EventType("issue.list", "立项"),
    EventType("issue.start", "开始办理"),
    EventType("issue.resolve", "办结"),
    EventType("issue.transfer", "转办"),
    EventType("issue.report_up", "上报"),
    EventType("issue.extend", "延期"),
    EventType("issue.return", "居民没有同意，退回再办", "returned"),
    EventType("issue.decline", "不予受理", "returned"),
    EventType("issue.merge", "并案"),
    EventType("issue.strike_off", "销号", "lit"),
    EventType("issue.reopen", "重新办理", "returned"),
    EventType("issue.reconsider", "重新受理"),
    EventType("issue.progress", "进展"),
    EventType("issue.assigned", "换了责任人"),
    EventType("issue.corrected", "更正登记内容"),
    EventType("issue.raiser_added", "又有居民反映"),
    EventType("issue.feedback", "反馈"),
    EventType("issue.accepted", "居民验收同意"),
    EventType("issue.refused", "居民验收没有同意", "returned"),
    EventType("issue.rated", "居民填了测评"),
    EventType("issue.due_soon", "快到期限"),
    EventType("issue.overdue", "过了期限还没有办结", "returned"),
    EventType("issue.photo_added", "补充照片"),
    EventType("issue.linked", "关联另一件事"),
    EventType(UNIT_CHANGED, "所在的单位改了名称或者上级"),
)

#: What an imported row's own reply becomes.
ANSWERED = "issue.resolve"
