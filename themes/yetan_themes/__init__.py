"""Themes of the project, one folder each."""
