#!/usr/bin/env python3
"""Files the mail of a stream: each message as a file in a maildir for each recipient, named by its id. Standard Python only.

A message is acknowledged when its files are on stable storage, and not before, so one that was under way when the consumer or a server
ended is delivered again. It gets the same names then: nothing is filed twice. Any number of consumers may run side by side.
"""

import argparse
import hashlib
import os
import pathlib
import sys
import time
import urllib.parse

from nats_client import Lost, Nats, Refused

STREAM, BUCKET, CONSUMER = "MAIL", "mails", "files"


def main():
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("directory", type=pathlib.Path, help="where the maildirs are")
    options.add_argument("servers", nargs="+", metavar="host:port", help="servers of the cluster; one that answers is enough")
    arguments = options.parse_args()
    while True:
        try:
            consume(Nats(arguments.servers), arguments.directory)
        except (OSError, Refused) as error:
            # No server, no leader, or a disk that is full: nothing was acknowledged, so all of it comes again.
            print(f"consumer: {error}; trying again", file=sys.stderr, flush=True)
            time.sleep(0.5)
            # One that is reached may be one that has no others any more.
            arguments.servers.append(arguments.servers.pop(0))


def consume(client, directory):
    """Files messages until something fails. The consumer's state is the stream's: it is made once and outlives us."""
    config = {"durable_name": CONSUMER, "ack_policy": "explicit", "ack_wait": int(30e9), "max_ack_pending": 1000}
    client.api(f"CONSUMER.DURABLE.CREATE.{STREAM}.{CONSUMER}", stream_name=STREAM, config=config)
    try:
        while True:
            for message in client.pull(STREAM, CONSUMER, batch=100, seconds=2.0):
                file_message(client, message, directory)
    finally:
        client.close()


def file_message(client, message, directory):
    if not {"Nats-Msg-Id", "Mail-To"} <= message.headers.keys():
        print(f"consumer: a message on {message.subject} that is no mail of guerrillad; left out", file=sys.stderr, flush=True)
        client.acknowledge(message)
        return
    name = urllib.parse.quote(message.headers["Nats-Msg-Id"][0], safe="")
    places = [maildir(directory, recipient) for recipient in message.headers["Mail-To"]]
    missing = [place for place in places if not (place / "new" / name).exists()]
    bucket, found = message.headers.get("Mail-Object-Bucket"), None
    if missing:
        found = client.object(bucket[0], message.headers["Mail-Object-Name"][0]) if bucket else message.data
        if found is None:
            raise Lost(f"{name}: the object is gone and the mail is not filed")
    for place in missing:
        write(place, name, found)
    if bucket:
        client.delete_object(bucket[0], message.headers["Mail-Object-Name"][0])
    # Last: who ends before is told of the message again, finds it filed, and clears up.
    client.acknowledge(message)


def maildir(directory, recipient):
    """Whoever sends chooses the address, so what would leave the directory is quoted."""
    name = urllib.parse.quote(recipient, safe="@+=")
    if len(name) > 200:
        name = hashlib.sha256(recipient.encode("utf-8", "surrogateescape")).hexdigest()
    place = directory / name
    for folder in ("tmp", "new", "cur"):
        (place / folder).mkdir(parents=True, exist_ok=True)
    return place


def write(place, name, data):
    part = place / "tmp" / f"{name}.{os.getpid()}"
    with open(part, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    part.rename(place / "new" / name)
    folder = os.open(place / "new", os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit(130)
