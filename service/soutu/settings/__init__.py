"""The one configuration of a process: read once, frozen, handed down by bootstrap."""

from soutu.settings.describe import Row, described
from soutu.settings.error import SettingsError
from soutu.settings.index import IndexSettings
from soutu.settings.keys import Key, known_keys
from soutu.settings.network import AccessSettings, ClientSettings, ServerSettings
from soutu.settings.read import SettingsSources, load_settings, read_settings
from soutu.settings.schema import (
    AdmissionSettings,
    CacheSettings,
    CatalogSettings,
    DecodeSettings,
    InferenceSettings,
    LogSettings,
    ObjectsSettings,
    SearchSettings,
    Settings,
)

__all__ = [
    "AccessSettings",
    "AdmissionSettings",
    "CacheSettings",
    "CatalogSettings",
    "ClientSettings",
    "DecodeSettings",
    "IndexSettings",
    "InferenceSettings",
    "Key",
    "LogSettings",
    "ObjectsSettings",
    "Row",
    "SearchSettings",
    "ServerSettings",
    "Settings",
    "SettingsError",
    "SettingsSources",
    "described",
    "known_keys",
    "load_settings",
    "read_settings",
]
