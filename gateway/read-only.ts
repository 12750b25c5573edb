import type { FastifyRequest } from 'fastify';
import type { Configuration } from '../domain/configuration/items.ts';
import { RequestRefused } from './errors.ts';

const reading: ReadonlySet<string> = new Set(['GET', 'HEAD', 'OPTIONS']);

/**
 * Refuses what would change something while the system is read-only, whoever asks, as Harbor does ahead of every other
 * question. Logins, tokens and the work in the background go on. @throws RequestRefused 403
 */
export async function refuseWhileReadOnly(
  { configuration }: { configuration(): Promise<Configuration> },
  { method }: Pick<FastifyRequest, 'method'>,
): Promise<void> {
  if (reading.has(method) || !(await configuration()).read_only) return;
  throw new RequestRefused({
    status: 403,
    code: 'DENIED',
    message: 'The system is in read only mode. Any modification is prohibited.',
  });
}
