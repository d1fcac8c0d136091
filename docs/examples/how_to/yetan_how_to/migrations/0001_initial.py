from tortoise import migrations
from tortoise.migrations import operations as ops
from tortoise.fields.base import OnDelete
from tortoise import fields

class Migration(migrations.Migration):
    dependencies = [('yetan', '0001_initial')]

    initial = True

    operations = [
        ops.CreateModel(
            name='SiteReport',
            fields=[
                ('id', fields.IntField(generated=True, primary_key=True, unique=True, db_index=True)),
                ('issue', fields.ForeignKeyField('yetan.Issue', source_field='issue_id', db_index=True, db_constraint=True, to_field='id', related_name=False, on_delete=OnDelete.RESTRICT)),
                ('at', fields.DatetimeField(auto_now=False, auto_now_add=False)),
                ('text', fields.TextField(unique=False)),
            ],
            options={'table': 'yetan_how_to_site_report', 'app': 'yetan_how_to', 'pk_attr': 'id'},
            bases=['Record'],
        ),
    ]

