"""XMP packets, written by the tests."""

_SPACES = {
    "rdf": "http://www.w3.org/1999/02/22-rdf-syntax-ns#",
    "xmp": "http://ns.adobe.com/xap/1.0/",
    "dc": "http://purl.org/dc/elements/1.1/",
}


def packet(attributes: str = "", elements: str = "") -> bytes:
    """A packet with one description of these attributes and elements."""
    spaces = " ".join(f'xmlns:{name}="{space}"' for name, space in _SPACES.items())
    described = f'<rdf:Description rdf:about="" {attributes}>{elements}</rdf:Description>'
    return f'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF {spaces}>{described}</rdf:RDF></x:xmpmeta>'.encode()


def bag(*keywords: str) -> str:
    """The element that holds keywords."""
    items = "".join(f"<rdf:li>{keyword}</rdf:li>" for keyword in keywords)
    return f"<dc:subject><rdf:Bag>{items}</rdf:Bag></dc:subject>"


def sidecar(rating: int, *keywords: str) -> bytes:
    """A packet of a rating and keywords."""
    return packet(f'xmp:Rating="{rating}"', bag(*keywords))
