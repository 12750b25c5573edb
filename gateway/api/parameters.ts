import type { FastifyRequest } from 'fastify';
import { badRequest, unprocessable } from './faults.ts';

/** The parameters of the query; of one that is given twice the first counts, and an empty one is none. */
export function parameter(request: FastifyRequest, name: string): string | undefined {
  const { [name]: given } = request.query as Record<string, string | readonly string[] | undefined>;
  const value = typeof given === 'object' ? given[0] : given;
  return value === '' ? undefined : value;
}

/** All that is said of one that can be given several times, as `name` or `name[]`, and with commas between. */
export function parameters(request: FastifyRequest, name: string): readonly string[] {
  const query = request.query as Record<string, string | readonly string[] | undefined>;
  return [query[name] ?? [], query[`${name}[]`] ?? []]
    .flat(2)
    .flatMap((given) => given.split(','))
    .filter((value) => value !== '');
}

/** @throws RequestRefused 422 */
export function flagHeader(request: FastifyRequest, name: string): boolean | undefined {
  const value = request.headers[name.toLowerCase()];
  return value === undefined || value === '' ? undefined : flagOf(String(value), `${name} in header`);
}

function flagOf(value: string, what: string): boolean {
  if (/^(true|1|t|yes|y|on)$/i.test(value)) return true;
  if (/^(false|0|f|no|n|off)$/i.test(value)) return false;
  throw unprocessable(`${what} must be of type boolean: ${JSON.stringify(value)}`);
}

/** @throws RequestRefused 400 for a query that cannot be read as it was meant, and for what no database takes. */
export function refuseBadQueries({ originalUrl }: FastifyRequest): void {
  const [path = '', query = ''] = originalUrl.split('?', 2);
  if (/%(?![0-9a-f]{2})/i.test(query) || query.includes(';'))
    throw badRequest('the query string cannot be parsed');
  if (/%00/.test(path) || /%(25)*00/.test(query)) throw badRequest('a parameter holds no NUL');
}
