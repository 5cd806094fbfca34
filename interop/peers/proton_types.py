"""AMQP values as tagged JSON, for the Proton peer: ``["uint", "7"]`` and back.

``types.json`` beside this file lists values and messages in this form; each peer of the tests turns them into its own
library's values, and turns what it received into the form again, so that one comparison shows whether anything changed.
Integers are decimal text, floats and decimals the hexadecimal of their bits, binary is hexadecimal.
"""

import struct
import uuid

import proton
from proton import Array, Data, Described

INTEGERS = {
    "ubyte": proton.ubyte,
    "ushort": proton.ushort,
    "uint": proton.uint,
    "ulong": proton.ulong,
    "byte": proton.byte,
    "short": proton.short,
    "int": proton.int32,
    "long": int,
    "timestamp": proton.timestamp,
}
NAMES = {cls: name for name, cls in INTEGERS.items()}
CODES = {
    "null": Data.NULL,
    "bool": Data.BOOL,
    "ubyte": Data.UBYTE,
    "byte": Data.BYTE,
    "ushort": Data.USHORT,
    "short": Data.SHORT,
    "uint": Data.UINT,
    "int": Data.INT,
    "char": Data.CHAR,
    "ulong": Data.ULONG,
    "long": Data.LONG,
    "timestamp": Data.TIMESTAMP,
    "float": Data.FLOAT,
    "double": Data.DOUBLE,
    "decimal32": Data.DECIMAL32,
    "decimal64": Data.DECIMAL64,
    "decimal128": Data.DECIMAL128,
    "uuid": Data.UUID,
    "binary": Data.BINARY,
    "string": Data.STRING,
    "symbol": Data.SYMBOL,
    "described": Data.DESCRIBED,
    "array": Data.ARRAY,
    "list": Data.LIST,
    "map": Data.MAP,
}
CODE_NAMES = {code: name for name, code in CODES.items()}
PROPERTIES = {
    "message_id": "id",
    "user_id": "user_id",
    "to": "address",
    "subject": "subject",
    "reply_to": "reply_to",
    "correlation_id": "correlation_id",
    "content_type": "content_type",
    "content_encoding": "content_encoding",
    "group_id": "group_id",
    "reply_to_group_id": "reply_to_group_id",
}
TIMES = {"absolute_expiry_time": "expiry_time", "creation_time": "creation_time"}
HEADER = {"durable": False, "priority": 4, "first_acquirer": False, "delivery_count": 0}
SECTIONS = {
    "delivery_annotations": "instructions",
    "message_annotations": "annotations",
    "application_properties": "properties",
}


def value_from(form):
    """The Proton value that a tagged form describes."""
    kind = form[0]
    if kind == "null":
        return None
    if kind in INTEGERS:
        return INTEGERS[kind](int(form[1]))
    if kind == "float":
        return proton.float32(struct.unpack(">f", bytes.fromhex(form[1]))[0])
    if kind == "double":
        return struct.unpack(">d", bytes.fromhex(form[1]))[0]
    if kind == "array":
        descriptor = proton.UNDESCRIBED if form[1] is None else value_from(form[1])
        return Array(descriptor, CODES[form[2]], *[value_from(item) for item in form[3]])
    if kind == "described":
        return Described(value_from(form[1]), value_from(form[2]))
    return {
        "bool": lambda x: x,
        "decimal32": lambda x: proton.decimal32(int(x, 16)),
        "decimal64": lambda x: proton.decimal64(int(x, 16)),
        "decimal128": lambda x: proton.decimal128(bytes.fromhex(x)),
        "char": lambda x: proton.char(chr(int(x, 16))),
        "uuid": lambda x: uuid.UUID(x),
        "binary": bytes.fromhex,
        "string": str,
        "symbol": proton.symbol,
        "list": lambda x: [value_from(item) for item in x],
        "map": lambda x: {value_from(k): value_from(v) for k, v in x},
    }[kind](form[1])


