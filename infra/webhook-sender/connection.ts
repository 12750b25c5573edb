import { lookup } from 'node:dns/promises';
import { connect as connectTcp, isIP, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import type { SendError } from '../../domain/webhook-delivery/events.ts';

/** Why a request has not come to an answer. */
export class SendFailure extends Error {
  override readonly name = 'SendFailure';
  readonly reason: SendError;
  constructor(reason: SendError, message: string, cause?: unknown) {
    super(message, { cause });
    this.reason = reason;
  }
}

/** The IP addresses of a name. */
export type Resolver = (hostname: string) => Promise<readonly string[]>;

/** As the system resolves names, its file of hosts included. */
export const systemResolver: Resolver = async (hostname) =>
  (await lookup(hostname, { all: true })).map(({ address }) => address);

/**
 * Asks for each name once at a time, for all who ask meanwhile: a lookup that hangs keeps a thread of this process, of which
 * there are few, and is not interrupted by who gives up waiting.
 */
export function shared(resolve: Resolver): Resolver {
  const asked = new Map<string, Promise<readonly string[]>>();
  return (hostname) => {
    const before = asked.get(hostname);
    if (before !== undefined) return before;
    const answer = resolve(hostname).finally(() => asked.delete(hostname));
    asked.set(hostname, answer);
    return answer;
  };
}

/** Of a name that has many. */
const maxAddresses = 4;

/** `example.com.` is the same host as `example.com`, but no certificate has that name; brackets are a URL's alone. */
export const hostOf = ({ hostname }: URL): string => hostname.replace(/^\[(.*)\]$/, '$1').replace(/\.$/, '');

/**
 * The addresses at which a host may be asked: those that are connected to are those that were looked at, for a name may
 * have others a moment later.
 * @throws SendFailure `dns`, `refused-address`
 */
export async function addressesOf(
  host: string,
  resolve: Resolver,
  mayAsk: (address: string) => boolean,
): Promise<readonly string[]> {
  const found = isIP(host) === 0 ? await named(host, resolve) : [host];
  const allowed = found.filter(mayAsk);
  if (allowed.length === 0)
    throw new SendFailure('refused-address', `the address ${found[0] ?? host} must not be asked`);
  return allowed.slice(0, maxAddresses);
}

async function named(host: string, resolve: Resolver): Promise<readonly string[]> {
  try {
    const found = await resolve(host);
    if (found.length > 0) return found;
  } catch (error) {
    throw new SendFailure('dns', `the name ${host} cannot be resolved: ${codeOf(error)}`, error);
  }
  throw new SendFailure('dns', `the name ${host} has no address`);
}

export const codeOf = (error: unknown): string => {
  const { code } = error as { readonly code?: unknown };
  return typeof code === 'string' ? code : 'it failed';
};

/** @param over ends it. @throws SendFailure `connect` */
export function openTcp(address: string, port: number, over: AbortSignal): Promise<Socket> {
  return new Promise((resolve, reject) => {
    over.throwIfAborted();
    const socket = connectTcp({ host: address, port, autoSelectFamily: false, noDelay: true });
    settle(socket, 'connect', over, resolve, (error) =>
      reject(new SendFailure('connect', `no connection to ${address}: ${codeOf(error)}`, error)),
    );
  });
}

/** @param over ends it. @throws SendFailure `tls` */
export function openTls(
  socket: Socket,
  host: string,
  { skipCertVerify, over }: { readonly skipCertVerify: boolean; readonly over: AbortSignal },
): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const secured = connectTls({
      socket,
      host,
      // An address is no server name (RFC 6066), and its certificate is checked by `host`.
      ...(isIP(host) === 0 && { servername: host }),
      rejectUnauthorized: !skipCertVerify,
      ALPNProtocols: ['http/1.1'],
    });
    settle(secured, 'secureConnect', over, resolve, (error) => {
      socket.destroy();
      reject(new SendFailure('tls', `no secure connection: ${codeOf(error)}`, error));
    });
  });
}

/** Once `over` is aborted nothing is left of the socket; what then is thrown is for who has aborted it. */
function settle<Opened extends Socket>(
  socket: Opened,
  event: string,
  over: AbortSignal,
  resolve: (socket: Opened) => void,
  reject: (error: unknown) => void,
): void {
  const abort = () => socket.destroy(over.reason);
  const failed = (error: unknown) => {
    over.removeEventListener('abort', abort);
    reject(error);
  };
  const closed = () => failed(new Error('closed'));
  over.addEventListener('abort', abort, { once: true });
  // Also when nobody asks any more: what goes wrong then is nobody's error.
  socket.on('error', () => undefined);
  socket.once('error', failed).once('close', closed);
  socket.once(event, () => {
    over.removeEventListener('abort', abort);
    socket.off('error', failed).off('close', closed);
    resolve(socket);
  });
}
