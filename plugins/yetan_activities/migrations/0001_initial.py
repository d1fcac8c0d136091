from tortoise import migrations
from tortoise.migrations import operations as ops
from tortoise.fields.base import OnDelete
from tortoise import fields
from tortoise.indexes import Index

class Migration(migrations.Migration):
    dependencies = [('yetan', '0001_initial')]

    initial = True

    operations = [
        ops.CreateModel(
            name='Activity',
            fields=[
                ('id', fields.IntField(generated=True, primary_key=True, unique=True, db_index=True)),
                ('unit', fields.ForeignKeyField('yetan.Unit', source_field='unit_id', db_index=True, db_constraint=True, to_field='id', related_name=False, on_delete=OnDelete.RESTRICT)),
                ('created_at', fields.DatetimeField(auto_now=False, auto_now_add=False)),
                ('updated_at', fields.DatetimeField(auto_now=False, auto_now_add=False)),
                ('updated_by', fields.ForeignKeyField('yetan.Account', source_field='updated_by_id', null=True, db_index=True, db_constraint=True, to_field='id', related_name=False, on_delete=OnDelete.SET_NULL)),
                ('version', fields.IntField(default=1)),
                ('kind', fields.CharField(max_length=30)),
                ('title', fields.CharField(max_length=120)),
                ('date', fields.DateField()),
                ('starts_at', fields.CharField(default='', max_length=5)),
                ('ends_at', fields.CharField(default='', max_length=5)),
                ('place', fields.CharField(max_length=100)),
                ('venue', fields.CharField(default='', max_length=30)),
                ('channel', fields.CharField(default='', max_length=60)),
                ('host_name', fields.CharField(default='', max_length=60)),
                ('programme', fields.TextField(default='', unique=False)),
                ('stated_residents', fields.IntField(null=True)),
                ('summary', fields.TextField(default='', unique=False)),
                ('funds_yuan', fields.IntField(null=True)),
                ('funds_note', fields.CharField(default='', max_length=200)),
                ('opened_at', fields.DatetimeField(null=True, auto_now=False, auto_now_add=False)),
                ('closed_at', fields.DatetimeField(null=True, auto_now=False, auto_now_add=False)),
            ],
            options={'table': 'yetan_activities_activity', 'app': 'yetan_activities', 'indexes': [Index(fields=['kind', 'unit_id', 'date'], name='yetan_activities_cadence')], 'pk_attr': 'id'},
            bases=['UnitRecord'],
        ),
        ops.CreateModel(
            name='Attendance',
            fields=[
                ('id', fields.IntField(generated=True, primary_key=True, unique=True, db_index=True)),
                ('activity', fields.ForeignKeyField('yetan_activities.Activity', source_field='activity_id', db_index=True, db_constraint=True, to_field='id', related_name='attendances', on_delete=OnDelete.CASCADE)),
                ('person', fields.ForeignKeyField('yetan.Person', source_field='person_id', db_index=True, db_constraint=True, to_field='id', related_name=False, on_delete=OnDelete.RESTRICT)),
                ('name', fields.CharField(max_length=60)),
                ('house', fields.CharField(default='', max_length=60)),
                ('role', fields.CharField(max_length=20)),
                ('way', fields.CharField(max_length=10)),
                ('account', fields.ForeignKeyField('yetan.Account', source_field='account_id', null=True, db_index=True, db_constraint=True, to_field='id', related_name=False, on_delete=OnDelete.SET_NULL)),
                ('link', fields.ForeignKeyField('yetan.Link', source_field='link_id', null=True, db_index=True, db_constraint=True, to_field='id', related_name=False, on_delete=OnDelete.SET_NULL)),
                ('unit', fields.ForeignKeyField('yetan.Unit', source_field='unit_id', null=True, db_index=True, db_constraint=True, to_field='id', related_name=False, on_delete=OnDelete.SET_NULL)),
                ('expected', fields.BooleanField(default=False)),
                ('present_at', fields.DatetimeField(null=True, auto_now=False, auto_now_add=False)),
                ('arrival_key', fields.CharField(default='', max_length=80)),
                ('created_at', fields.DatetimeField(auto_now=False, auto_now_add=False)),
            ],
            options={'table': 'yetan_activities_attendance', 'app': 'yetan_activities', 'unique_together': (('activity', 'person'), ('activity', 'name', 'house')), 'pk_attr': 'id'},
            bases=['Record'],
        ),
        ops.CreateModel(
            name='Reflection',
            fields=[
                ('id', fields.IntField(generated=True, primary_key=True, unique=True, db_index=True)),
                ('activity', fields.ForeignKeyField('yetan_activities.Activity', source_field='activity_id', db_index=True, db_constraint=True, to_field='id', related_name='reflections', on_delete=OnDelete.CASCADE)),
                ('kind', fields.CharField(max_length=10)),
                ('name', fields.CharField(default='', max_length=60)),
                ('text', fields.TextField(unique=False)),
                ('state', fields.CharField(default='waiting', max_length=10)),
                ('person', fields.ForeignKeyField('yetan.Person', source_field='person_id', null=True, db_index=True, db_constraint=True, to_field='id', related_name=False, on_delete=OnDelete.SET_NULL)),
                ('created_at', fields.DatetimeField(auto_now=False, auto_now_add=False)),
                ('decided_at', fields.DatetimeField(null=True, auto_now=False, auto_now_add=False)),
                ('decided_by', fields.ForeignKeyField('yetan.Account', source_field='decided_by_id', null=True, db_index=True, db_constraint=True, to_field='id', related_name=False, on_delete=OnDelete.SET_NULL)),
            ],
            options={'table': 'yetan_activities_reflection', 'app': 'yetan_activities', 'pk_attr': 'id'},
            bases=['Record'],
        ),
    ]