def form_of(value):
    """The tagged form of a value that Proton decoded."""
    kind = type(value)
    if value is None:
        return ["null"]
    if kind is bool:
        return ["bool", value]
    if kind in NAMES:
        return [NAMES[kind], str(int(value))]
    if kind is Array:
        described = value.descriptor != proton.UNDESCRIBED
        descriptor = form_of(value.descriptor) if described else None
        return ["array", descriptor, CODE_NAMES[value.type], [form_of(item) for item in value.elements]]
    if isinstance(value, Described):
        return ["described", form_of(value.descriptor), form_of(value.value)]
    if isinstance(value, dict):
        return ["map", [[form_of(k), form_of(v)] for k, v in value.items()]]
    if isinstance(value, (list, tuple)):
        return ["list", [form_of(item) for item in value]]
    for cls, name, text in (
        (proton.float32, "float", lambda x: struct.pack(">f", x).hex()),
        (float, "double", lambda x: struct.pack(">d", x).hex()),
        (proton.decimal32, "decimal32", lambda x: format(int(x), "08x")),
        (proton.decimal64, "decimal64", lambda x: format(int(x), "016x")),
        (proton.decimal128, "decimal128", lambda x: bytes(x).hex()),
        (proton.char, "char", lambda x: format(ord(x), "x")),
        (proton.symbol, "symbol", str),
        (str, "string", str),
        (uuid.UUID, "uuid", lambda x: x.hex),
        (bytes, "binary", lambda x: x.hex()),
        (memoryview, "binary", lambda x: bytes(x).hex()),
    ):
        if isinstance(value, cls):
            return [name, text(value)]
    return ["unknown", repr(value)]


def message_from(form):
    """The Proton message that an entry of ``types.json`` describes."""
    message = proton.Message()
    for name, value in form.get("header", {}).items():
        setattr(message, name, value / 1000 if name == "ttl" else value)
    for name, value in form.get("properties", {}).items():
        if name in PROPERTIES:
            setattr(message, PROPERTIES[name], value_from(value))
        elif name in TIMES:
            setattr(message, TIMES[name], int(value[1]) / 1000)
        else:
            setattr(message, name, value_from(value))
    for name, attribute in SECTIONS.items():
        if name in form:
            setattr(message, attribute, value_from(form[name]))
    body = form["body"]
    if "value" in body:
        message.body = value_from(body["value"])
    else:
        message.inferred = True
        (single,) = body.get("data") or body["sequence"]
        message.body = bytes.fromhex(single) if "data" in body else [value_from(item) for item in single]
    return message


def form_of_message(message):
    """The form of a received message; fields that are absent or have their default are left out."""
    form = {}
    header = {name: getattr(message, name) for name, default in HEADER.items() if getattr(message, name) != default}
    if message.ttl:
        header["ttl"] = round(message.ttl * 1000)
    if header:
        form["header"] = header
    properties = {}
    for name, attribute in PROPERTIES.items():
        value = getattr(message, attribute)
        if name in ("content_type", "content_encoding") and value == "None":
            continue  # this is how Proton's getters spell an absent symbol
        if value is not None and not (name == "user_id" and value == b""):
            properties[name] = ["ulong", str(value)] if type(value) is int else form_of(value)
    for name, attribute in TIMES.items():
        if getattr(message, attribute):
            properties[name] = ["timestamp", str(round(getattr(message, attribute) * 1000))]
    if message.group_sequence:
        properties["group_sequence"] = ["uint", str(message.group_sequence)]
    if properties:
        form["properties"] = properties
    for name, attribute in SECTIONS.items():
        if getattr(message, attribute) is not None:
            form[name] = form_of(getattr(message, attribute))
    body = message.body
    if message.inferred and isinstance(body, (bytes, memoryview)):
        form["body"] = {"data": [bytes(body).hex()]}
    elif message.inferred and isinstance(body, (list, tuple)):
        form["body"] = {"sequence": [[form_of(item) for item in body]]}
    else:
        form["body"] = {"value": form_of(body)}
    return form
