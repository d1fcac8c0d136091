"""What the terms of the rules mean, in words of every day: shown beside them in elder mode."""

from __future__ import annotations

from collections.abc import Mapping

from yetan.i18n import message_ids, translate

#: By the term as pages say it: a state, a step of the loop, a line of the timeline, the name of a fact.
PLAIN_WORDS: Mapping[str, str] = message_ids(
    {
        "待办件": "（等着定谁来办）",
        "立项": "（定了要办）",
        "已立项": "（定了要办）",
        "转办": "（转给管这件事的单位）",
        "转办件": "（转给了管这件事的单位）",
        "上报": "（请上一级来办）",
        "已上报": "（请上一级来办）",
        "办结": "（说是办好了）",
        "待验收": "（说是办好了，请居民看）",
        "反馈": "（把结果告诉居民）",
        "验收": "（请居民看办得好不好）",
        "销号": "（居民点了头）",
        "已销号": "（居民点了头）",
        "延期": "（晚些日子办完）",
        "不予受理": "（这里不办，原因写明了）",
        "重新受理": "（又接下来办）",
        "并案": "（和另一件一起办）",
        "已并案": "（和另一件一起办）",
        "责任人": "（管这件事的人）",
    }
)


def plain_words() -> Mapping[str, str]:
    """The same in the running request's language."""
    return {translate(term): translate(words) for term, words in PLAIN_WORDS.items()}
