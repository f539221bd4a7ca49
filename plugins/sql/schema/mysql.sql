-- The table of the processor `sql` for MySQL and MariaDB. The names of the columns are go-guerrilla's.
-- `ip_addr` reads as INET6_NTOA(ip_addr); `mail` is zlib data where `body` says gzip.
CREATE TABLE IF NOT EXISTS `new_mail` (
    `mail_id` BIGINT UNSIGNED NOT NULL AUTO_INCREMENT,
    `date` DATETIME NOT NULL,
    `to` VARCHAR(255) NOT NULL,
    `from` VARCHAR(255) NOT NULL,
    `subject` VARCHAR(255) NOT NULL,
    `body` VARCHAR(16) NOT NULL,
    `mail` LONGBLOB NOT NULL,
    `spam_score` FLOAT NOT NULL,
    `hash` VARCHAR(64) NOT NULL,
    `content_type` VARCHAR(255) NOT NULL,
    `recipient` VARCHAR(255) NOT NULL,
    `has_attach` INT NOT NULL,
    `ip_addr` VARBINARY(16) NOT NULL,
    `return_path` VARCHAR(255) NOT NULL,
    `is_tls` BOOLEAN NOT NULL,
    `message_id` VARCHAR(255) NOT NULL,
    `reply_to` VARCHAR(255) NOT NULL,
    `sender` VARCHAR(255) NOT NULL,
    PRIMARY KEY (`mail_id`),
    KEY `recipient` (`recipient`),
    KEY `hash` (`hash`),
    KEY `date` (`date`)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4;
