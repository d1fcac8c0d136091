"""The database: the base of all models, connections, transactions and migrations."""
