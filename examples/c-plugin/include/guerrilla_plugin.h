/* A processor of guerrillad in C (or any language that can speak C).
 *
 * You write the three functions at the end of this file and call the others. They are linked with a layer in Rust
 * (src/border.rs) into one shared library, which is a plugin like any other; docs/plugins-in-c.md says why there is a
 * layer.
 *
 * Rules:
 * - plugin_save is called from several threads at once. State that changes needs a lock or atomics.
 * - Texts that you are given belong to the host. They are no C strings: they have a length, may hold any byte, and are
 *   valid until you change the message, at the longest until your function returns.
 * - Texts that you give are C strings in UTF-8 and are copied.
 * - Nothing may leave your functions but a return: no longjmp, no C++ exception.
 * - A bad pointer ends the daemon. It says which plugin it was.
 */
#ifndef GUERRILLA_PLUGIN_H
#define GUERRILLA_PLUGIN_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* The configuration of the processor, and a message; only these functions know what is behind them. */
struct guerrilla_config;
struct guerrilla_mail;

/* data is null where there is no such thing. */
struct guerrilla_text {
    const char *data;
    size_t length;
};

/* What is to become of a message. Anything else counts as a fault: the client is asked to try again. */
enum {
    GUERRILLA_CONTINUE = 0, /* on to the next stage */
    GUERRILLA_ACCEPT = 1,   /* accepted, without the rest of the chain */
    GUERRILLA_DEFER = 2,    /* refused for now (4xx) */
    GUERRILLA_REJECT = 3,   /* refused for good (5xx) */
    GUERRILLA_DISCARD = 4   /* accepted as far as the client knows, and not kept */
};

enum {
    GUERRILLA_SESSION_ID = 1, /* id of the connection */
    GUERRILLA_REMOTE_IP = 3,  /* address of the client */
    GUERRILLA_HELO = 5,       /* name given with HELO, EHLO or LHLO */
    GUERRILLA_SENDER = 13,    /* reverse-path; empty for the null reverse-path */
    GUERRILLA_QUEUED_ID = 15, /* id that the message will be acknowledged with */
    GUERRILLA_SUBJECT = 16    /* decoded subject, once HeadersParser has set it */
};

enum { GUERRILLA_ERROR = 1, GUERRILLA_WARN = 2, GUERRILLA_INFO = 3, GUERRILLA_DEBUG = 4 };

/* The value of a key: a text as it is, anything else as JSON. For plugin_create. */
struct guerrilla_text guerrilla_setting(const struct guerrilla_config *config, const char *key);

/* A text of the message, or of the connection that it has come by. */
struct guerrilla_text guerrilla_text(const struct guerrilla_mail *mail, uint32_t field);

/* How many recipients there are, and the mailbox of one, counted from 0. */
size_t guerrilla_recipients(const struct guerrilla_mail *mail);
struct guerrilla_text guerrilla_recipient(const struct guerrilla_mail *mail, size_t index);

/* Value of the first header field of that name in any case, folded and encoded as it came. */
struct guerrilla_text guerrilla_header(const struct guerrilla_mail *mail, const char *name);

/* The message as it came: header, empty line, body; lines end in CRLF. */
struct guerrilla_text guerrilla_body(const struct guerrilla_mail *mail);

/* Adds a header field. 0: done. Anything else: the host has refused it. */
int guerrilla_add_header(struct guerrilla_mail *mail, const char *name, const char *value);

/* The reply that goes with the verdict you are about to return: its code (of the verdict's class), an enhanced status
 * code such as "5.7.1" or "", and a text. */
void guerrilla_reply(struct guerrilla_mail *mail, uint16_t code, const char *enhanced, const char *text);

/* Writes a line to the daemon's log, marked with the processor and the session. */
void guerrilla_log(const struct guerrilla_mail *mail, uint32_t level, const char *text);

/* ---- What you write ---- */

/* Makes an instance; *state is yours. Must have no effects: it is also called to check a configuration. 0: made. Anything
 * else: not, and a line that says why is in error (which has error_size bytes, and is a C string). */
int plugin_create(const struct guerrilla_config *config, void **state, char *error, size_t error_size);

/* The message is complete: what is to become of it. */
uint32_t plugin_save(void *state, struct guerrilla_mail *mail);

/* Called last. */
void plugin_destroy(void *state);

#ifdef __cplusplus
}
#endif

#endif
