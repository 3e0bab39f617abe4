"""GGUF files that tests write by hand: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md."""

import struct

ALIGNMENT = 32
SINGLE = {bool: (7, "<?"), int: (4, "<I"), float: (6, "<f")}


def text(value):
    data = value.encode()
    return struct.pack("<Q", len(data)) + data


def value_of(value):
    """A value with its type before it: numbers and flags, texts, and lists of these."""
    if isinstance(value, str):
        return struct.pack("<I", 8) + text(value)
    if isinstance(value, list):
        kinds = [value_of(each) for each in value] or [struct.pack("<I", 4)]
        return (
            struct.pack("<I", 9)
            + kinds[0][:4]
            + struct.pack("<Q", len(value))
            + b"".join(each[4:] for each in kinds if value)
        )
    kind, letters = SINGLE[type(value)]
    return struct.pack("<I", kind) + struct.pack(letters, value)


def written(facts, tensors=(), *, version=3, magic=b"GGUF"):
    """The bytes of a file; each tensor is a name, the number of its type, a shape and its data."""
    head = magic + struct.pack("<IQQ", version, len(tensors), len(facts))
    head += b"".join(text(name) + value_of(value) for name, value in facts.items())
    body = b""
    for name, kind, shape, data in tensors:
        head += text(name) + struct.pack("<I", len(shape))
        head += b"".join(struct.pack("<Q", size) for size in reversed(shape))
        head += struct.pack("<IQ", kind, len(body))
        body += data + bytes(-len(data) % ALIGNMENT)
    return head + bytes(-len(head) % ALIGNMENT) + body
