"""The controller's database: tables, engine, schema version. Portable SQL; SQLite by default."""
