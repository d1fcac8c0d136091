"""The plugins of this distribution and of the docs keep the contract that every plugin is held to."""

from __future__ import annotations

from yetan.testing.contract import PluginContract


class TestSupervision(PluginContract):
    plugin = "supervision"


class TestActivities(PluginContract):
    plugin = "activities"


class TestMeetings(PluginContract):
    plugin = "meetings"


class TestWhoosh(PluginContract):
    plugin = "whoosh"


class TestLantern(PluginContract):
    plugin = "lantern"
