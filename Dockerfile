# docker build -t stillpoint .
# docker run --network host -v files:/data stillpoint
#
# The server listens on loopback, that of the host with --network host. For other addresses give the flags of docs/cli.md:
# docker run -p 7070:7070 -v files:/data -v keys:/keys stillpoint serve --data /data --listen 0.0.0.0:7070 \
#   --admin-token-file /keys/admin.token --tls-cert /keys/tls-cert.pem --tls-key /keys/tls-key.pem
FROM node:22-bookworm-slim AS build
WORKDIR /build
COPY package.json package-lock.json .npmrc ./
RUN npm ci
COPY . .
RUN npm run build

FROM debian:bookworm-slim
RUN install -d -o 65532 -g 65532 -m 0700 /data
COPY --from=build /build/dist/stillpoint /usr/local/bin/stillpoint
USER 65532:65532
VOLUME /data
EXPOSE 7070
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=5s CMD ["stillpoint", "status"]
ENTRYPOINT ["stillpoint"]
CMD ["serve", "--data", "/data"]
