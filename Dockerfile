# One image with the three binaries: gatewright, gatewright-control-plane, gatewright-data-plane.
FROM rust:1-bookworm AS dependencies
RUN apt-get update -qq && apt-get install -y -qq --no-install-recommends cmake >/dev/null && rm -rf /var/lib/apt/lists/*
WORKDIR /build

# The dependencies, in a stage of their own: it is built again only when a manifest changes.
COPY Cargo.toml Cargo.lock ./
COPY proto/Cargo.toml proto/
COPY logging/Cargo.toml logging/
COPY data-plane/Cargo.toml data-plane/
COPY data-plane/engine/Cargo.toml data-plane/engine/
COPY control-plane/Cargo.toml control-plane/
COPY admin-cli/Cargo.toml admin-cli/
COPY tests/Cargo.toml tests/
RUN for package in proto logging data-plane data-plane/engine control-plane admin-cli tests; do \
      mkdir -p $package/src && echo 'fn main() {}' | tee $package/src/main.rs >$package/src/lib.rs; \
    done \
    && mkdir -p tests/bench data-plane/engine/benches && echo 'fn main() {}' \
      | tee tests/bench/main.rs data-plane/engine/benches/request_path.rs >proto/build.rs \
    && cargo build --locked --profile dist --workspace --exclude gatewright-tests \
    && rm -rf proto/build.rs proto/src logging/src data-plane/src data-plane/engine/src control-plane/src admin-cli/src

FROM dependencies AS build
COPY proto proto
COPY logging logging
COPY migrations migrations
COPY data-plane data-plane
COPY control-plane control-plane
COPY admin-cli admin-cli
# Newer than what the layer above compiled, whatever the clocks of the checkout say. Names of functions stay, for
# backtraces; the rest of what debuggers read is three quarters of the size.
RUN find proto logging data-plane control-plane admin-cli -name '*.rs' -exec touch {} + \
    && cargo build --locked --profile dist --workspace --exclude gatewright-tests \
    && strip --strip-debug target/dist/gatewright target/dist/gatewright-control-plane target/dist/gatewright-data-plane

FROM debian:bookworm-slim
RUN apt-get update -qq && apt-get install -y -qq --no-install-recommends ca-certificates >/dev/null && rm -rf /var/lib/apt/lists/* \
    && useradd --system --uid 10001 --create-home --home-dir /var/lib/gatewright gatewright
COPY --from=build /build/target/dist/gatewright /build/target/dist/gatewright-control-plane /build/target/dist/gatewright-data-plane /usr/local/bin/
COPY examples /usr/share/gatewright/examples
USER gatewright
WORKDIR /var/lib/gatewright
ENV GATEWRIGHT_STATE_DIR=/var/lib/gatewright/state
EXPOSE 8080 8443 9080 9090 9100
CMD ["gatewright", "--help"]
