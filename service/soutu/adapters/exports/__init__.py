"""Exports as directories of files: Parquet or HDF5, with originals beside them."""

from soutu.adapters.exports.folder import ExportFolders, ReadFolder, WrittenFolder

__all__ = ["ExportFolders", "ReadFolder", "WrittenFolder"]
