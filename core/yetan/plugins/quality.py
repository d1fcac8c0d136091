"""`yetan plugin check`: how good a plugin is, by rules of three levels, with all that is found at once.

`RULES` is the one table: what each asks for, and what to do; `yetan.plugins.checking` finds out. A plugin has the level
whose rules, and those of the levels below, all hold. Bronze: a city can switch it on and off again without harm.
Silver: its people are well served by it. Gold: others can work on it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Literal

from msgspec import Struct, field

from yetan.plugins import checking
from yetan.plugins.examined import Examined, Unexamined, find

Level = Literal["bronze", "silver", "gold"]
LEVELS: tuple[Level, ...] = ("bronze", "silver", "gold")


class Finding(Struct, frozen=True):
    """Something that does not hold: which rule, where and what; what to do is the rule's."""

    rule: QualityRule
    text: str


class QualityRule(Struct, frozen=True):
    """A rule: what it asks for, what to do where it is not so, and how that is found out."""

    id: str
    level: Level
    asks: str
    remedy: str
    examine: Callable[[Examined], Iterable[str]]


class Report(Struct):
    """What was found of one plugin."""

    name: str
    version: str
    title: str
    findings: list[Finding] = field(default_factory=list)
    #: By rule, why it was not examined.
    unexamined: dict[str, str] = field(default_factory=dict)

    @property
    def level(self) -> Level | None:
        """The highest level all of whose rules hold, with those of the levels below; None where bronze is missed."""
        reached: Level | None = None
        for level in LEVELS:
            if any(self.holds(rule) is not True for rule in RULES if rule.level == level):
                return reached
            reached = level
        return reached

    def holds(self, rule: QualityRule) -> bool | None:
        """Whether a rule holds; None where that was not examined."""
        return None if rule.id in self.unexamined else not any(each.rule is rule for each in self.findings)

    @property
    def ok(self) -> bool:
        """Whether no rule of bronze is broken."""
        return not any(each.rule.level == "bronze" for each in self.findings)


def examine(target: str) -> list[Report]:
    """Reports on the plugin called `target`, or on all those of the project in the folder `target`.

    Raises `Refused` where there is neither.
    """
    return [_report(each) for each in find(target)]


def _report(examined: Examined) -> Report:
    try:
        plugin = examined.plugin
        report = Report(plugin.name, plugin.version, plugin.title)
    except Unexamined:
        report = Report(examined.name, "", "")
    for rule in RULES:
        try:
            report.findings += [Finding(rule, text) for text in rule.examine(examined)]
        except Unexamined as error:
            report.unexamined[rule.id] = str(error)
    return report


RULES: tuple[QualityRule, ...] = (
    QualityRule(
        "starts", "bronze", "装得上，和核心、依赖的插件一起启动得了；每一页有权限，每一列有隐私标签",
        "照启动时说的改。", checking.starts,
    ),
    QualityRule(
        "metadata", "bronze", "插件对象写全了名字、叫法和版本", "改 Plugin(...) 里的那一项。", checking.metadata,
    ),
    QualityRule(
        "requires-api", "bronze", "写明和哪几版 yetan.api 相配",
        "在 Plugin(...) 里写 requires_api，有下限也有上限。", checking.requires_api,
    ),
    QualityRule(
        "light", "bronze", "读插件对象时不带出模型和钩子：列出装了哪些插件也要读它",
        "__init__.py 里只留 Plugin(...)，其余写成带点的模块名。", checking.light,
    ),
    QualityRule(
        "names", "bronze", "表、权限、页面、事件、模板都以插件的名字开头，和别的插件不会撞上",
        "改名；已经发布过的表用迁移改。", checking.names,
    ),
    QualityRule(
        "imports", "bronze", "只用 yetan.api；别的插件只用 depends_on 里的、它的 api 模块",
        "换成 yetan.api 里的；没有的，提一个钩子的建议。", checking.imports,
    ),
    QualityRule(
        "forbidden", "bronze", "没有危险的写法：自己看钟、卡住整个网站、任务放出去不管",
        "见 docs/plugins/dangerous.md，每一种都写着换成什么。", checking.forbidden,
    ),
    QualityRule("pages", "bronze", "给工作人员的地址下没有公开的页面", "换地址，或者写 permission=。", checking.pages),
    QualityRule(
        "privacy", "bronze", "写着一个人的每一行，都能随这个人导出和删除",
        "在 Privacy 里写 person= 和 erase=。", checking.privacy,
    ),
    QualityRule(
        "foreign-keys", "bronze", "对核心的外键用 RESTRICT 或 SET_NULL",
        "写 on_delete=fields.RESTRICT 或 fields.SET_NULL。", checking.foreign_keys,
    ),
    QualityRule(
        "migrations", "bronze", "迁移和模型一致，上得去也撤得回",
        "python -m yetan.db.make_migrations 名字 --app yetan_插件名", checking.migrations,
    ),
    QualityRule(
        "catalogues", "silver", "至少有一种别的语言，而且是全的",
        "运行 yetan plugin messages，再给列出的每一句写上译文。", checking.catalogues,
    ),
    QualityRule(
        "tests", "silver", "测试里跑 PluginContract", "见 yetan.testing.contract：三行就够。", checking.tests,
    ),
    QualityRule("readme", "silver", "README.md 说它是什么、怎么打开", "写给要用它的那座城市。", checking.readme),
    QualityRule(
        "license", "silver", "写明许可证", '在 [project] 里写 license = "Apache-2.0" 这样一行。',
        checking.licensed,
    ),
    QualityRule(
        "indexes", "silver", "外键都有索引", "写 db_index=True，或者放在 unique_together 的第一个。",
        checking.indexes,
    ),
    QualityRule(
        "sensitive", "silver", "看得到个人信息的页面，每一次查看都留记录", "在 Page 里写 sensitive=True。",
        checking.sensitive,
    ),
    QualityRule("languages", "gold", "每一种语言都有", "补上 locale/ 里没有的语言。", checking.languages),
    QualityRule("typed", "gold", "类型写全了", "加 py.typed，给列出的函数写上类型。", checking.typed),
    QualityRule(
        "documented", "gold", "每个公开的函数和类都有一句说明", "写一句 docstring，说它是什么。", checking.documented,
    ),
    QualityRule(
        "own-tests", "gold", "自己的做法有自己的测试", "见 yetan.testing 的 city、client、make_issue。",
        checking.own_tests,
    ),
)  # fmt: skip
