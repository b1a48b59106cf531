"""The control database: a SQLite file of the data folder, or a PostgreSQL server's database.

All that differs between the two stands in this room, but for the SQL of the suppression list
(`sending/suppression_sql.py`).
"""
