import type { FastifyReply, FastifyRequest } from 'fastify';
import type { Listing, Page } from '../../projections/listing.ts';
import { unprocessable } from './faults.ts';
import { parameter } from './parameters.ts';

const standardSize = 10;
const maxSize = 100;
const maxPage = 1_000_000_000;

export interface Paging extends Pick<Listing, 'offset' | 'limit'> {
  readonly page: number;
  /** 0 for everything. */
  readonly size: number;
}

/** @throws RequestRefused 422 */
export function readPaging(request: FastifyRequest): Paging {
  const page = whole(request, 'page', 1, maxPage);
  const size = whole(request, 'page_size', standardSize, maxSize);
  return {
    page,
    size,
    // Page 0 is the first one as well.
    offset: size * Math.max(page - 1, 0),
    limit: size === 0 ? undefined : size,
  };
}

function whole(request: FastifyRequest, name: string, standard: number, max: number): number {
  const text = parameter(request, name);
  if (text === undefined) return standard;
  const value = /^-?\d{1,15}$/.test(text) ? Number(text) : undefined;
  if (value === undefined)
    throw unprocessable(`${name} in query must be of type int64: ${JSON.stringify(text)}`);
  if (value < 0) throw unprocessable(`${name} in query should be greater than or equal to 0`);
  if (value > max) throw unprocessable(`${name} in query should be less than or equal to ${max}`);
  return value;
}

/** The answer to a list: its items, with how many there are in all and where the neighbouring pages are. */
export function sendPage<Row, Item>(
  request: FastifyRequest,
  reply: FastifyReply,
  paging: Paging,
  { rows, total }: Page<Row>,
  itemOf: (row: Row) => Item,
): FastifyReply {
  reply.header('x-total-count', String(total));
  const link = linksOf(request.originalUrl, paging, total);
  if (link !== '') reply.header('link', link);
  return reply.send(rows.map(itemOf));
}

function linksOf(url: string, { page, size }: Paging, total: number): string {
  if (size === 0) return '';
  const links = [
    ...(page > 1 && (page - 2) * size < total ? [linkTo(url, page - 1, size, 'prev')] : []),
    ...(page * size < total ? [linkTo(url, page + 1, size, 'next')] : []),
  ];
  return links.join(' , ');
}

function linkTo(url: string, page: number, size: number, relation: 'prev' | 'next'): string {
  const [path = '', query = ''] = url.split('?', 2);
  const parameters = new URLSearchParams(query);
  parameters.set('page', String(page));
  parameters.set('page_size', String(size));
  parameters.sort();
  return `<${path}?${shownQuery(parameters)}>; rel="${relation}"`;
}

/** Unescaped, as clients of Harbor expect it, save what a header or the link itself could not hold. */
const shownQuery = (parameters: URLSearchParams): string =>
  [...parameters]
    .map(([name, value]) => `${name}=${value}`)
    .join('&')
    .replace(/[^\x20-\x7e]|[<>"\\]/gu, (character) =>
      character.isWellFormed() ? encodeURIComponent(character) : '%EF%BF%BD',
    );
