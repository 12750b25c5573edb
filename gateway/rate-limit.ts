import type { FastifyInstance } from 'fastify';
import { actorOf, type Principal } from '../domain/access/principal.ts';
import type { RateLimit } from '../infra/rate-limit/port.ts';
import { RequestRefused } from './errors.ts';
import { networkOf } from './network.ts';

/** Counts one request of `principal`. @throws RequestRefused 429 when there were too many. */
export type Limit = (principal: Principal, address: string) => Promise<void>;

/** @param identities undefined for no limit */
export const identityLimit =
  (identities: RateLimit | undefined): Limit =>
  async (principal, address) => {
    if (identities === undefined) return;
    const key = principal.kind === 'anonymous' ? keyOfAddress(address) : actorOf(principal);
    refuseAfter(await identities.take(key));
  };

/** Counts every request by the client's address, before anything is looked up for it. `exempt` are paths. */
export function limitAddresses(
  app: FastifyInstance,
  addresses: RateLimit | undefined,
  exempt: ReadonlySet<string>,
): void {
  if (addresses === undefined) return;
  app.addHook('onRequest', async ({ ip, originalUrl }) => {
    if (!exempt.has(originalUrl)) refuseAfter(await addresses.take(keyOfAddress(ip)));
  });
}

function refuseAfter(waitMs: number | undefined): void {
  if (waitMs === undefined) return;
  throw new RequestRefused({
    status: 429,
    code: 'TOOMANYREQUESTS',
    message: 'too many requests',
    // Whole seconds: some clients read nothing else.
    headers: { 'retry-after': String(Math.max(1, Math.ceil(waitMs / 1000))) },
  });
}

/** Who has IPv6 has a whole network of addresses, and is counted by that. */
const keyOfAddress = (address: string): string => `address:${networkOf(address)}`;
