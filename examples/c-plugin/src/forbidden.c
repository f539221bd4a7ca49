/* Refuses messages with a forbidden word in their subject, as it is written there. */

#define _GNU_SOURCE /* memmem */

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "guerrilla_plugin.h"

struct forbidden {
    atomic_ulong refused;
    size_t length;
    char word[];
};

int plugin_create(const struct guerrilla_config *config, void **state, char *error, size_t error_size)
{
    struct guerrilla_text word = guerrilla_setting(config, "forbidden_word");
    if (word.data == NULL || word.length == 0) {
        snprintf(error, error_size, "forbidden_word: is missing or empty; write the word to refuse");
        return 1;
    }
    struct forbidden *self = malloc(sizeof *self + word.length);
    if (self == NULL) {
        snprintf(error, error_size, "no memory");
        return 1;
    }
    atomic_init(&self->refused, 0);
    self->length = word.length;
    memcpy(self->word, word.data, word.length);
    *state = self;
    return 0;
}

uint32_t plugin_save(void *state, struct guerrilla_mail *mail)
{
    struct forbidden *self = state;
    struct guerrilla_text subject = guerrilla_header(mail, "Subject");
    if (subject.data != NULL && memmem(subject.data, subject.length, self->word, self->length) != NULL) {
        char line[64];
        unsigned long refused = atomic_fetch_add(&self->refused, 1) + 1;
        snprintf(line, sizeof line, "refused %lu so far", refused);
        guerrilla_log(mail, GUERRILLA_INFO, line);
        guerrilla_reply(mail, 550, "5.7.1", "We do not speak of that");
        return GUERRILLA_REJECT;
    }
    char value[32];
    snprintf(value, sizeof value, "for %zu recipients", guerrilla_recipients(mail));
    return guerrilla_add_header(mail, "X-Checked-In-C", value) == 0 ? GUERRILLA_CONTINUE : GUERRILLA_DEFER;
}

void plugin_destroy(void *state)
{
    free(state);
}
