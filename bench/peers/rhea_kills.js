'use strict';
// The program of kills_side.py, on rhea: rhea_kills.js URL ADDRESS CAPABILITY DURABLE
const rhea = require('rhea');

const [url, address, capability, durable] = process.argv.slice(2);
const WINDOW = 50;
const QUIET = 8000;
const { hostname, port } = new URL(url.replace('amqp:', 'http:'));
const accepted = new Set();
const received = new Map();
let pending = new Map();
let sent = 0, opened = 0, refused = 0, news = 0, seen = -1, stopping = false;

const container = rhea.create_container();
const node = { address, capabilities: capability ? [capability] : undefined, durable: durable === 'durable' ? 1 : undefined };

function fill(sender) {
    while (!stopping && sender.sendable() && pending.size < WINDOW) {
        pending.set(sender.send({ body: sent, durable: true }).id, sent);
        sent += 1;
    }
}

// rhea numbers deliveries anew on each connection: what was under way before is never heard of again.
container.on('connection_open', () => { opened += 1; pending = new Map(); });
container.on('sendable', (context) => fill(context.sender));
container.on('accepted', (context) => {
    news += 1;
    const number = pending.get(context.delivery.id);
    pending.delete(context.delivery.id);
    if (number !== undefined) accepted.add(number);
    fill(context.sender);
});
for (const outcome of ['rejected', 'released', 'modified']) {
    container.on(outcome, (context) => { refused += 1; pending.delete(context.delivery.id); });
}
container.on('message', (context) => {
    news += 1;
    received.set(context.message.body, (received.get(context.message.body) || 0) + 1);
});
for (const event of ['disconnected', 'connection_error', 'session_error', 'error', 'sender_error', 'receiver_error']) {
    container.on(event, () => {});
}

// A user without a password is for ANONYMOUS: RabbitMQ wants a SASL layer.
const connection = container.connect({ username: 'anonymous', host: hostname, port: Number(port), initial_reconnect_delay: 100, max_reconnect_delay: 100 });
connection.open_receiver({ source: node, credit_window: WINDOW });
connection.open_sender({ target: node });

function look() {
    if (seen !== news) {
        seen = news;
        setTimeout(look, QUIET);
        return;
    }
    let doubled = 0, lost = 0;
    received.forEach((count) => { doubled += count - 1; });
    accepted.forEach((number) => { lost += received.has(number) ? 0 : 1; });
    console.log(JSON.stringify({
        connections: opened, sent, accepted: accepted.size, refused, unknown: 0, untold: sent - accepted.size - refused,
        received: received.size, doubled, 'accepted, not received': lost,
    }));
    process.exit(0);
}

process.stdin.once('data', () => { stopping = true; setTimeout(look, QUIET); });
