# The server as an image: docker build -t serving .
# BuildKit and the classic builder both build it: only built-in syntax, so no other frontend is pulled.

# 10.0-noble-chiseled is the smaller one, without shell and package manager.
ARG RUNTIME=10.0

FROM mcr.microsoft.com/dotnet/sdk:10.0 AS build
WORKDIR /source

# Packages are a layer of their own, built anew only when a project file or a package version changes.
# COPY flattens what it matches: each src/NAME/NAME.csproj goes back to where it was.
COPY global.json Directory.* ./
COPY src/*/*.csproj src/
RUN for project in src/*.csproj; do \
        folder="${project%.csproj}" && mkdir "$folder" && mv "$project" "$folder/" || exit 1; \
    done && \
    dotnet restore src/Server

# Many files on purpose: Serving.Server.deps.json names every package with its version and hash, and scanners read it.
# Whatever the umask of the sources was, the server's user can read them.
COPY . .
RUN dotnet publish src/Server --no-restore -c Release -o /app && \
    chmod -R a+rX,go-w /app && \
    mkdir /data

# Nothing runs in this stage: it needs no shell.
FROM mcr.microsoft.com/dotnet/aspnet:$RUNTIME
# 1654 is the base images' user "app".
COPY --from=build --chown=1654:1654 /data /data
COPY --from=build /app /app
# The server has settings for its ports; EXPOSE names their defaults. So the base image's variable for ports is cleared.
# Diagnostics would open a pipe in /tmp, which a read-only root lacks; docs/deployment.md says how to trace a server.
ENV Server__Address=0.0.0.0 \
    Server__Data=/data \
    ASPNETCORE_HTTP_PORTS= \
    DOTNET_EnableDiagnostics=0
EXPOSE 5050 5051
VOLUME /data
WORKDIR /app
USER 1654
HEALTHCHECK --interval=10s --timeout=10s --start-period=120s --retries=3 CMD ["/app/Serving.Server", "health"]
ENTRYPOINT ["/app/Serving.Server"]

# Last, so that another revision builds no layer anew.
ARG VERSION=0.1.0
ARG REVISION=unknown
ARG CREATED=unknown
ARG RUNTIME
LABEL org.opencontainers.image.title="Serving" \
      org.opencontainers.image.description="A gRPC service for many text-classification tasks over one frozen BERT" \
      org.opencontainers.image.version="$VERSION" \
      org.opencontainers.image.revision="$REVISION" \
      org.opencontainers.image.created="$CREATED" \
      org.opencontainers.image.base.name="mcr.microsoft.com/dotnet/aspnet:$RUNTIME"
