"""Backups as directories: written while the deployment serves, and taken back into an empty one."""

from soutu.adapters.backups.folder import BackupFolder, BackupFolders
from soutu.adapters.backups.restore import CatalogFiles, restore

__all__ = ["BackupFolder", "BackupFolders", "CatalogFiles", "restore"]
