'use strict';
// rhea as the other side of a test: a small server, and clients.  rhea_peer.js ROLE [URL ADDRESS [COUNT [SIZE]]] [options]
// Roles and options are those of proton_peer.py; README.md beside this file lists them. What happens is printed as one JSON
// object a line, before anything is acknowledged. The program ends when its standard input does.
const crypto = require('crypto');
const fs = require('fs');
const path = require('path');
const { parseArgs } = require('util');
const rhea = require('rhea');
const forms = require('./rhea_types.js');

const text = { type: 'string' };
const flag = { type: 'boolean', default: false };
const { values: options, positionals } = parseArgs({
    allowPositionals: true,
    options: {
        host: { type: 'string', default: '127.0.0.1' }, port: { type: 'string', default: '0' }, 'max-frame-size': text,
        progress: { type: 'string', default: '100' }, credit: { type: 'string', default: '100' }, cert: text, key: text, ca: text,
        mechanisms: text, user: text, password: text, directory: text, 'no-sasl': flag, types: flag, presettled: flag,
        reconnect: flag, only: text, for: text, outcome: { type: 'string', default: 'accept' }, heartbeat: text, fill: { type: 'string', multiple: true },
    },
});
const [role, url, address, count_text, size_text] = positionals;
const count = Number(count_text === undefined ? 1 : count_text);
const size = Number(size_text === undefined ? 100 : size_text);
const container = rhea.create_container({ id: `rhea-${role}-${process.pid}` });
let status = 0;

// Synchronous, so that an event is out before what it announces is acknowledged.
function say(event, fields) {
    fs.writeSync(1, JSON.stringify({ event, ...fields }) + '\n');
}

function fail(event, error) {
    status = 1;
    say(event, error ? { condition: error.condition || error.code || error.name, description: error.description || error.message } : {});
}

// The bytes of a body: its length is prime to every frame size, so that lost or swapped pieces show.
function pattern(length) {
    return Buffer.alloc(length, Buffer.from(Array.from({ length: 251 }, (_, i) => i)));
}

function numbered(number, length) {
    return { message_id: String(number), body: rhea.message.data_section(length ? pattern(length) : Buffer.alloc(0)) };
}

// Keeps the bytes beside every message that rhea decodes, to read the types off them or to send them on unchanged.
const decode = rhea.message.decode;
rhea.message.decode = (bytes) => Object.defineProperty(decode(bytes), 'bytes', { value: bytes });

function body_bytes(message) {
    const content = message.body && message.body.content !== undefined ? message.body.content : message.body;
    if (Buffer.isBuffer(content)) return content;
    return Buffer.from(content === undefined || content === null ? '' : String(content));
}

function identity(message) {
    return message.message_id === undefined ? null : String(message.message_id);
}

function received(message, from, types) {
    const data = body_bytes(message);
    const fields = { size: data.length, sha256: crypto.createHash('sha256').update(data).digest('hex') };
    if (types) fields.form = forms.decode(message.bytes);
    say('received', { address: from, id: identity(message), delivery_count: message.delivery_count || 0, ...fields });
}

container.on('connection_open', (context) => {
    const connection = context.connection;
    const sasl = connection.sasl_transport;
    const user = sasl ? sasl.username || (sasl.mechanism && sasl.mechanism.username) || null : null;
    say('opened', { container: connection.container_id, hostname: connection.hostname || null, user, mechanism: (sasl && sasl.mechanism_name) || null });
});
for (const event of ['connection_error', 'session_error']) {
    container.on(event, (context) => fail(event, context[event.split('_')[0]].error));
}
for (const event of ['sender_error', 'receiver_error']) {
    container.on(event, (context) => fail('link_error', (context.sender || context.receiver).error));
}
container.on('connection_close', () => say('closed'));
container.on('protocol_error', (error) => fail('transport_error', error));
container.on('error', (error) => fail('transport_error', error));

function tls_options() {
    const result = {};
    for (const name of ['cert', 'key', 'ca']) if (options[name]) result[name] = fs.readFileSync(options[name]);
    return result;
}

