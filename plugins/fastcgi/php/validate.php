<?php
// Checks a recipient for guerrillad's FastCGI processor: PASSED or not.
//
// The users are listed, one on a line, in a file given with "fcgi_params": {"MAIL_USERS": "/etc/guerrillad/users"}.

$users = file($_SERVER['MAIL_USERS'], FILE_IGNORE_NEW_LINES | FILE_SKIP_EMPTY_LINES);
if ($users === false) {
    // Any status but 2xx, 410 and 422 asks the client to come back.
    http_response_code(500);
    exit;
}
echo in_array(strtolower($_GET['rcpt_to']), array_map('strtolower', $users), true) ? 'PASSED' : 'FAILED';
