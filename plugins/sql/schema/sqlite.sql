-- The table of the processor `sql` for SQLite. The names of the columns are go-guerrilla's.
-- `date` is UTC; `ip_addr` has 4 or 16 bytes, in network order; `mail` is zlib data where `body` says gzip.
CREATE TABLE IF NOT EXISTS "new_mail" (
    "mail_id" INTEGER PRIMARY KEY AUTOINCREMENT,
    "date" TEXT NOT NULL,
    "to" TEXT NOT NULL,
    "from" TEXT NOT NULL,
    "subject" TEXT NOT NULL,
    "body" TEXT NOT NULL,
    "mail" BLOB NOT NULL,
    "spam_score" REAL NOT NULL,
    "hash" TEXT NOT NULL,
    "content_type" TEXT NOT NULL,
    "recipient" TEXT NOT NULL,
    "has_attach" INTEGER NOT NULL,
    "ip_addr" BLOB NOT NULL,
    "return_path" TEXT NOT NULL,
    "is_tls" INTEGER NOT NULL,
    "message_id" TEXT NOT NULL,
    "reply_to" TEXT NOT NULL,
    "sender" TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS "new_mail_recipient" ON "new_mail" ("recipient");
CREATE INDEX IF NOT EXISTS "new_mail_hash" ON "new_mail" ("hash");
CREATE INDEX IF NOT EXISTS "new_mail_date" ON "new_mail" ("date");
