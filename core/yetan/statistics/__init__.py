"""Statistics: named figures with unit, period and definition, kept as counters."""
