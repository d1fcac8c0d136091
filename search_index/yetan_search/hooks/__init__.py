"""What each engine declares, in a module of its own: the plugins of a city alone are imported."""
