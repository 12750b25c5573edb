import type { FastifyRequest } from 'fastify';
import { type Filter, keyOf, type Listing } from '../../projections/listing.ts';
import { badRequest } from './faults.ts';
import { type Paging, readPaging } from './paging.ts';
import { storable } from './parameter-forms.ts';
import { parameter } from './parameters.ts';

/** The page, the filters and the order that a list is asked for. @throws RequestRefused 400 or 422 */
export function readListing(request: FastifyRequest): Paging & Listing {
  return {
    ...readPaging(request),
    filters: readFilters(parameter(request, 'q')),
    sort: readSort(parameter(request, 'sort')),
  };
}

/** What `key` has to be exactly, if that is among the filters. */
export function exactly({ filters }: Pick<Listing, 'filters'>, key: string): string | undefined {
  const found = filters.find((filter) => keyOf(filter.key) === keyOf(key));
  return found?.kind === 'is' ? found.value : undefined;
}

/** The labels that all have to be there, as `labels=(1 2)` says. @throws RequestRefused 400 for any other form */
export function labelsAsked({ filters }: Pick<Listing, 'filters'>): readonly number[] {
  return filters
    .filter(({ key }) => keyOf(key) === labels)
    .flatMap((filter) => {
      const values = filter.kind === 'all' ? filter.values : [];
      if (values.length === 0 || !values.every((value) => /^\d{1,15}$/.test(value)))
        throw badRequest('labels are asked for as labels=(<id> <id>)');
      return values.map((value) => storable(Number(value)));
    });
}

/** More than this many filters or keys to sort by is no question that somebody has. */
const maxParts = 50;

function readSort(sort = ''): Listing['sort'] {
  return sort
    .split(',')
    .filter((part) => part !== '')
    .slice(0, maxParts)
    .map((part) => ({ key: part.replace(/^-/, ''), descending: part.startsWith('-') }));
}

function readFilters(q: string | undefined): Filter[] {
  if (q === undefined) return [];
  const decoded = decodedAgain(q);
  if (decoded.includes('\0')) throw badRequest('a parameter holds no NUL');
  const parts = decoded.split(',');
  // Clients that add filters to nothing begin with a comma.
  const written = parts.filter((part) => part !== '');
  if (written.length > maxParts) throw badRequest(`the query string has at most ${maxParts} parts`);
  return written.map(filterOf);
}

/** Harbor decodes the value a second time, and its clients encode it twice. */
function decodedAgain(q: string): string {
  try {
    return decodeURIComponent(q.replaceAll('+', ' '));
  } catch (error) {
    if (error instanceof URIError) return q;
    throw error;
  }
}

function filterOf(part: string): Filter {
  const [name = '', ...rest] = part.split('=');
  const value = rest.join('=');
  if (name.trim() === '' || value === '')
    throw badRequest('the query string must contain "=" and the key/value cannot be empty');
  const [key = '', operator] = name.trim().split('__', 2);
  switch (operator?.toLowerCase()) {
    case 'icontains':
      return { key, kind: 'contains', value };
    case 'gte':
      return { key, kind: 'range', from: value, to: undefined };
    case 'lte':
      return { key, kind: 'range', from: undefined, to: value };
    case 'gt':
      return { key, kind: 'range', from: value, to: undefined, isOpen: true };
    case 'lt':
      return { key, kind: 'range', from: undefined, to: value, isOpen: true };
    case 'exact':
      return { key, kind: 'is', value };
    case 'in':
      return value.startsWith('{')
        ? { key, ...conditionOf(value, false) }
        : { key, kind: 'any', values: [value] };
    case undefined:
      return { key, ...conditionOf(value, keyOf(key) === labels) };
    default:
      // The name of no column, of which nothing is asked.
      return { key: name.trim(), kind: 'is', value };
  }
}

type Condition = Filter extends infer Each ? (Each extends Filter ? Omit<Each, 'key'> : never) : never;

/** The one thing of which there can be several, so that all of some can be asked for. */
const labels = 'labels';

function conditionOf(value: string, isOfMany: boolean): Condition {
  const invalid = () => badRequest(`invalid query string value: ${value}`);
  if (value.startsWith('\\')) return { kind: 'is', value: value.slice(1) };
  if (value.startsWith('~')) return { kind: 'contains', value: value.slice(1) };
  if (value.startsWith('[')) {
    const [, low = '', high = ''] = /^\[([^~]*)~([^~]*)\]$/.exec(value) ?? [];
    const [from, to] = [unquoted(low), unquoted(high)];
    if (from === undefined && to === undefined) throw invalid();
    return { kind: 'range', from, to };
  }
  if (/^[{(]/.test(value)) {
    const [, any, all] = /^(?:\{([^{}]*)\}|\(([^()]*)\))$/.exec(value) ?? [];
    const values = (any ?? all ?? '').split(' ').flatMap((each) => unquoted(each) ?? []);
    if (values.length === 0 || values.length > maxParts || (all !== undefined && !isOfMany)) throw invalid();
    return { kind: any === undefined ? 'all' : 'any', values };
  }
  return { kind: 'is', value };
}

/** Undefined for nothing. */
function unquoted(text: string): string | undefined {
  const [, , inside = text] = /^(["'])(.*)\1$/.exec(text) ?? [];
  return inside === '' ? undefined : inside;
}
