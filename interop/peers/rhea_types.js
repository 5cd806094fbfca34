'use strict';
// AMQP values as tagged JSON, for the rhea peer: ["uint", "7"] and back. `types.json` beside this file lists values and
// messages in this form; `proton_types.py` says what the forms are.
const { types } = require('rhea');

const ELEMENT_CODES = {
    null: 0x40, bool: 0x56, ubyte: 0x50, byte: 0x51, ushort: 0x60, short: 0x61, uint: 0x70, int: 0x71, float: 0x72, char: 0x73,
    decimal32: 0x74, ulong: 0x80, long: 0x81, double: 0x82, timestamp: 0x83, decimal64: 0x84, decimal128: 0x94, uuid: 0x98,
    binary: 0xb0, string: 0xb1, symbol: 0xb3, list: 0xd0, map: 0xd1, array: 0xf0,
};
const NAMES = {
    Null: 'null', Boolean: 'bool', True: 'bool', False: 'bool', Ubyte: 'ubyte', Ushort: 'ushort', Uint: 'uint', SmallUint: 'uint',
    Uint0: 'uint', Ulong: 'ulong', SmallUlong: 'ulong', Ulong0: 'ulong', Byte: 'byte', Short: 'short', Int: 'int', SmallInt: 'int',
    Long: 'long', SmallLong: 'long', Float: 'float', Double: 'double', Decimal32: 'decimal32', Decimal64: 'decimal64',
    Decimal128: 'decimal128', CharUTF32: 'char', Timestamp: 'timestamp', Uuid: 'uuid', Vbin8: 'binary', Vbin32: 'binary',
    Str8: 'string', Str32: 'string', Sym8: 'symbol', Sym32: 'symbol', List0: 'list', List8: 'list', List32: 'list', Map8: 'map',
    Map32: 'map', Array8: 'array', Array32: 'array',
};
const PROPERTIES = ['message_id', 'user_id', 'to', 'subject', 'reply_to', 'correlation_id', 'content_type', 'content_encoding',
    'absolute_expiry_time', 'creation_time', 'group_id', 'group_sequence', 'reply_to_group_id'];
const HEADER = [['durable', false], ['priority', 4], ['ttl', null], ['first_acquirer', false], ['delivery_count', 0]];
const MAPS = { 0x71: 'delivery_annotations', 0x72: 'message_annotations', 0x74: 'application_properties', 0x78: 'footer' };

function wide(text, signed) {
    const buffer = Buffer.alloc(8);
    if (signed) buffer.writeBigInt64BE(BigInt(text)); else buffer.writeBigUInt64BE(BigInt(text));
    return buffer;
}

// A rhea value of the type that a tagged form names. Every value is a typed one: rhea's own guesses never come in.
function from_form(form) {
    const [kind, value] = form;
    switch (kind) {
    case 'null': return types.Null();
    case 'bool': return types.wrap_boolean(value);
    case 'ulong': return types.wrap_ulong(wide(value, false));
    case 'long': return types.wrap_long(wide(value, true));
    case 'timestamp': return types.wrap_timestamp(Number(value));
    case 'float': return types.wrap_float(Buffer.from(value, 'hex').readFloatBE());
    case 'double': return types.wrap_double(Buffer.from(value, 'hex').readDoubleBE());
    case 'decimal32': return types.Decimal32(Buffer.from(value, 'hex'));
    case 'decimal64': return types.Decimal64(Buffer.from(value, 'hex'));
    case 'decimal128': return types.Decimal128(Buffer.from(value, 'hex'));
    case 'char': return types.wrap_char(parseInt(value, 16));
    case 'uuid': return types.wrap_uuid(Buffer.from(value, 'hex'));
    case 'binary': return types.wrap_binary(Buffer.from(value, 'hex'));
    case 'string': return types.wrap_string(value);
    case 'symbol': return types.wrap_symbol(value);
    case 'list': return value.length ? types.List32(value.map(from_form)) : types.List0();
    case 'map': return types.Map32(value.flat().map(from_form));
    case 'array': return array(form[1], form[2], form[3]);
    case 'described': return types.described(from_form(value), from_form(form[2]));
    default: return types['wrap_' + kind](Number(value));
    }
}

// Elements of an array are bare values: rhea writes them with the constructor's type.
function array(descriptor, kind, elements) {
    const bare = elements.map((element) => {
        if (kind === 'bool') return element[1] ? 1 : 0;
        return kind === 'list' ? element[1].map(from_form) : from_form(element).value;
    });
    return types.wrap_array(bare, ELEMENT_CODES[kind], descriptor === null ? undefined : from_form(descriptor));
}

function integer(value, signed) {
    if (!Buffer.isBuffer(value)) return String(value === -0 ? 0 : value);
    return String(signed ? value.readBigInt64BE() : value.readBigUInt64BE());
}

function bits(value, width) {
    const buffer = Buffer.alloc(width);
    if (width === 4) buffer.writeFloatBE(value); else buffer.writeDoubleBE(value);
    return buffer.toString('hex');
}

