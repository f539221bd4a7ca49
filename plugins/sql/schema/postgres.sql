-- The table of the processor `sql` for PostgreSQL. The names of the columns are go-guerrilla's.
-- `ip_addr` has 4 or 16 bytes, in network order; `mail` is zlib data where `body` says gzip.
CREATE TABLE IF NOT EXISTS "new_mail" (
    "mail_id" BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    "date" TIMESTAMPTZ NOT NULL,
    "to" VARCHAR(255) NOT NULL,
    "from" VARCHAR(255) NOT NULL,
    "subject" VARCHAR(255) NOT NULL,
    "body" VARCHAR(16) NOT NULL,
    "mail" BYTEA NOT NULL,
    "spam_score" REAL NOT NULL,
    "hash" VARCHAR(64) NOT NULL,
    "content_type" VARCHAR(255) NOT NULL,
    "recipient" VARCHAR(255) NOT NULL,
    "has_attach" INTEGER NOT NULL,
    "ip_addr" BYTEA NOT NULL,
    "return_path" VARCHAR(255) NOT NULL,
    "is_tls" BOOLEAN NOT NULL,
    "message_id" VARCHAR(255) NOT NULL,
    "reply_to" VARCHAR(255) NOT NULL,
    "sender" VARCHAR(255) NOT NULL
);
CREATE INDEX IF NOT EXISTS "new_mail_recipient" ON "new_mail" ("recipient");
CREATE INDEX IF NOT EXISTS "new_mail_hash" ON "new_mail" ("hash");
CREATE INDEX IF NOT EXISTS "new_mail_date" ON "new_mail" ("date");
