'use strict';
// Many connections, links or unsettled messages on rhea, held until the process is killed; see bench/src/hold.rs.
//     rhea_hold.js hold-recv PORT connections|links|messages COUNT SIZE
//     rhea_hold.js hold-send HOST:PORT connections|links|messages COUNT SIZE
const rhea = require('rhea');
const [role, where, what, many, length] = process.argv.slice(2);
const count = Number(many);
const serves = role === 'hold-recv';
const container = rhea.create_container({ id: `hold-${process.pid}` });
const ready = () => console.log('READY');
const links = what === 'messages' ? 1 : count;
const held = [];
let opened = 0, asked = 0, connection;

function open_one() {
    if (!connection || what === 'connections') {
        const [host, port] = where.split(':');
        connection = container.connect({ host, port: Number(port), reconnect: false });
    }
    asked++;
    connection.open_sender({ target: 'q', name: `link-${asked}` });
}

function on_opened(context) {
    opened++;
    if (serves && what === 'messages') context.receiver.add_credit(count);
    if (!serves && asked < links) open_one();
    if (what !== 'messages' && opened === count) ready();
}

container.on(serves ? 'receiver_open' : 'sender_open', on_opened);
container.on('sendable', (context) => {
    if (what !== 'messages') return;
    while (held.length < count && context.sender.sendable()) {
        held.push(context.sender.send({ body: Buffer.alloc(Number(length), 'x') }));
        if (held.length === count) ready();
    }
});
container.on('message', (context) => {
    held.push([context.delivery, context.message]);
    if (held.length === count) ready();
});
if (serves) {
    const credit = what === 'messages' ? 0 : 10;
    container.listen({
        host: '127.0.0.1', port: Number(where), backlog: 2048,
        receiver_options: { credit_window: credit, autoaccept: false },
    });
} else {
    for (let i = 0; i < Math.min(links, 100); i++) open_one();
}
