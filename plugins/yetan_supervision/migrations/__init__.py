"""Migrations of the supervision plugin."""
