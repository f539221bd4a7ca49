<?php
// Stores a message for guerrillad's FastCGI processor: SAVED, and only when it is on disk.
//
// $_POST: body (delivery header and message, lines end in CRLF), mail_from, rcpt_to_0, rcpt_to_1, ..., subject, helo, remote_ip,
// tls_on ("true" or "false"). The directory is given with "fcgi_params": {"MAIL_DIRECTORY": "/var/lib/mails"}.
//
// PHP can sync files but no directories: mount the file system with dirsync where a new name must survive a power failure.

function trouble(string $why): never
{
    // Any status but 2xx, 410 and 422 keeps the message with the client, who comes back.
    http_response_code(500);
    error_log($why);
    exit;
}

// More than post_max_size leaves nothing in $_POST.
if (!isset($_POST['body'])) {
    trouble('no body: is post_max_size too small for this message?');
}
$directory = $_SERVER['MAIL_DIRECTORY'] ?? trouble('MAIL_DIRECTORY is not set in fcgi_params');

$recipients = [];
for ($n = 0; isset($_POST["rcpt_to_$n"]); $n++) {
    $recipients[] = $_POST["rcpt_to_$n"];
}
$envelope = ['to' => $recipients] + array_diff_key($_POST, ['body' => 0]);

$name = bin2hex(random_bytes(16));
foreach (["$name.json" => json_encode($envelope, JSON_INVALID_UTF8_SUBSTITUTE), "$name.eml" => $_POST['body']] as $file => $content) {
    $out = fopen("$directory/$file.tmp", 'xb');
    if (!$out || fwrite($out, $content) !== strlen($content) || !fsync($out) || !fclose($out)) {
        trouble("$directory/$file.tmp cannot be written");
    }
    if (!rename("$directory/$file.tmp", "$directory/$file")) {
        trouble("$directory/$file cannot be made");
    }
}
echo 'SAVED';
