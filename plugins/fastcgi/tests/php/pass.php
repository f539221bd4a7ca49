<?php
// The other word: PASS. Everybody whose address has an "a" before the "@" is known; "c" breaks the script.
$local = strstr($_GET['rcpt_to'], '@', true);
if ($local === 'c') {
    undefined_function();
}
echo str_contains($local, 'a') ? 'PASS' : '';
