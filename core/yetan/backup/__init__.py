"""Backups: one file with the database, the uploads and the configuration, and the way back (F39, F40).

`making` writes it, `restoring` brings it back, `archive` is the file's format, `manifest` what it says of itself,
`sqlite` and `postgresql` take and replace a database.
"""