// Store and forward: what is sent to an address waits there until a receiver of that address has credit. Addresses that begin
// with reject, release or modify get that outcome instead; messages to echo go to their reply-to address.
function listen() {
    const queues = new Map();
    const consumers = new Map();
    const held = new Map();
    let dynamic = 0;
    const at = (map, name) => map.get(name) || map.set(name, []).get(name);
    for (const entry of options.fill || []) {
        const [name, number, length] = entry.split(',');
        for (let i = 0; i < Number(number); i++) at(queues, name).push(rhea.message.encode(numbered(i, Number(length))));
    }
    // Not in the turn in which an attach arrived: rhea would write the transfer before its own attach.
    const forward = (name) => setImmediate(() => forward_now(name));
    function forward_now(name) {
        const queue = at(queues, name);
        for (const sender of at(consumers, name)) {
            while (queue.length && sender.sendable()) {
                const bytes = queue.shift();
                const delivery = sender.send(bytes, undefined, 0);
                if (!delivery.settled) held.set(delivery, { name, bytes });
            }
        }
    }
    function finished(context, state, again) {
        const entry = held.get(context.delivery);
        if (!entry) return;
        held.delete(context.delivery);
        say('settled', { address: entry.name, id: identity(rhea.message.decode(entry.bytes)), state });
        if (again) {
            at(queues, entry.name).unshift(entry.bytes);
            forward(entry.name);
        }
    }
    container.on('sender_open', (context) => {
        const sender = context.sender;
        const source = sender.source || {};
        const name = source.dynamic ? `dynamic-${process.pid}-${++dynamic}` : source.address;
        sender.set_source({ address: name, dynamic: Boolean(source.dynamic) });
        sender.queue = name;
        at(consumers, name).push(sender);
        say('attached', { role: 'sender', address: name });
    });
    container.on('receiver_open', (context) => {
        const target = context.receiver.target || {};
        if (target.address) context.receiver.set_target({ address: target.address });
        else context.receiver.set_target({});
        say('attached', { role: 'receiver', address: target.address || null });
    });
    container.on('message', (context) => {
        const { message, delivery } = context;
        let name = (context.receiver.target && context.receiver.target.address) || message.to;
        received(message, name, options.types);
        if (name.startsWith('reject')) return delivery.reject({ condition: 'example:rejected', description: 'this address rejects' });
        if (name.startsWith('release')) return delivery.release();
        if (name.startsWith('modify')) return delivery.modified({ delivery_failed: true, undeliverable_here: true });
        delivery.accept();
        let bytes = message.bytes;
        if (name === 'echo') {
            name = message.reply_to;
            const id = message.correlation_id === undefined ? message.message_id : message.correlation_id;
            const answer = { to: name, message_id: message.message_id, correlation_id: id, body: message.body };
            bytes = rhea.message.encode(answer);
        }
        at(queues, name).push(bytes);
        return forward(name);
    });
    container.on('sendable', (context) => forward(context.sender.queue));
    container.on('accepted', (context) => finished(context, 'accepted'));
    container.on('rejected', (context) => finished(context, 'rejected'));
    container.on('released', (context) => finished(context, 'released', true));
    container.on('modified', (context) => finished(context, 'modified', true));
    const gone = (keep) => {
        for (const [name, senders] of consumers) consumers.set(name, senders.filter(keep));
    };
    container.on('sender_close', (context) => gone((sender) => sender !== context.sender));
    container.on('disconnected', (context) => {
        say('disconnected');
        gone((sender) => sender.connection !== context.connection);
        for (const [delivery, entry] of held) {
            if (delivery.link.connection === context.connection) {
                held.delete(delivery);
                at(queues, entry.name).push(entry.bytes);
            }
        }
    });
    const mechanisms = (options.mechanisms || '').split(' ');
    if (mechanisms.includes('PLAIN')) {
        container.sasl_server_mechanisms.enable_plain((user, password) => user === options.user && password === options.password);
    }
    if (mechanisms.includes('ANONYMOUS')) container.sasl_server_mechanisms.enable_anonymous();
    const server = container.listen({
        host: options.host, port: Number(options.port), tcp_no_delay: true, require_sasl: Boolean(options.mechanisms),
        disable_sasl: options['no-sasl'], max_frame_size: Number(options['max-frame-size'] || 1048576),
        receiver_options: { autoaccept: false, credit_window: 100 }, sender_options: { treat_modified_as_released: false },
        ...(options.cert ? { transport: 'tls', requestCert: Boolean(options.ca), enable_sasl_external: Boolean(options.ca), ...tls_options() } : {}),
    });
    server.on('listening', () => say('listening', { port: server.address().port }));
    server.on('error', (error) => fail('listen_error', error));
}

// Connects to the first of the URLs that answers; the others are for later.
function connect(more) {
    const urls = url.split(',').map((one) => new URL(one.replace(/^amqp/, 'http')));
    let turn = 0;
    const connection_details = () => {
        const chosen = urls[turn++ % urls.length];
        const secure = chosen.protocol === 'https:';
        const host = chosen.hostname.replace(/^\[|\]$/g, '');
        const transport = secure ? 'tls' : 'tcp';
        const details = { host, port: Number(chosen.port || (secure ? 5671 : 5672)), servername: secure ? host : undefined, ...tls_options() };
        return { ...details, options: { ...details, transport }, connect: secure ? require('tls').connect : require('net').connect };
    };
    const secure = urls[0].protocol === 'https:';
    const sasl = {};
    if (!options['no-sasl']) {
        sasl.username = options.user || 'anonymous';
        if (options.password) sasl.password = options.password;
    }
    container.on('disconnected', (context) => {
        say('disconnected');
        if (!context.reconnecting) {
            if (context.error) fail('transport_error', context.error);
            setImmediate(() => process.exit(status));
        }
    });
    container.on('connection_close', () => setImmediate(() => process.exit(status)));
    const connection = container.connect({
        connection_details, host: urls[0].hostname.replace(/^\[|\]$/g, ''), transport: secure ? 'tls' : 'tcp', tcp_no_delay: true, ...sasl,
        reconnect: options.reconnect, initial_reconnect_delay: 10, max_reconnect_delay: 500,
        max_frame_size: Number(options['max-frame-size'] || 1048576),
        ...(options.heartbeat ? { idle_time_out: Number(options.heartbeat) * 1000 } : {}), ...more,
    });
    return connection;
}

