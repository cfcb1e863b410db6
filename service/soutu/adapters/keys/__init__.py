"""Where keys come from: settings, and a file that is watched."""

from soutu.adapters.keys.watched import WatchedKeys

__all__ = ["WatchedKeys"]
