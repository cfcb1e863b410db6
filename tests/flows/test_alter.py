"""What is said of collections, and numbers about them."""

from soutu.client import Client
from soutu.v1.attribute_pb2 import (
    ATTRIBUTE_TYPE_INTEGER,
    ATTRIBUTE_TYPE_STRINGS,
    Attribute,
    AttributeValue,
)
from tests.flows import pictures
from tests.flows.admin import SCHEMA
from tests.flows.refusals import refused


def test_a_collection_is_changed_and_its_etag_with_it(client: Client, collection: str) -> None:
    before = client.collections.get(collection)
    after = client.collections.update(collection, display_name="Möbel", attributes=SCHEMA, etag=before.etag)
    assert (after.display_name, after.description) == ("Möbel", before.description)
    assert after.attributes["year"].type == ATTRIBUTE_TYPE_INTEGER
    assert after.etag != before.etag
    with refused("ETAG_MISMATCH"):
        client.collections.update(collection, description="late", etag=before.etag)
    with refused("FIELD_INVALID", "collection.attributes.year"):
        client.collections.update(collection, attributes={"year": Attribute(type=ATTRIBUTE_TYPE_STRINGS)})
    client.collections.update(collection, attributes={"place": Attribute(type=ATTRIBUTE_TYPE_STRINGS)})
    assert set(client.collections.get(collection).attributes) == {*SCHEMA, "place"}
    client.images.upload(collection, pictures.jpeg(1), attributes={"year": AttributeValue(integer_value=7)})


def test_numbers_about_a_collection(client: Client, collection: str) -> None:
    assert client.collections.statistics(collection).image_count == 0
    client.images.upload(collection, pictures.jpeg(1), image_id="a")
    client.images.upload(collection, pictures.jpeg(1), image_id="b")
    client.images.upload(collection, pictures.png(2), image_id="c")
    numbers = client.collections.statistics(collection)
    assert (numbers.image_count, numbers.content_count) == (3, 2)
    assert numbers.content_bytes == len(pictures.jpeg(1)) + len(pictures.png(2))
    assert dict(numbers.media_types) == {"image/jpeg": 2, "image/png": 1}
