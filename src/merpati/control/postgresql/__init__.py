"""Django's backend for PostgreSQL, with the two habits of SQLite that our actions rely on."""
