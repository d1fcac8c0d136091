"""Cannot be imported."""

raise RuntimeError("the bell has no clapper")
