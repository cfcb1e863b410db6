"""Pictures by address: fetched from the hosts that are allowed, and from nowhere inside."""

from soutu.adapters.fetch.hosts import AllowedHosts
from soutu.adapters.fetch.web import FetchTerms, WebFetcher

__all__ = ["AllowedHosts", "FetchTerms", "WebFetcher"]
