import { isIP, type Socket } from 'node:net';
import { performance } from 'node:perf_hooks';
import { webhookUrl } from '../../domain/webhook/address.ts';
import { mayAsk, type OutboundRules } from '../outbound/addresses.ts';
import {
  addressesOf,
  hostOf,
  openTcp,
  openTls,
  type Resolver,
  SendFailure,
  shared,
  systemResolver,
} from './connection.ts';
import { exchange } from './exchange.ts';
import type { SendTimings, WebhookOutcome, WebhookRequest, WebhookSender } from './port.ts';

/**
 * Sends by HTTP/1.1, each request through a connection of its own, and through no proxy. Names are resolved once, and what is
 * connected to is what was found and may be asked.
 * @param resolve in place of the system's resolver
 */
export function httpSender(rules: OutboundRules, resolve: Resolver = systemResolver): WebhookSender {
  const isAllowed = mayAsk(rules);
  const resolveOnce = shared(resolve);

  return {
    send,
    refuses(address) {
      const url = webhookUrl(address);
      if (url === undefined) return true;
      const host = hostOf(url);
      // A name of this machine that needs no looking up (RFC 6761).
      if (/(?:^|\.)localhost$/i.test(host)) return !isAllowed('127.0.0.1') && !isAllowed('::1');
      return isIP(host) !== 0 && !isAllowed(host);
    },
  };

  async function send(request: WebhookRequest): Promise<WebhookOutcome> {
    const { address: written, skipCertVerify, timeoutMs, signal } = request;
    signal?.throwIfAborted();
    const clock = stopwatch();
    const late = AbortSignal.timeout(timeoutMs);
    const over = signal === undefined ? late : AbortSignal.any([late, signal]);
    let socket: Socket | undefined;
    try {
      const url = webhookUrl(written);
      if (url === undefined) throw new SendFailure('refused-address', 'this is no address of a webhook');
      const host = hostOf(url);
      const addresses = await orOver(addressesOf(host, resolveOnce, isAllowed), over);
      clock.lap('dnsMs');
      const opened = await openAny(addresses, portOf(url), over, timeoutMs - clock.elapsed());
      socket = opened.socket;
      clock.lap('connectMs');
      if (url.protocol === 'https:') {
        socket = await openTls(socket, host, { skipCertVerify, over });
        clock.lap('tlsMs');
      }
      const answer = await exchange(socket, url, request, over, () => clock.lap('firstByteMs'));
      signal?.throwIfAborted();
      return { kind: 'answered', ...answer, timings: clock.timings(), address: opened.address };
    } catch (error) {
      socket?.destroy();
      signal?.throwIfAborted();
      const timings = clock.timings();
      if (late.aborted)
        return { kind: 'failed', reason: 'timeout', message: `no answer within ${timeoutMs} ms`, timings };
      if (error instanceof SendFailure)
        return { kind: 'failed', reason: error.reason, message: error.message, timings };
      throw error;
    }
  }
}

const portOf = ({ port, protocol }: URL): number => Number(port) || (protocol === 'https:' ? 443 : 80);

/**
 * One after the other, each with its share of the time that is left: of a host with an address that is silent, the others
 * are asked too. @throws SendFailure `connect`
 */
async function openAny(
  addresses: readonly string[],
  port: number,
  over: AbortSignal,
  leftMs: number,
): Promise<{ readonly socket: Socket; readonly address: string }> {
  const shareMs = Math.max(1, Math.floor(leftMs / addresses.length));
  let failure: unknown;
  for (const address of addresses) {
    const isLast = address === addresses.at(-1);
    const patience = isLast ? over : AbortSignal.any([over, AbortSignal.timeout(shareMs)]);
    try {
      return { socket: await openTcp(address, port, patience), address };
    } catch (error) {
      if (over.aborted) throw error;
      failure = error;
    }
  }
  throw failure;
}

/** What takes no signal goes on by itself, and nobody waits for it. */
async function orOver<Result>(work: Promise<Result>, over: AbortSignal): Promise<Result> {
  over.throwIfAborted();
  let abort: (() => void) | undefined;
  const aborted = new Promise<never>((_, reject) => {
    abort = () => reject(over.reason);
    over.addEventListener('abort', abort, { once: true });
  });
  try {
    return await Promise.race([work, aborted]);
  } finally {
    if (abort !== undefined) over.removeEventListener('abort', abort);
  }
}

type Part = Exclude<keyof SendTimings, 'totalMs'>;

function stopwatch() {
  const start = performance.now();
  let last = start;
  const parts: Partial<Record<Part, number>> = {};
  const since = (from: number) => Math.round((performance.now() - from) * 10) / 10;
  return {
    elapsed: () => performance.now() - start,
    lap(part: Part) {
      parts[part] = since(last);
      last = performance.now();
    },
    timings: (): SendTimings => ({
      dnsMs: parts.dnsMs ?? null,
      connectMs: parts.connectMs ?? null,
      tlsMs: parts.tlsMs ?? null,
      firstByteMs: parts.firstByteMs ?? null,
      totalMs: since(start),
    }),
  };
}
