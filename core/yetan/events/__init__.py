"""Events: what happened, who is told, what falls due and what runs by the clock."""
