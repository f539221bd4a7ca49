<?php
// Writes down what it is given.
$given = ['server' => $_SERVER, 'get' => $_GET, 'post' => array_map('bin2hex', $_POST)];
file_put_contents("{$_SERVER['MAIL_DIRECTORY']}/given", json_encode($given));
echo 'SAVED';
