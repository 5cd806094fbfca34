/* Many connections, links or unsettled messages on Qpid Proton's C library, held until the process is killed:
 *
 *     proton-hold hold-recv PORT connections|links|messages COUNT SIZE
 *     proton-hold hold-send HOST:PORT connections|links|messages COUNT SIZE
 *
 * Prints READY when all is there. What it does is what bench/src/hold.rs does.
 */
#include <proton/connection.h>
#include <proton/delivery.h>
#include <proton/link.h>
#include <proton/listener.h>
#include <proton/message.h>
#include <proton/proactor.h>
#include <proton/session.h>
#include <proton/transport.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static pn_proactor_t *proactor;
static const char *where;
static int serves, holds_connections, holds_messages;
static long count, size, opened, asked, sent, received;
static pn_session_t *session; /* the client's last */
static char body[1 << 16], encoded[(1 << 16) + 512];
static size_t encoded_size;

static void ready(void) {
    puts("READY");
    fflush(stdout);
}

static void open_one(void) {
    char name[32];
    if (!session || holds_connections) {
        pn_connection_t *connection = pn_connection();
        pn_connection_set_container(connection, "hold");
        pn_connection_open(connection);
        session = pn_session(connection);
        pn_session_open(session);
        pn_proactor_connect2(proactor, connection, NULL, where);
    }
    snprintf(name, sizeof name, "link-%ld", asked++);
    pn_link_t *link = pn_sender(session, name);
    pn_terminus_set_address(pn_link_target(link), "q");
    pn_link_open(link);
}

static void link_opened(pn_link_t *link) {
    opened++;
    if (serves) {
        pn_terminus_copy(pn_link_source(link), pn_link_remote_source(link));
        pn_terminus_copy(pn_link_target(link), pn_link_remote_target(link));
        pn_link_open(link);
        pn_link_flow(link, holds_messages ? (int)count : 10);
    } else if (asked < (holds_messages ? 1 : count)) {
        open_one();
    }
    if (!holds_messages && opened == count) ready();
}

static void send_as_credit_allows(pn_link_t *link) {
    while (holds_messages && sent < count && pn_link_credit(link) > 0) {
        pn_delivery(link, pn_dtag((const char *)&sent, sizeof sent));
        pn_link_send(link, encoded, encoded_size);
        pn_link_advance(link);
        if (++sent == count) ready();
    }
}

static void delivered(pn_delivery_t *delivery) {
    pn_link_t *link = pn_delivery_link(delivery);
    if (!pn_link_is_receiver(link) || !pn_delivery_readable(delivery) || pn_delivery_partial(delivery)) return;
    /* Held as an application holds it: the bytes of the message, and the delivery to settle later. */
    size_t length = pn_delivery_pending(delivery);
    char *bytes = malloc(length);
    if (pn_link_recv(link, bytes, length) != (ssize_t)length) abort();
    pn_delivery_set_context(delivery, bytes);
    pn_link_advance(link);
    if (++received == count) ready();
}

static void handle(pn_event_t *event) {
    switch (pn_event_type(event)) {
    case PN_LISTENER_ACCEPT: pn_listener_accept2(pn_event_listener(event), NULL, NULL); break;
    case PN_CONNECTION_REMOTE_OPEN: if (serves) pn_connection_open(pn_event_connection(event)); break;
    case PN_SESSION_REMOTE_OPEN: if (serves) pn_session_open(pn_event_session(event)); break;
    case PN_LINK_REMOTE_OPEN: link_opened(pn_event_link(event)); break;
    case PN_LINK_FLOW: if (!serves) send_as_credit_allows(pn_event_link(event)); break;
    case PN_DELIVERY: delivered(pn_event_delivery(event)); break;
    case PN_TRANSPORT_ERROR:
        fprintf(stderr, "%s\n", pn_condition_get_description(pn_transport_condition(pn_event_transport(event))));
        exit(1);
    default: break;
    }
}

static void encode(void) {
    pn_message_t *message = pn_message();
    memset(body, 'x', sizeof body);
    pn_message_set_inferred(message, true);
    pn_data_put_binary(pn_message_body(message), pn_bytes(size, body));
    encoded_size = sizeof encoded;
    if (pn_message_encode(message, encoded, &encoded_size)) abort();
    pn_message_free(message);
}

int main(int arguments, char **argument) {
    if (arguments != 6 || (size = atol(argument[5])) > (long)sizeof body) return 2;
    serves = !strcmp(argument[1], "hold-recv");
    where = argument[2];
    holds_connections = !strcmp(argument[3], "connections");
    holds_messages = !strcmp(argument[3], "messages");
    count = atol(argument[4]);
    proactor = pn_proactor();
    encode();
    if (serves) {
        char address[64];
        pn_proactor_addr(address, sizeof address, "127.0.0.1", where);
        pn_proactor_listen(proactor, pn_listener(), address, 2048);
    } else {
        long at_once = holds_messages ? 1 : count < 100 ? count : 100;
        for (long i = 0; i < at_once; i++) open_one();
    }
    for (;;) {
        pn_event_batch_t *batch = pn_proactor_wait(proactor);
        for (pn_event_t *event; (event = pn_event_batch_next(batch));) handle(event);
        pn_proactor_done(proactor, batch);
    }
}
