"""People: persons and households, accounts, the posts they hold and the units they answer for."""
