"""Free clinics."""

from tortoise import fields

from yetan.api import UnitRecord


class Clinic(UnitRecord):
    """One occasion. Residents read what is tagged public once it is published."""

    privacy = UnitRecord.tags(public="title date place doctors seen", personal="contact")

    title = fields.CharField(max_length=200)
    date = fields.DateField(db_index=True)
    place = fields.CharField(max_length=200)
    doctors = fields.TextField()
    seen = fields.IntField(null=True)
    contact = fields.CharField(max_length=20)

    class Meta:
        app = "yetan_clinics"
        table = "yetan_clinics_clinic"
