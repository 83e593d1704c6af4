"""The database: tables, transactions, migrations, the audit chain and the change feed."""
