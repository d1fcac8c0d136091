from tortoise import migrations
from tortoise.migrations import operations as ops
from tortoise.fields.base import OnDelete
from tortoise import fields

class Migration(migrations.Migration):
    dependencies = [('yetan', '0001_initial')]

    initial = True

    operations = [
        ops.CreateModel(
            name='Clinic',
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
                ('doctors', fields.TextField(unique=False)),
                ('seen', fields.IntField(null=True)),
                ('contact', fields.CharField(max_length=20)),
            ],
            options={'table': 'yetan_clinics_clinic', 'app': 'yetan_clinics', 'pk_attr': 'id'},
            bases=['UnitRecord'],
        ),
    ]

