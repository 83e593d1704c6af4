"""The chain of migrations, run by Alembic."""
