import type { FastifyRequest } from 'fastify';
import {
  bothOf,
  type EventFilter,
  FilterInvalid,
  type FilterKey,
  filterOf,
  parseFilter,
} from '../../domain/public-event/filter.ts';
import type { positionAt } from '../../projections/public-events/queries.ts';
import { badRequest } from '../api/faults.ts';
import { text } from '../api/parameter-forms.ts';
import { parameters } from '../api/parameters.ts';
import type { Query } from '../api/ports.ts';
import { endOfTime } from './feed.ts';

const place = 'A position in the log, or a time (ISO 8601)';
const described = (description: string, more: object = {}) =>
  text.meta({ parameter: { type: 'string', description, ...more } });

/** Keys of a filter that can be parameters of their own too. */
const plainKeys = ['type', 'project', 'repository', 'tag', 'actor'] as const satisfies readonly FilterKey[];

export const eventParameters = {
  from: described(`${place}: events from there on`),
  to: described(`${place}: events before it`),
  filter: described(
    'Terms such as `type:tag.* project:pay* actor:"Ada Lovelace"`: of one key any, of several all; * for any characters',
  ),
  type: described('As in the filter; may come several times'),
  project: described('As in the filter; may come several times'),
  repository: described('As in the filter; may come several times'),
  tag: described('As in the filter; may come several times'),
  actor: described('As in the filter; may come several times'),
};

/** @throws RequestRefused 400 */
export function readFilter(request: FastifyRequest, filter: string | undefined): EventFilter {
  try {
    const plain = plainKeys.flatMap((key) => parameters(request, key).map((value) => [key, value] as const));
    return bothOf(parseFilter(filter ?? ''), filterOf(plain));
  } catch (error) {
    if (error instanceof FilterInvalid) throw badRequest(`filter in query: ${error.message}`);
    throw error;
  }
}

export interface RangePorts {
  readonly positionAt: Query<typeof positionAt>;
}

export interface ReadRange {
  /** Undefined where the request does not say where to begin. */
  readonly after: bigint | undefined;
  readonly before: bigint;
  readonly from: Date | undefined;
  readonly to: Date | undefined;
}

/**
 * @param head the position of the last event.
 * @throws RequestRefused 400 for what is neither a position nor a time, and for what has not been yet.
 */
export async function readRange(
  { positionAt }: RangePorts,
  { from, to }: { readonly from?: string | undefined; readonly to?: string | undefined },
  head: bigint,
): Promise<ReadRange> {
  const [begin, end] = [readPlace('from in query', from), readPlace('to in query', to)];
  const after = await beginning(begin);
  const before = await ending(end);
  const range = {
    ...{ after, before },
    from: begin instanceof Date ? begin : undefined,
    to: end instanceof Date ? end : undefined,
  };
  const isTurned =
    range.from !== undefined && range.to !== undefined
      ? range.from > range.to
      : typeof end === 'bigint' && after !== undefined && end <= after;
  if (isTurned) throw badRequest('from in query is after to in query');
  return range;

  async function beginning(begin: bigint | Date | undefined): Promise<bigint | undefined> {
    if (begin === undefined) return undefined;
    if (typeof begin === 'bigint') {
      if (begin > 0n) requireReached('from in query', begin - 1n, head);
      return begin > 0n ? begin - 1n : 0n;
    }
    if (begin.getTime() > Date.now() + clockDifferenceMs) throw badRequest('from in query is in the future');
    const first = await positionAt(begin);
    return first === undefined ? head : first - 1n;
  }

  /** Of a time that is over the end is known: there will never be more before it. */
  async function ending(end: bigint | Date | undefined): Promise<bigint> {
    if (!(end instanceof Date)) return end ?? endOfTime;
    if (end.getTime() > Date.now() - clockDifferenceMs) return endOfTime;
    return (await positionAt(end)) ?? head + 1n;
  }
}

/** How far the clocks of a client and of the log may be apart, in milliseconds. */
const clockDifferenceMs = 5 * 60_000;

function readPlace(what: string, written: string | undefined): bigint | Date | undefined {
  if (written === undefined) return undefined;
  if (/^\d+$/.test(written)) return readPosition(what, written);
  const isTime = /^\d{4}-\d\d-\d\d(?:T\d\d:\d\d(?::\d\d(?:\.\d{1,9})?)?(?:Z|[+-]\d\d:\d\d))?$/i.test(written);
  const time = isTime ? new Date(written) : undefined;
  if (time === undefined || Number.isNaN(time.getTime()) || time.getUTCFullYear() < 1)
    throw badRequest(`${what} is neither a position nor a time: ${JSON.stringify(written.slice(0, 100))}`);
  return time;
}

/** @throws RequestRefused 400 */
export function readPosition(what: string, written: string): bigint {
  const position = /^\d{1,19}$/.test(written) ? BigInt(written) : undefined;
  if (position === undefined || position > endOfTime)
    throw badRequest(`${what} is not a position in the log: ${JSON.stringify(written.slice(0, 100))}`);
  return position;
}

/**
 * Whoever goes on from where this log has never been got that elsewhere, or from before the log was restored, and would miss
 * everything up to there. @throws RequestRefused 400
 */
export function requireReached(what: string, position: bigint, head: bigint): void {
  if (position > head)
    throw badRequest(`${what} is beyond the last event, at position ${head}: it is of another log`);
}
