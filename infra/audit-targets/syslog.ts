import { connect as connectPlain, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { connect as connectTls } from 'node:tls';
import { messageOf } from '../outbound/message-of.ts';
import { type AuditTarget, type TargetTls, TargetUnavailable } from './port.ts';
import type { SyslogForm } from './syslog-message.ts';

export interface SyslogOptions {
  readonly host: string;
  readonly port: number;
  /** Undefined for plain TCP. */
  readonly tls: TargetTls | undefined;
  /** For a connection to open, for bytes to be accepted, and for the other side to close. */
  readonly timeoutMs: number;
  readonly form: SyslogForm;
  /** For how long a connection has to stay open after the last bytes; see `Session`. */
  readonly settleMs?: number;
  /** After how long a connection is replaced by another, so that what went over it can be known to have arrived. */
  readonly sessionMs?: number;
}

const standardSettleMs = 3000;
const standardSessionMs = 15_000;

/**
 * A syslog server over TCP or TLS. The protocol has no acknowledgement, and bytes that the kernel took may be lost with the
 * connection. What goes over a connection counts as taken when we have ended it and the other side has ended it too, for
 * which it has to have read all, and has not done so by itself before, as a proxy does whose server is gone.
 */
export function syslogTarget(options: SyslogOptions): AuditTarget {
  const { form, timeoutMs, settleMs = standardSettleMs, sessionMs = standardSessionMs } = options;
  const closing = new AbortController();
  let session: Session | undefined;

  /** A connection that takes more, or another one. */
  async function current(over: AbortSignal): Promise<Session> {
    if (session?.isOpen()) return session;
    const socket = await opened(options, AbortSignal.any([over, closing.signal]));
    session = sessionOn(socket, { timeoutMs, settleMs, sessionMs }, closing.signal);
    return session;
  }

  return {
    async send(records, over) {
      const bytes = Buffer.concat(records.map(form));
      const { write, settled } = await current(over);
      await write(bytes, over);
      return { refused: [], settled };
    },
    close: () => closing.abort(new TargetUnavailable('it is not used any more')),
  };
}

async function opened({ host, port, tls, timeoutMs }: SyslogOptions, over: AbortSignal): Promise<Socket> {
  over.throwIfAborted();
  // Whether the other side closes first is for us to see, whereas Node would answer in kind.
  const at = { host, port, allowHalfOpen: true };
  const { verify = true, ...pem } = tls ?? {};
  const socket =
    tls === undefined
      ? connectPlain(at)
      : connectTls({ ...at, ...pem, ...serverNameOf(host), rejectUnauthorized: verify });
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const abort = () => reject(over.reason);
  over.addEventListener('abort', abort, { once: true });
  const timer = setTimeout(() => reject(new Error(`no connection within ${timeoutMs} ms`)), timeoutMs);
  socket.once(tls === undefined ? 'connect' : 'secureConnect', resolve).once('error', reject);
  socket.once('close', () => reject(new Error('the connection was closed')));
  try {
    await promise;
    return socket.setKeepAlive(true, 10_000);
  } catch (error) {
    socket.destroy();
    throw over.aborted ? error : lost(error);
  } finally {
    clearTimeout(timer);
    over.removeEventListener('abort', abort);
  }
}

/** Names alone may be asked for; OpenSSL refuses addresses. */
const serverNameOf = (host: string) => (/^[\d.]+$|:/.test(host) ? {} : { servername: host });

const lost = (error: unknown): TargetUnavailable =>
  error instanceof TargetUnavailable
    ? error
    : new TargetUnavailable(messageOf(error), {
        cause: error,
      });

/** A connection, from its opening to the proof that all of it has arrived. */
interface Session {
  isOpen(): boolean;
  write(bytes: Buffer, over: AbortSignal): Promise<void>;
  readonly settled: Promise<void>;
}

function sessionOn(
  socket: Socket,
  { timeoutMs, settleMs, sessionMs }: { timeoutMs: number; settleMs: number; sessionMs: number },
  closing: AbortSignal,
): Session {
  const { promise: broken, reject: breakOff } = Promise.withResolvers<never>();
  broken.catch(() => undefined);
  const openedAt = performance.now();
  let writtenAt = openedAt;
  let writing = 0;
  let isOpen = true;
  let isEnding = false;
  let hasEnded = false;

  const fail = (error: unknown): void => {
    isOpen = false;
    breakOff(lost(error));
    socket.destroy();
  };
  socket.on('error', fail);
  socket.on('close', () => fail(new Error('the connection was closed')));
  socket.on('end', () => {
    hasEnded = true;
    if (!isEnding) fail(new Error('the other side has ended the connection'));
  });
  // It has nothing to say.
  socket.resume();
  const abort = () => fail(closing.reason);
  closing.addEventListener('abort', abort, { once: true });

  async function settle(): Promise<void> {
    // Nothing more goes over it when it was idle for a while, or is old.
    for (;;) {
      const idle = performance.now() - writtenAt;
      if (writing === 0 && idle >= settleMs) break;
      if (performance.now() - openedAt >= sessionMs) isOpen = false;
      await within(sleep(Math.max(settleMs - idle, 20), undefined, { ref: false }));
    }
    isOpen = false;
    isEnding = true;
    socket.end();
    const late = sleep(timeoutMs, 'late' as const, { ref: false });
    const ended = await within(Promise.race([late, hasEnded ? undefined : endOf(socket)]));
    if (ended === 'late') throw new TargetUnavailable('the other side does not end the connection');
  }

  const within = <Result>(work: Promise<Result>): Promise<Result> => Promise.race([work, broken]);
  const settled = settle().catch((error) => {
    fail(error);
    throw lost(error);
  });
  settled.catch(() => undefined);
  void settled
    .finally(() => {
      closing.removeEventListener('abort', abort);
      socket.destroy();
    })
    .catch(() => undefined);

  return {
    isOpen: () => isOpen,
    settled,
    async write(bytes, over) {
      writing += 1;
      const late = new AbortController();
      try {
        const written = new Promise<void>((resolve, reject) => {
          socket.write(bytes, (error) => (error ? reject(error) : resolve()));
        });
        const signal = AbortSignal.any([late.signal, over]);
        const timeout = sleep(timeoutMs, undefined, { signal }).then(() => {
          throw new TargetUnavailable(`takes nothing for ${timeoutMs} ms`);
        });
        timeout.catch(() => undefined);
        await within(Promise.race([written, timeout]));
        writtenAt = performance.now();
      } catch (error) {
        fail(error);
        throw over.aborted ? error : lost(error);
      } finally {
        late.abort();
        writing -= 1;
      }
    },
  };
}

const endOf = (socket: Socket): Promise<undefined> =>
  new Promise((resolve) => {
    socket.once('end', () => resolve(undefined));
  });
