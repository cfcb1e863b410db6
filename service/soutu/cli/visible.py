"""Text from strangers, such as file names, made safe to show on a terminal or a sheet."""

import re

# C0, DEL and C1 act on terminals; line separators split rows; bidi controls reorder what is read
# (https://trojansource.codes); lone surrogates cannot be printed at all.
_UNSEEN = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")


def visible(text: str) -> str:
    r"""The text with every character that acts instead of being seen written as an escape, such as \x1b."""
    return _UNSEEN.sub(lambda found: found[0].encode("unicode_escape").decode("ascii"), text)


def visible_json(text: str) -> str:
    """The same JSON, with such characters written as JSON's own escapes."""
    return _UNSEEN.sub(lambda found: f"\\u{ord(found[0]):04x}", text)
