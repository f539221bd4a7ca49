"""The loads: what each point sends, as arguments of guerrilla-bench."""

import dataclasses


@dataclasses.dataclass(frozen=True)
class Point:
    name: str
    about: str
    arguments: str
    # Which certificate the server has: "rsa", "p256", or none and no TLS.
    certificate: str | None = None
    # Points without mail count sessions.
    sessions: bool = False
    # Whether servers that store are asked for it.
    durable: bool = False
    # The only contenders that are asked for it; others refuse so many clients, or leave them without a greeting.
    only: tuple[str, ...] = ()


OURS = ("ours", "ours-so")
THOUSANDS = ("floor", "ours", "ours-so")


POINTS = {
    point.name: point
    for point in (
        Point("c10k100", "10 connections, 100 messages of 10 KB on each", "-c 10 -k 100", durable=True),
        Point("c100k100", "100 connections, 100 messages of 10 KB on each", "-c 100 -k 100", durable=True),
        Point("pipe", "100 connections, PIPELINING", "-c 100 -k 100 -p"),
        Point("bdat", "100 connections, CHUNKING and PIPELINING", "-c 100 -k 100 -p --chunking", only=OURS),
        Point("c10k1", "10 connections, one message on each", "-c 10 -k 1", durable=True),
        Point("s1m", "10 connections, messages of 1 MB", "-c 10 -k 100 -s 1m"),
        Point("mix", "20 connections, sizes as they come (mean 55 KB), PIPELINING",
              "-c 20 -k 10 -p -s 2k:20,6k:30,15k:25,40k:15,150k:7,600k:2,2m:1"),
        *(Point(f"grow-{count}", f"{count:,} connections, 8 messages on each", f"-c {count} -k 8", only=THOUSANDS)
          for count in (10, 100, 1000, 5000)),
        Point("crowd", "100 connections, 100 messages on each, beside 10,000 that are idle",
              "-c 100 -k 100 --idle 10000", only=THOUSANDS),
        Point("tls-hs-rsa", "full handshakes, RSA-2048, no mail", "-c 10 -k 0 --no-resumption --tls starttls", "rsa", True),
        Point("tls-hs-p256", "full handshakes, P-256, no mail", "-c 10 -k 0 --no-resumption --tls starttls", "p256", True),
        Point("tls-c10k100", "10 connections, 100 messages of 10 KB on each, STARTTLS", "-c 10 -k 100 --tls starttls", "p256"),
    )
}  # fmt: skip
