"""The city that is measured: hundreds of units in a real tree, and categories of three levels."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from pathlib import Path

from yetan.act import SYSTEM, Act
from yetan.issues.classification import load_categories
from yetan.issues.models import Category
from yetan.testing import Town
from yetan.units.models import Unit
from yetan.units.service import ancestors_of, load_units
from yetan.units.table import UnitRow

#: What every measured town runs beside its search engine.
PLUGINS = ("supervision",)

COUNTIES = ("清溪", "永宁", "松源", "云岭")
TOWNSHIPS = ("石桥", "枫林", "双溪", "白沙", "龙潭", "上坪", "梅列", "沙洲")
VILLAGES = ("溪尾", "上洋", "后坑", "岭头", "荷塘", "樟林", "东坂", "西洋", "半岭", "水口")
#: Of the villages of a township, so many are communities of its town.
COMMUNITIES = 3
DEPARTMENTS = ("住房和城乡建设局", "交通运输局", "教育局", "卫生健康局", "水利局")

#: Top, second and third level, and what is raised of it: things, and what is the matter with them.
MATTERS: dict[tuple[str, str, str], tuple[str, str]] = {
    ("城乡建设", "市政设施", "路灯"): ("路灯 灯杆 庭院灯", "坏了半个月 晚上不亮 一闪一闪 被车撞歪了"),
    ("城乡建设", "市政设施", "井盖"): ("井盖 雨水篦子 窨井", "松动了 不见了 翘起来一角 车一过就响"),
    ("城乡建设", "市政设施", "道路"): ("水泥路 人行道 沥青路面", "坑坑洼洼 塌了一块 积水没过脚面 一直没修好"),
    ("城乡建设", "住房", "物业"): ("物业 小区保安 公共维修金", "收了钱不管事 多年不公开账目 电话没人接"),
    ("城乡建设", "住房", "电梯"): ("电梯 加装电梯 电梯门", "老是停在半层 三天坏两次 一楼住户不同意"),
    ("城乡建设", "住房", "违章建筑"): ("违建 铁皮棚 楼顶搭盖", "占了消防通道 越搭越高 挡了采光"),
    ("环境保护", "环境卫生", "垃圾"): ("垃圾桶 垃圾池 垃圾中转站", "没有人清理 臭得开不了窗 满出来流到路上"),
    ("环境保护", "环境卫生", "公厕"): ("公厕 旱厕 化粪池", "没有人打扫 堵住了 夜里锁门"),
    ("环境保护", "污染", "噪音"): ("广场舞 夜宵摊 工地", "半夜还很吵 影响孩子写作业 音响开得太大"),
    ("环境保护", "污染", "河水"): ("河水 排污口 鱼塘", "发黑发臭 冒白沫 死了很多鱼"),
    ("交通运输", "公共交通", "公交"): ("公交车 公交站牌 末班车", "等四十分钟不来 不停站 改线没通知"),
    ("交通运输", "公共交通", "校车"): ("校车 校车站点", "太挤了 绕远路 停在坡上不安全"),
    ("交通运输", "道路安全", "红绿灯"): ("红绿灯 斑马线 减速带", "一直是红灯 看不清了 学校门口没有"),
    ("交通运输", "道路安全", "停车"): ("停车位 电动车 大货车", "占了人行道 乱停乱放 把路口堵死了"),
    ("农村农业", "农田水利", "灌溉"): ("水渠 水库 抽水机", "漏水 三年没清淤 下游的田浇不上"),
    ("农村农业", "农田水利", "防洪"): ("河堤 护坡 排洪沟", "被冲垮一段 裂了一道缝 堵住了"),
    ("农村农业", "土地", "承包地"): ("承包地 山林 宅基地", "界址说不清 被人占了 证一直办不下来"),
    ("农村农业", "土地", "征地"): ("征地款 青苗补偿 安置房", "两年没发到手 标准不一样 面积量少了"),
    ("教育文体", "学校", "入学"): ("学区 小学报名 幼儿园", "划得不合理 名额不够 要的材料太多"),
    ("教育文体", "学校", "收费"): ("课后服务费 校服 补课", "收得不明不白 强制要买 没有发票"),
    ("教育文体", "文体设施", "健身器材"): ("健身器材 篮球场 文化广场", "断了螺丝 长满草 晚上没有灯"),
    ("劳动保障", "工资", "欠薪"): ("工资 工程款 加班费", "拖了半年 一分没给 老板联系不上"),
    ("劳动保障", "社会保险", "养老金"): ("养老金 高龄补贴 失地保险", "认证不了 停发了 少算两年"),
    ("劳动保障", "社会保险", "医保"): ("医保 医保卡 门诊报销", "异地用不了 比例太低 缴了费查不到"),
    ("卫生健康", "医疗服务", "卫生室"): ("卫生室 乡镇医院 救护车", "没有医生 药不全 等了一个小时"),
    ("卫生健康", "医疗服务", "体检"): ("老人体检 疫苗 孕检", "没通知到 走了形式 要跑到县里"),
    ("民政", "救助", "低保"): ("低保 临时救助 残疾补贴", "条件够了没批 停了没说原因 手续太繁"),
    ("民政", "殡葬", "公墓"): ("公墓 殡仪馆 祭扫", "太贵 路不通 管理费年年涨"),
}


@dataclass(frozen=True, slots=True)
class Place:
    """A village or community: where issues are raised."""

    id: int
    name: str
    #: The place and all above it, nearest first.
    line: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Matter:
    """A category of the third level, and what is raised of it."""

    id: int
    path: str
    top: int
    things: tuple[str, ...]
    troubles: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class City:
    """Where issues come from, what they are about, and who answers for them."""

    places: tuple[Place, ...]
    matters: tuple[Matter, ...]
    owner: int
    resident: int

    def some_place(self, chance: random.Random) -> Place:
        """A place; the first have three times as many issues as the last."""
        return self.places[int(len(self.places) * chance.random() ** 1.5)]


def town_at(url: str, folder: Path, search: str = "") -> Town:
    """The measured town on a database."""
    return Town(url, folder, plugins=(*((search,) if search else ()), *PLUGINS), search=search)


async def build(town: Town, counties: int = len(COUNTIES)) -> City:
    """Give the founded town, which is at work, its tree of units and its categories."""
    await load_units(Act(SYSTEM, town.clock()), list(_units(counties)))
    levels = [path[:level] for path in MATTERS for level in (1, 2, 3)]
    await load_categories(list(dict.fromkeys(levels)))
    return await city_of(town)


async def city_of(town: Town) -> City:
    """The city as it stands in the open database."""
    units = await Unit.filter(kind__in=("village", "community")).order_by("id")
    lines = await ancestors_of([unit.id for unit in units])
    categories = {row.path: row.id for row in await Category.all()}
    return City(
        tuple(Place(unit.id, unit.name, lines[unit.id]) for unit in units),
        tuple(
            Matter(categories["/".join(path)], "/".join(path), categories[path[0]], *_said(*words))
            for path, words in MATTERS.items()
        ),
        town.accounts["deputy"].id,
        town.resident.id,
    )


def _said(things: str, troubles: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    return tuple(things.split()), tuple(troubles.split())


def _units(counties: int) -> Iterator[UnitRow]:
    for row, (code, name, kind, above) in enumerate(_tree(counties), start=2):
        yield UnitRow(row=row, code=code, name=name, kind=kind, parent_code=above)


def _tree(counties: int) -> Iterator[tuple[str, str, str, str]]:
    for number, county in enumerate(COUNTIES[:counties]):
        yield f"c{number}", f"{county}县", "county", "city"
        for place, department in enumerate(DEPARTMENTS):
            yield f"c{number}d{place}", f"{county}县{department}", "department", f"c{number}"
        for place, township in enumerate(TOWNSHIPS):
            yield f"c{number}t{place}", f"{county}{township}镇", "township", f"c{number}"
        for (place, township), (last, village) in product(enumerate(TOWNSHIPS), enumerate(VILLAGES)):
            kind, word = ("community", "社区") if last < COMMUNITIES else ("village", "村")
            yield f"c{number}t{place}v{last}", f"{county}{township}{village}{word}", kind, f"c{number}t{place}"
