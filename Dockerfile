# guerrillad with its plugins, on glibc: a static program (musl) cannot load them.
#
#   docker build -t guerrillad .
#   docker run -p 25:2525 -v mail:/var/lib/guerrillad -v ./goguerrilla.conf.json:/etc/guerrillad/goguerrilla.conf.json guerrillad

FROM rust:1.95-bookworm AS build
WORKDIR /src
COPY . .
RUN make build

FROM debian:bookworm-slim
# Certificates are for plugins that speak TLS to a database. What is newest is wanted: it has the security fixes.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install -y --no-install-recommends ca-certificates \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --system --uid 10025 --home-dir /var/lib/guerrillad --shell /usr/sbin/nologin guerrillad \
    && install -d -o guerrillad -g guerrillad -m 0750 /var/lib/guerrillad
COPY --from=build /src/target/release/guerrillad /usr/sbin/
COPY --from=build /src/target/release/plugins /usr/lib/guerrillad/plugins
COPY contrib/docker/goguerrilla.conf.json /etc/guerrillad/
# By number, so that an orchestrator can tell that it is not root.
USER 10025:10025
WORKDIR /var/lib/guerrillad
VOLUME /var/lib/guerrillad
EXPOSE 2525
# Messages in flight have a minute to be finished: docker stop --time 75
STOPSIGNAL SIGTERM
ENTRYPOINT ["/usr/sbin/guerrillad"]
CMD ["serve", "--config", "/etc/guerrillad/goguerrilla.conf.json"]
