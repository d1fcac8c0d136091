from tortoise import migrations
from tortoise.migrations import operations as ops
from tortoise.fields.base import OnDelete
from tortoise import fields

class Migration(migrations.Migration):
    dependencies = [('yetan', '0001_initial')]

    initial = True

    operations = [
        ops.CreateModel(
            name='HaircutDay',
            fields=[
                ('id', fields.IntField(generated=True, primary_key=True, unique=True, db_index=True)),
                ('unit', fields.ForeignKeyField('yetan.Unit', source_field='unit_id', db_index=True, db_constraint=True, to_field='id', related_name=False, on_delete=OnDelete.RESTRICT)),
                ('created_at', fields.DatetimeField(auto_now=False, auto_now_add=False)),
                ('updated_at', fields.DatetimeField(auto_now=False, auto_now_add=False)),
                ('updated_by', fields.ForeignKeyField('yetan.Account', source_field='updated_by_id', null=True, db_index=True, db_constraint=True, to_field='id', related_name=False, on_delete=OnDelete.SET_NULL)),
                ('version', fields.IntField(default=1)),
                ('title', fields.CharField(max_length=200)),
                ('date', fields.DateField(db_index=True)),
                ('place', fields.CharField(max_length=200)),
                ('places', fields.IntField()),
                ('contact', fields.CharField(max_length=20)),
                ('taken', fields.IntField(default=0, db_default=0)),
            ],
            options={'table': 'yetan_haircuts_day', 'app': 'yetan_haircuts', 'pk_attr': 'id'},
            bases=['UnitRecord'],
        ),
        ops.CreateModel(
            name='Booking',
            fields=[
                ('id', fields.IntField(generated=True, primary_key=True, unique=True, db_index=True)),
                ('day', fields.ForeignKeyField('yetan_haircuts.HaircutDay', source_field='day_id', db_constraint=True, to_field='id', related_name=False, on_delete=OnDelete.RESTRICT)),
                ('number', fields.IntField()),
                ('name', fields.CharField(max_length=60)),
                ('age', fields.IntField()),
                ('phone', fields.CharField(max_length=20)),
                ('person', fields.ForeignKeyField('yetan.Person', source_field='person_id', null=True, db_index=True, db_constraint=True, to_field='id', related_name=False, on_delete=OnDelete.SET_NULL)),
                ('served', fields.BooleanField(null=True)),
            ],
            options={'table': 'yetan_haircuts_booking', 'app': 'yetan_haircuts', 'unique_together': (('day', 'phone'), ('day', 'number')), 'pk_attr': 'id'},
            bases=['Record'],
        ),
    ]

