import assert from 'node:assert/strict';
import { connect, type Socket } from 'node:net';
import type { TestServer } from '../server.ts';
import { until } from '../until.ts';

export interface RawAnswer {
  readonly status: number;
  /** Names in lower case; of a repeated header the last. */
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

/** A connection on which a test writes what no client library would. */
export interface RawConnection {
  readonly socket: Socket;
  write(bytes: string | Uint8Array): void;
  /** The next answer, a `100 Continue` too. Rejects when the connection ends before it is whole. */
  answer(): Promise<RawAnswer>;
  /** Resolves when the server has closed the connection. */
  closed(): Promise<void>;
}

export interface Scope {
  after(work: () => void): void;
}

/** Where to: a server that a test has started. */
export type Target = Pick<TestServer, 'url' | 'password'>;

export function openRaw(t: Scope, { url }: Target): RawConnection {
  const { hostname, port } = new URL(url);
  const socket = connect(Number(port), hostname);
  t.after(() => socket.destroy());
  let received = Buffer.alloc(0);
  let ended = false;
  socket.on('data', (chunk: Buffer) => {
    received = Buffer.concat([received, chunk]);
  });
  socket.on('end', () => {
    ended = true;
  });
  // A reset ends it as well; what had come before counts.
  socket.on('error', () => {
    ended = true;
  });

  async function answer(): Promise<RawAnswer> {
    await until('the head of an answer is there', () => ended || received.includes('\r\n\r\n'), 60_000);
    const end = received.indexOf('\r\n\r\n');
    if (end === -1) throw new Error(`the connection ended after ${JSON.stringify(received.toString())}`);
    const [line = '', ...fields] = received.subarray(0, end).toString('latin1').split('\r\n');
    const headers = Object.fromEntries(
      fields.map((field) => {
        const colon = field.indexOf(':');
        return [field.slice(0, colon).toLowerCase(), field.slice(colon + 1).trim()];
      }),
    );
    const status = Number(/^HTTP\/1\.1 (\d{3}) /.exec(line)?.[1]);
    const length = Number(headers['content-length'] ?? 0);
    const whole = end + 4 + length;
    await until('the body of an answer is there', () => ended || received.length >= whole, 60_000);
    if (received.length < whole) throw new Error(`${length} bytes were promised: ${received}`);
    const body = received.subarray(end + 4, whole).toString();
    received = received.subarray(whole);
    return { status, headers, body };
  }

  return {
    socket,
    write: (bytes) => void socket.write(bytes),
    answer,
    closed: async () => {
      if (socket.closed) return;
      await new Promise<void>((resolve) => {
        socket.once('close', () => resolve());
      });
    },
  };
}

/** The first answer to `bytes`, on a connection of its own. */
export async function askRaw(t: Scope, target: Target, bytes: string | Uint8Array): Promise<RawAnswer> {
  const connection = openRaw(t, target);
  connection.write(bytes);
  const answer = await connection.answer();
  connection.socket.destroy();
  return answer;
}

/** A request's head, with the lines as they are given and the empty line at the end. */
export const head = (...lines: readonly string[]): string => `${lines.join('\r\n')}\r\n\r\n`;

export const basic = ({ password }: Target): string =>
  `authorization: Basic ${Buffer.from(`admin:${password}`).toString('base64')}`;

/** Status and code, of an answer that has the form which clients read. */
export function refusal({ status, headers, body }: RawAnswer): [status: number, code: string] {
  assert.match(headers['content-type'] ?? '', /^application\/json/);
  assert.doesNotMatch(body, /node_modules|node:|\.ts\b|\n\s+at /, 'an answer shows no stack');
  const [first] = JSON.parse(body).errors;
  assert.equal(typeof first.message, 'string');
  return [status, first.code];
}