function done(connection, fields) {
    say('done', fields);
    connection.close();
}

// Sends messages and waits for their outcomes; what a lost connection left open is sent again.
function send(messages, raw) {
    const connection = connect();
    const waiting = messages.map((_, i) => i);
    const inflight = new Map();
    const states = {};
    let finished = 0;
    const presettled = options.presettled;
    connection.open_sender({ target: address, snd_settle_mode: presettled ? 1 : 0, treat_modified_as_released: false });
    function outcome(state) {
        states[state] = (states[state] || 0) + 1;
        if (++finished % Number(options.progress) === 0) say('progress', { count: finished });
        if (finished === messages.length) done(connection, { count: finished, ...states });
    }
    container.on('sendable', (context) => {
        while (waiting.length && context.sender.sendable()) {
            const number = waiting.shift();
            const delivery = raw ? context.sender.send(messages[number], undefined, 0) : context.sender.send(messages[number]);
            if (presettled) outcome('presettled'); else inflight.set(delivery, number);
        }
    });
    for (const state of ['accepted', 'rejected', 'released', 'modified']) {
        container.on(state, (context) => {
            // A connection that is lost releases what was open; that is no outcome.
            if (context.delivery.remote_state === undefined || !inflight.delete(context.delivery)) return;
            const error = state === 'rejected' && context.delivery.remote_state.error;
            if (error) say('rejected', { condition: error.condition, description: error.description });
            outcome(state);
        });
    }
    container.on('disconnected', () => {
        waiting.unshift(...inflight.values());
        inflight.clear();
    });
}

function receive(types) {
    const connection = connect();
    const seen = new Set();
    connection.open_receiver({ source: address, autoaccept: false, credit_window: Number(options.credit) });
    container.on('message', (context) => {
        received(context.message, address, types);
        context.delivery[options.outcome]();
        seen.add(identity(context.message) || String(seen.size));
        if (seen.size === count) done(connection, { count });
    });
}

function request() {
    const connection = connect();
    const sender = connection.open_sender(address);
    const answers = connection.open_receiver({ source: { dynamic: true } });
    let number = 0;
    const next = () => sender.send({ ...numbered(number, size), reply_to: answers.source.address, correlation_id: `c-${number}` });
    container.on('receiver_open', () => {
        say('reply_to', { address: answers.source.address });
        next();
    });
    container.on('message', (context) => {
        const message = context.message;
        received(message, address, false);
        if (message.correlation_id !== `c-${number}`) fail('wrong_answer', { condition: message.correlation_id });
        if (++number === count) done(connection, { count }); else next();
    });
}

function respond() {
    const connection = connect();
    connection.open_receiver(address);
    const sender = connection.open_sender({ target: {} });
    container.on('receiver_open', () => say('attached', { role: 'receiver' }));
    container.on('sender_open', () => say('attached', { role: 'sender' }));
    container.on('message', (context) => {
        const message = context.message;
        received(message, address, false);
        sender.send({ to: message.reply_to, correlation_id: message.correlation_id, body: message.body });
    });
}

function typed_messages() {
    const table = JSON.parse(fs.readFileSync(path.join(__dirname, 'types.json')));
    const entries = [...table.values.map((entry) => ({ ...entry, body: { value: entry.value } })), ...table.messages];
    const excluding = ['rhea', 'rhea-send', options.for, `${options.for}-receive`];
    const cannot = (entry) => Object.keys(entry.cannot || {}).some((who) => excluding.includes(who));
    const able = entries.filter((entry) => (options.only ? entry.name === options.only : !cannot(entry)));
    return able.map((entry) => {
        const bytes = forms.encode({ ...entry, properties: entry.properties || { message_id: ['string', entry.name] } });
        say('made', { name: entry.name, sha256: crypto.createHash('sha256').update(bytes).digest('hex') });
        return bytes;
    });
}

process.stdin.on('end', () => process.exit(3));
process.stdin.resume();
const numbers = () => Array.from({ length: count }, (_, i) => numbered(i, size));
const roles = {
    listen, receive: () => receive(options.types), request, respond, send: () => send(numbers(), false),
    'types-send': () => send(typed_messages(), true), 'types-receive': () => receive(true),
};
if (!roles[role]) {
    console.error(`unknown role ${role}: use ${Object.keys(roles).join(', ')}`);
    process.exit(2);
}
roles[role]();
