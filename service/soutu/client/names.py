"""Resource names from what people write: a full name, or an id within a collection. What is no str is a
TypeError."""

from soutu.client.given import checked


def collection_name(collection: str) -> str:
    """collections/{collection}, also of a generation's full name, from an id or a full name."""
    checked(collection, str, "collection", "a str")
    return collection if collection.startswith("collections/") else f"collections/{collection}"


def image_name(image: str, collection: str = "") -> str:
    """collections/{collection}/images/{image} from a full name, or from an id and its collection.

    Raises ValueError for an id without a collection, and for what can be neither.
    """
    checked(image, str, "an image", "a str, its id or name")
    if image.startswith("collections/"):
        return image
    if "/" in image or not image:
        raise ValueError(f"{image!r} is no image id or name; give a file as a pathlib.Path")
    if not collection:
        raise ValueError(f"which collection is {image!r} in? Give `collection`, or the image's full name")
    return f"{collection_of(collection_name(collection))}/images/{image}"


def generation_name(generation: str, collection: str = "") -> str:
    """collections/{collection}/generations/{generation} from a full name, or from an id and its collection.

    Raises ValueError for an id without a collection.
    """
    checked(generation, str, "a generation", "a str, its id or name")
    if generation.startswith("collections/"):
        return generation
    if not collection:
        raise ValueError(f"which collection is {generation!r} in? Give `collection`, or its full name")
    return f"{collection_of(collection_name(collection))}/generations/{generation}"


def operation_name(operation: str) -> str:
    """operations/{operation} from an id or a full name."""
    checked(operation, str, "an operation", "a str, its id or name")
    return operation if operation.startswith("operations/") else f"operations/{operation}"


def model_name(model: str) -> str:
    """models/{name}@{version} or models/{name}, from the same with or without `models/`."""
    checked(model, str, "model", "a str, as name@version")
    return model if model.startswith("models/") else f"models/{model}"


def collection_of(name: str) -> str:
    """collections/{collection} of the full name of one of its images or generations."""
    return "/".join(name.split("/")[:2])


def id_of(name: str) -> str:
    """The last part of a full name: what people call it."""
    return name.rsplit("/", 1)[-1]
