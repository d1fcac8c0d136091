from tortoise import migrations
from tortoise.migrations import operations as ops
from tortoise.fields.base import OnDelete
from tortoise import fields

class Migration(migrations.Migration):
    dependencies = [('yetan', '0001_initial')]

    initial = True

    operations = [
        ops.CreateModel(
            name='DunningNotice',
            fields=[
                ('id', fields.IntField(generated=True, primary_key=True, unique=True, db_index=True)),
                ('issue', fields.ForeignKeyField('yetan.Issue', source_field='issue_id', db_constraint=True, to_field='id', related_name='dunning_notices', on_delete=OnDelete.RESTRICT)),
                ('deadline', fields.DatetimeField(auto_now=False, auto_now_add=False)),
                ('issued_at', fields.DatetimeField(db_index=True, auto_now=False, auto_now_add=False)),
                ('days_left', fields.IntField()),
                ('issued_by', fields.ForeignKeyField('yetan.Account', source_field='issued_by_id', null=True, db_index=True, db_constraint=True, to_field='id', related_name='dunning_notices', on_delete=OnDelete.SET_NULL)),
            ],
            options={'table': 'yetan_supervision_dunning_notice', 'app': 'yetan_supervision', 'unique_together': (('issue', 'deadline'),), 'pk_attr': 'id'},
            bases=['Record'],
        ),
    ]

