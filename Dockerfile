# The newest long-term support line of Node.js.
ARG NODE_IMAGE=node:26-trixie-slim

FROM ${NODE_IMAGE} AS build
WORKDIR /app
COPY package.json package-lock.json ./
RUN npm ci
COPY tsconfig.base.json tsconfig.portable.json tsconfig.node.json ./
COPY src ./src
RUN npm run build:server

FROM ${NODE_IMAGE} AS dependencies
WORKDIR /app
COPY package.json package-lock.json ./
RUN npm ci --omit=dev

FROM ${NODE_IMAGE} AS runtime
LABEL org.opencontainers.image.title="Secure Chat" \
      org.opencontainers.image.description="End-to-end encrypted messaging backend" \
      org.opencontainers.image.licenses="MIT"
ENV NODE_ENV=production \
    SERVER_HOST=0.0.0.0 \
    SERVER_PORT=3000 \
    DATA_DIR=/data
WORKDIR /app
COPY --from=dependencies /app/node_modules ./node_modules
COPY --from=build /app/build/src ./build/src
COPY package.json LICENSE ./
COPY drizzle ./drizzle
RUN mkdir -m 700 /data && chown node:node /data && ln -s /app/build/src/cli/secure-chat.js /usr/local/bin/secure-chat
USER node
VOLUME ["/data"]
EXPOSE 3000
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=30s --timeout=5s --start-period=60s --retries=3 \
  CMD ["node", "-e", "fetch('http://127.0.0.1:' + process.env.SERVER_PORT + '/healthz').then(r => process.exit(r.ok ? 0 : 1), () => process.exit(1))"]
CMD ["node", "build/src/server/main.js"]
