<?php
// A script that goes wrong in the way that the subject of the message asks for, and otherwise stores it.

switch ($_POST['subject'] ?? '') {
    case 'slow':
        file_put_contents("{$_SERVER['MAIL_DIRECTORY']}/pid", (string) getmypid());
        sleep(20);
        break;
    case 'status 500':
        http_response_code(500);
        echo 'SAVED';
        exit;
    case 'status 404':
        http_response_code(404);
        echo 'SAVED';
        exit;
    case 'status 422':
        http_response_code(422);
        exit;
    case 'dies':
        undefined_function();
        // no break: never reached
    case 'nothing':
        exit;
    case 'garbage':
        echo random_bytes(1000);
        exit;
    case 'not saved':
        echo "NOT SAVED";
        exit;
    case 'endless':
        echo 'no', str_repeat('x', 10_000_000);
        exit;
    case 'complains':
        error_log("all is well\nin two lines");
        break;
    case 'memory':
        str_repeat('x', PHP_INT_MAX >> 8);
        // no break: never reached
    case 'time':
        usleep(400_000);
        break;
}
require __DIR__ . '/../../php/save.php';
