"""Kinds of record a plugin declares by their fields alone; the core makes pages, search, figures and export."""
