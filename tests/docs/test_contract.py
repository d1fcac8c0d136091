"""The smallest plugin keeps the contract that every plugin is held to."""

from __future__ import annotations

from yetan.testing.contract import PluginContract


class TestWeekendClinics(PluginContract):
    plugin = "clinics"
