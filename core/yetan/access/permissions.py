"""The core's permissions and the roles that hold them unless the city says otherwise."""

from __future__ import annotations

from yetan.plugins.declarations import Permission

_VILLAGE = frozenset({"village_official"})
_CLERK = frozenset({"township_clerk"})
_HANDLERS = frozenset({"village_official", "township_clerk", "department_official"})
_STAFF = _HANDLERS | {"leader", "publisher", "supervisor", "auditor"}
_ADMINISTRATOR = frozenset({"administrator"})

PERMISSIONS = (
    Permission("issue.view", "查看事项", _STAFF),
    Permission("issue.contacts", "查看反映人的姓名和电话", _HANDLERS | {"supervisor"}),
    Permission("issue.register", "替居民登记", _HANDLERS),
    Permission("issue.list", "立项", _HANDLERS),
    Permission("issue.handle", "办理", _HANDLERS),
    Permission("issue.assign", "换责任人", _HANDLERS | {"leader"}),
    Permission("issue.transfer", "转办", _HANDLERS | {"leader"}),
    Permission("issue.report_up", "上报", _HANDLERS),
    Permission("issue.extend", "延期", _HANDLERS | {"leader"}),
    Permission("issue.decline", "不予受理", _HANDLERS | {"leader"}),
    Permission("issue.merge", "并案", _VILLAGE | _CLERK),
    Permission("issue.return", "代居民退回", _VILLAGE | _CLERK | {"supervisor"}),
    Permission("issue.feed_back", "反馈", _VILLAGE | _CLERK),
    Permission("issue.record_acceptance", "记录居民验收", _VILLAGE | _CLERK),
    Permission("issue.strike_off", "销号", _CLERK | {"leader"}),
    Permission("issue.reopen", "重新办理", _CLERK | {"leader", "supervisor"}),
    Permission("issue.print", "打印台账", _HANDLERS | {"supervisor"}),
    Permission("issue.export", "导出清单", _CLERK | {"leader", "supervisor"}),
    Permission("publication.prepare", "准备公开稿", _VILLAGE | _CLERK | {"publisher"}),
    Permission("publication.approve", "批准公开", _VILLAGE | _CLERK | {"publisher"}),
    Permission("publication.withdraw", "撤下公开", _VILLAGE | _CLERK | {"publisher"}),
    # Households are seen by those who answer for that very unit; being above it, or an administrator, is not enough.
    Permission("household.manage", "管理住户", _VILLAGE, descends=False),
    Permission("unit.manage", "管理单位", _ADMINISTRATOR),
    Permission("category.manage", "管理类别", _ADMINISTRATOR, whole_city=True),
    Permission("account.manage", "管理账号和岗位", _ADMINISTRATOR),
    Permission("rule.manage", "管理规则", _ADMINISTRATOR),
    Permission("synonym.manage", "管理同义词", _ADMINISTRATOR, whole_city=True),
    Permission("import.run", "导入台账", _ADMINISTRATOR | _CLERK),
    Permission("event.replay", "重发通知", _ADMINISTRATOR, whole_city=True),
    Permission("system.view", "查看系统状况", _ADMINISTRATOR, whole_city=True),
    Permission("plugin.release", "恢复停用的插件", _ADMINISTRATOR, whole_city=True),
    Permission("person.privacy", "导出和删除个人信息", _ADMINISTRATOR),
    Permission("audit.view", "查看审计记录", frozenset({"auditor"}), whole_city=True),
)
