"""The Wildcard processor, end to end: guerrillad loads the .so and each recipient hears its own reply."""

import sys

from sending import mail_of
from serving import Serving, arguments_of, expect, play


def patterns_decide(arguments, directory):
    config = {
        "validate_process": "Wildcard",
        "save_process": "HeadersParser|Debugger",
        "wildcard_hosts": " !no.example.org , *.Example.org,grr.la",
        "log_received_mails": True,
    }
    with Serving(arguments, directory, config, ["wildcard"]) as serving:
        for recipient, code in {
            "a@grr.la": "250", "a@GRR.LA": "250", "a@x.example.org": "250", "a@NO.example.org": "550 5.1.2",
            "a@example.org": "550 5.1.2", "a@elsewhere.test": "550 5.1.2", "postmaster": "250",
        }.items():
            reply = serving.send(mail_of(0), [recipient])
            yield f"{recipient} hears {code}", expect(reply.startswith(code), reply)
        yield "guerrillad ends well", expect(serving.stop() == 0, "exit status")


def a_malformed_pattern(arguments, directory):
    config = {"validate_process": "Wildcard", "wildcard_hosts": "grr.la, b[.test"}
    with Serving(arguments, directory, config, ["wildcard"], start=False) as serving:
        status = serving.process.wait(30)
        said = serving.output.read_text() + serving.log()
        yield "is an error at start that names it", expect(status == 78 and '"b[.test"' in said, f"{status}: {said}")


if __name__ == "__main__":
    sys.exit(play([patterns_decide, a_malformed_pattern], arguments_of(__doc__)))
