"""The Python client of Soutu.

from pathlib import Path
from soutu.client import Client

with Client() as client:
    answer = client.search("photos", Path("cat.jpg"))
"""

from soutu.client.channel import Tls
from soutu.client.client import DEFAULT_ADDRESS, Client
from soutu.client.errors import SoutuCallError, error_of_status
from soutu.client.labels import label_set
from soutu.client.operations import OperationHandle, metadata_of, result_of
from soutu.client.queries import Part, Query, Text, Uri, search_request, vector_values
from soutu.client.uploads import Upload
from soutu.v1.search_pb2 import Boost

__all__ = [
    "DEFAULT_ADDRESS",
    "Boost",
    "Client",
    "OperationHandle",
    "Part",
    "Query",
    "SoutuCallError",
    "Text",
    "Tls",
    "Upload",
    "Uri",
    "error_of_status",
    "label_set",
    "metadata_of",
    "result_of",
    "search_request",
    "vector_values",
]
