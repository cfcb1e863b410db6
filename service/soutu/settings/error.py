"""The error of a configuration that cannot be used."""


class SettingsError(ValueError):
    """One sentence that names the key, where it was set, and what would be right."""
