import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import { createServer as createTlsServer } from 'node:tls';
import type { Scope } from './server.ts';

/** A message of RFC 5424. */
export interface SyslogMessage {
  readonly priority: number;
  readonly at: string;
  readonly hostname: string;
  readonly application: string;
  readonly messageId: string;
  /** By the name of the element. */
  readonly structured: Readonly<Record<string, Readonly<Record<string, string>>>>;
  readonly text: string;
}

/** By the grammar of RFC 5424, section 6; throws for anything else. */
export function parseRfc5424(bytes: Buffer): SyslogMessage {
  const message = new TextDecoder('utf8', { fatal: true, ignoreBOM: true }).decode(bytes);
  const name = (longest: number) => `([\\x21-\\x7e]{1,${longest}})`;
  const time = '(\\d{4}-\\d\\d-\\d\\dT\\d\\d:\\d\\d:\\d\\d(?:\\.\\d{1,6})?(?:Z|[+-]\\d\\d:\\d\\d))';
  const header = `^<(0|[1-9]\\d{0,2})>1 ${time} ${name(255)} ${name(48)} ${name(128)} ${name(32)} `;
  const found = new RegExp(header).exec(message);
  assert.ok(found, `no header of RFC 5424: ${message}`);
  const [whole, priority = '', at = '', hostname = '', application = '', , messageId = ''] = found;
  assert.ok(Number(priority) <= 191);
  const structured: Record<string, Record<string, string>> = {};
  let rest = message.slice(whole.length);
  while (rest.startsWith('[')) {
    const element = /^\[([^\s=\]"]{1,32})((?: [^\s=\]"]{1,32}="(?:[^"\\\]]|\\["\\\]])*")*)\]/u.exec(rest);
    assert.ok(element, `no structured data: ${rest}`);
    const [all, id = '', parameters = ''] = element;
    structured[id] = Object.fromEntries(
      [...parameters.matchAll(/ ([^\s=\]"]+)="((?:[^"\\\]]|\\["\\\]])*)"/gu)].map(
        ([, key = '', value = '']) => [key, value.replace(/\\(["\\\]])/g, '$1')],
      ),
    );
    rest = rest.slice(all.length);
  }
  assert.ok(rest.startsWith(' '), `no space after the structured data: ${rest}`);
  return {
    priority: Number(priority),
    at,
    hostname,
    application,
    messageId,
    structured,
    text: rest.slice(1),
  };
}

/** The messages in `bytes` behind their lengths (RFC 6587, section 3.4.1), and what is left of one that is not whole. */
export function framesIn(bytes: Buffer): { readonly frames: readonly Buffer[]; readonly rest: Buffer } {
  const frames: Buffer[] = [];
  let rest = bytes;
  for (;;) {
    const length = /^([1-9]\d{0,8}) /.exec(rest.subarray(0, 10).toString('latin1'));
    if (length === null) {
      assert.match(rest.subarray(0, 10).toString('latin1'), /^\d{0,9}$/, 'a length stands first');
      return { frames, rest };
    }
    const start = length[0].length;
    const end = start + Number(length[1]);
    if (rest.length < end) return { frames, rest };
    frames.push(rest.subarray(start, end));
    rest = rest.subarray(end);
  }
}

export interface SyslogReceiver {
  readonly port: number;
  readonly connections: () => number;
  /** What has been read over each connection, in the order of their openings. */
  readonly read: readonly Buffer[];
  /** Leaves everything unread from now on. */
  hang(): void;
  /** Breaks all connections with a reset, as a process that is killed with bytes unread, and refuses new ones. */
  kill(): Promise<void>;
  start(): Promise<void>;
}

/** A server on 127.0.0.1 that reads what it is sent, and ends a connection when it has read to the end. */
export async function startSyslogReceiver(
  t: Scope,
  tls?: { readonly cert: string; readonly key: string; readonly ca?: string },
): Promise<SyslogReceiver> {
  const read: Buffer[] = [];
  const sockets = new Set<Socket>();
  let isHanging = false;
  let port = 0;
  let server: Server | undefined;

  function accept(socket: Socket): void {
    const nth = read.push(Buffer.alloc(0)) - 1;
    sockets.add(socket);
    socket.on('error', () => undefined).on('close', () => sockets.delete(socket));
    socket.on('data', (chunk) => {
      read[nth] = Buffer.concat([read[nth] ?? Buffer.alloc(0), chunk]);
    });
    if (isHanging) socket.pause();
  }

  async function start(): Promise<void> {
    isHanging = false;
    server =
      tls === undefined
        ? createServer(accept)
        : createTlsServer(
            { ...tls, ...(tls.ca !== undefined && { requestCert: true, rejectUnauthorized: true }) },
            accept,
          );
    server.on('tlsClientError', () => undefined);
    server.listen(port, '127.0.0.1');
    await once(server, 'listening');
    port = (server.address() as AddressInfo).port;
  }

  async function kill(): Promise<void> {
    if (server === undefined) return;
    const closed = once(server, 'close');
    server.close();
    for (const socket of sockets)
      if (tls === undefined) socket.resetAndDestroy();
      else socket.destroy();
    server = undefined;
    await closed;
  }

  t.after(kill);
  await start();
  return {
    port,
    connections: () => sockets.size,
    read,
    hang() {
      isHanging = true;
      for (const socket of sockets) socket.pause();
    },
    kill,
    start,
  };
}
