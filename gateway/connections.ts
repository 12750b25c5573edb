import { type IncomingMessage, type Server, type ServerResponse, STATUS_CODES } from 'node:http';
import type { Socket } from 'node:net';
import type { Logger } from 'pino';
import { errorBody } from './errors.ts';
import type { IsTrusted } from './forwarded.ts';

export interface ConnectionLimits {
  /** Of one listener, and of one client address; a trusted proxy may have as many as the listener. */
  readonly maxConnections: number;
  readonly maxConnectionsPerAddress: number;
  /** How long an answer may wait for a client that takes nothing of it. */
  readonly sendTimeoutMs: number;
}

interface Guarded {
  readonly logger: Pick<Logger, 'info' | 'warn'>;
  readonly limits: ConnectionLimits;
  readonly isTrustedProxy: IsTrusted;
}

/** How many requests of one connection may wait for the answers before theirs. No client of registries has any. */
const maxPipelined = 100;

type Handler = (request: IncomingMessage, response: ServerResponse) => void;

/** Serves `handle` on `server`, and keeps single clients from holding more of it than their share. */
export function guardConnections(server: Server, handle: Handler, ports: Guarded): void {
  const { logger, limits } = ports;
  server.maxConnections = limits.maxConnections;
  // Node drops the headers beyond a number without a word; their size is limited in any case.
  server.maxHeadersCount = 0;
  limitConnections(server, ports);

  const answering = new WeakMap<Socket, ServerResponse>();
  server.timeout = limits.sendTimeoutMs;
  const serve: Handler = (request, response) => {
    const { socket } = request;
    const before = answering.get(socket);
    answering.set(socket, response);
    // With a listener on the response Node leaves the connection open: a handler may well work longer than this.
    response.on('timeout', endWhenStuck);
    if (before === undefined || before.writableFinished || before.destroyed) handle(request, response);
    else serveAfter(before, request, response);
  };

  /**
   * Node would have all requests of a connection handled at once, and keep the first part of each answer until its
   * turn comes.
   */
  const pipelined = new WeakMap<Socket, number>();
  function serveAfter(before: ServerResponse, request: IncomingMessage, response: ServerResponse): void {
    const { socket } = request;
    // The rest of what was read at once is still parsed after the connection was cut off.
    if (socket.destroyed) return;
    const waiting = (pipelined.get(socket) ?? 0) + 1;
    pipelined.set(socket, waiting);
    if (waiting > maxPipelined) {
      logger.info({ ip: socket.remoteAddress }, 'a client asked too much without waiting for an answer');
      socket.destroy();
      return;
    }
    before.once('close', () => {
      pipelined.set(socket, (pipelined.get(socket) ?? 1) - 1);
      if (!socket.destroyed) handle(request, response);
    });
  }
  function endWhenStuck(socket: Socket): void {
    if (socket.writableLength === 0) return;
    logger.info({ ip: socket.remoteAddress }, 'a client took nothing of its answer for too long');
    socket.destroy();
  }

  server.on('request', serve);
  server.on('checkContinue', (request, response) => {
    continueWhenRead(request, response);
    serve(request, response);
  });
  // Without a listener Node closes the connection without an answer.
  server.on('connect', (_request, socket: Socket) => {
    logger.info({ ip: socket.remoteAddress, fault: 'CONNECT', status: 405 }, 'a malformed request');
    refuse(socket, 405, 'CONNECT is not for registries');
  });
  const refused = new WeakSet<Socket>();
  server.on('clientError', (error: NodeJS.ErrnoException, socket: Socket) => {
    // What still comes is no request either, and is read so that the refusal arrives.
    if (refused.has(socket) && error.code !== 'ECONNRESET') return;
    refused.add(socket);
    const response = answering.get(socket);
    const busy = response?.writableFinished === false;
    // The fault is in the body of the request that is being answered: nothing can be put into that answer.
    const inAnswer = busy && !response.req.complete && response.headersSent;
    if (error.code === 'ECONNRESET' || !socket.writable || inAnswer) {
      socket.destroy();
      return;
    }
    const [status, message] = faults[error.code ?? ''] ?? [400, 'the request is malformed'];
    logger.info({ ip: socket.remoteAddress, fault: error.code, status }, 'a malformed request');
    // The fault is in what follows it: the one before has its answer first.
    if (busy && response.req.complete) response.once('close', () => refuse(socket, status, message));
    else refuse(socket, status, message);
  });
}

const faults: Readonly<Record<string, [status: number, message: string]>> = {
  HPE_HEADER_OVERFLOW: [431, 'the headers of the request are too long'],
  HPE_CHUNK_EXTENSIONS_OVERFLOW: [413, 'the chunk extensions are too long'],
  ERR_HTTP_REQUEST_TIMEOUT: [408, 'the headers of the request came too slowly'],
};

/** How long a client may take to close its side after a refusal, in milliseconds. */
const farewellMs = 2000;

/** Answers a connection of which nothing more is read. */
function refuse(socket: Socket, status: number, message: string): void {
  if (!socket.writable) return;
  const body = JSON.stringify(errorBody({ status, code: 'BAD_REQUEST', message }));
  socket.end(
    [
      `HTTP/1.1 ${status} ${STATUS_CODES[status]}`,
      'content-type: application/json; charset=utf-8',
      `content-length: ${Buffer.byteLength(body)}`,
      ...(status === 405 ? ['allow: GET, HEAD, POST, PUT, PATCH, DELETE'] : []),
      'docker-distribution-api-version: registry/2.0',
      'connection: close',
      '',
      body,
    ].join('\r\n'),
  );
  // Closing at once would reset a client that still sends, before it has read why.
  socket.resume();
  const timer = setTimeout(() => socket.destroy(), farewellMs).unref();
  socket.once('close', () => clearTimeout(timer));
}

/**
 * Sends `100 Continue` when the body is read and not before, so that a request which is refused on its headers gets
 * its final status at once, and its body is never sent.
 */
function continueWhenRead(request: IncomingMessage, response: ServerResponse): void {
  const read = request._read;
  // A client that was not told to go on may or may not send its body; no next request could be told from it.
  response.setHeader('connection', 'close');
  request._read = (size) => {
    request._read = read;
    if (!response.headersSent && !response.destroyed) {
      response.removeHeader('connection');
      response.writeContinue();
    }
    read.call(request, size);
  };
}

/** How often it is said that connections were turned away, in milliseconds. */
const reportMs = 60_000;

function limitConnections(server: Server, { logger, limits, isTrustedProxy }: Guarded): void {
  const open = new Map<string, number>();
  let refused = 0;
  let reportedAt = Number.NEGATIVE_INFINITY;

  const turnedAway = (reason: string, ip: string | undefined): void => {
    refused += 1;
    if (performance.now() - reportedAt < reportMs) return;
    logger.warn({ reason, ip, connections: refused }, 'connections were turned away');
    [refused, reportedAt] = [0, performance.now()];
  };
  server.on('drop', (data) => turnedAway('max_connections', data?.remoteAddress));

  // First, so that a connection which is turned away costs nothing more.
  server.prependListener('connection', (socket: Socket) => {
    const { remoteAddress: address } = socket;
    if (address === undefined || isTrustedProxy(address)) return;
    const count = (open.get(address) ?? 0) + 1;
    if (count > limits.maxConnectionsPerAddress) {
      turnedAway('max_connections_per_address', address);
      socket.destroy();
      return;
    }
    open.set(address, count);
    socket.once('close', () => {
      const left = (open.get(address) ?? 1) - 1;
      if (left === 0) open.delete(address);
      else open.set(address, left);
    });
  });
}