// The tagged form of a typed value that rhea's reader produced.
function to_form(typed) {
    if (typed.descriptor) {
        const bare = Object.create(typed, { descriptor: { value: undefined } });
        return ['described', to_form(typed.descriptor), to_form(bare)];
    }
    const kind = NAMES[typed.type.name];
    const value = typed.value;
    switch (kind) {
    case 'null': return ['null'];
    case 'bool': return ['bool', Boolean(value)];
    case 'long': return [kind, integer(value, true)];
    case 'timestamp': return [kind, String(value.getTime())];
    case 'float': return [kind, bits(value, 4)];
    case 'double': return [kind, bits(value, 8)];
    case 'char': return [kind, value.toString(16)];
    case 'decimal32': case 'decimal64': case 'decimal128': case 'uuid': case 'binary': return [kind, value.toString('hex')];
    case 'string': case 'symbol': return [kind, value];
    case 'list': return [kind, value.map(to_form)];
    case 'map': return [kind, pairs(value)];
    case 'array': {
        const constructor = typed.array_constructor;
        const descriptor = constructor.descriptor ? to_form(constructor.descriptor) : null;
        return [kind, descriptor, NAMES[types.by_code[constructor.typecode].name], value.map(to_form)];
    }
    default: return [kind, integer(value, false)];
    }
}

function pairs(flat) {
    const result = [];
    for (let i = 0; i < flat.length; i += 2) result.push([to_form(flat[i]), to_form(flat[i + 1])]);
    return result;
}

// The bytes of the message that an entry of `types.json` describes, written by rhea's writer.
function encode(form) {
    const writer = new types.Writer();
    // A rhea value has room for one descriptor, which may be its own: the section's is written apart.
    const put = (code, typed) => {
        writer.write_typecode(0x00);
        writer.write(types.wrap_ulong(code));
        writer.write(typed);
    };
    if (form.header) {
        const { durable, priority, ttl, first_acquirer, delivery_count } = form.header;
        const field = (value, wrap) => (value === undefined ? types.Null() : wrap(value));
        put(0x70, types.List32([types.wrap_boolean(Boolean(durable)), field(priority, types.wrap_ubyte), field(ttl, types.wrap_uint),
            field(first_acquirer, types.wrap_boolean), field(delivery_count, types.wrap_uint)]));
    }
    if (form.delivery_annotations) put(0x71, from_form(form.delivery_annotations));
    if (form.message_annotations) put(0x72, from_form(form.message_annotations));
    if (form.properties) {
        put(0x73, types.List32(PROPERTIES.map((name) => (form.properties[name] ? from_form(form.properties[name]) : types.Null()))));
    }
    if (form.application_properties) put(0x74, from_form(form.application_properties));
    for (const data of form.body.data || []) put(0x75, types.wrap_binary(Buffer.from(data, 'hex')));
    for (const list of form.body.sequence || []) put(0x76, from_form(['list', list]));
    if (form.body.value) put(0x77, from_form(form.body.value));
    if (form.footer) put(0x78, from_form(form.footer));
    return writer.toBuffer();
}

// The form of a message's bytes, read by rhea's reader; fields that are absent or have their default are left out.
function decode(bytes) {
    const form = {};
    const reader = new types.Reader(bytes);
    while (reader.remaining()) {
        if (at_value_section(reader)) {
            reader.skip(3);
            form.body = { value: to_form(reader.read()) };
            continue;
        }
        const typed = reader.read();
        const code = Number(typed.descriptor.value);
        typed.descriptor = undefined;
        if (code === 0x70) {
            form.header = {};
            HEADER.forEach(([name, initial], i) => {
                const value = typed.value[i] ? typed.value[i].value : initial;
                if (value !== null && value !== initial) form.header[name] = value;
            });
            if (!Object.keys(form.header).length) delete form.header;
        } else if (code === 0x73) {
            form.properties = {};
            typed.value.forEach((value, i) => {
                if (value.type.name !== 'Null') form.properties[PROPERTIES[i]] = to_form(value);
            });
            if (!Object.keys(form.properties).length) delete form.properties;
        } else if (MAPS[code]) {
            form[MAPS[code]] = to_form(typed);
        } else if (code === 0x75) {
            form.body = { data: [...((form.body || {}).data || []), typed.value.toString('hex')] };
        } else if (code === 0x76) {
            form.body = { sequence: [...((form.body || {}).sequence || []), typed.value.map(to_form)] };
        } else {
            form.body = { value: to_form(typed) };
        }
    }
    // Proton writes no body at all for null.
    return { ...form, body: form.body || { value: ['null'] } };
}

// rhea's reader keeps one descriptor of a value, so the section's own is stepped over: then the value's own one survives.
function at_value_section(reader) {
    return reader.buffer.subarray(reader.position, reader.position + 3).equals(Buffer.from([0x00, 0x53, 0x77]));
}

module.exports = { from_form, to_form, encode, decode };
