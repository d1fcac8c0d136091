"""What the plugin declares."""

from yetan.api import Field, RecordKind, Sum, hookimpl
from yetan_clinics.models import Clinic


@hookimpl
def yetan_record_kinds() -> list[RecordKind]:
    """Free clinics: desk pages, a public page, photos, search, figures and an Excel export, from the fields alone."""
    form = (
        Field("title", "主题"),
        Field("date", "日期", "date"),
        Field("place", "地点"),
        Field("doctors", "坐诊医生", "long_text", hint="一行一位，写科室。"),
        Field("seen", "看了多少人", "number", required=False, minimum=0),
        Field("contact", "联系电话", "phone"),
    )
    return [RecordKind("clinic", "周末义诊", Clinic, form, "场", sums=(Sum("seen", "义诊看病", "人次"),), photos=True)]
