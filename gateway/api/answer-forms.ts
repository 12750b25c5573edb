import type { FastifyReply, FastifyRequest } from 'fastify';
import { z } from 'zod';
import type { Page } from '../../projections/listing.ts';
import { type Paging, sendPage } from './paging.ts';

/** A time as the API shows it: UTC, with milliseconds. */
export const time = z.iso.datetime();

/** What a handler gives for what the wire carries: times as dates, and lists that it does not change. */
export type Shown<Wire> = Wire extends string
  ? Wire | Date
  : Wire extends readonly (infer Item)[]
    ? readonly Shown<Item>[]
    : Wire extends object
      ? { readonly [Key in keyof Wire]: Shown<Wire[Key]> }
      : Wire;

/** What a handler resolves to, and how that is sent. */
export interface AnswerForm<Result> {
  readonly status: number;
  readonly description: string;
  /** Of a body in JSON. */
  readonly schema?: z.ZodType;
  /** Of a body in something else, or in one of several things. */
  readonly contentType?: string | readonly string[];
  /** Whether there may be no body, where there is nothing to show. */
  readonly mayBeEmpty?: boolean;
  /** What it carries beside, with what that means. */
  readonly headers?: Readonly<Record<string, string>>;
  /** Which part of a list the request can ask for: `filtered` adds `q` and `sort`. */
  readonly list?: 'paged' | 'filtered';
  send(result: Result, at: SentTo): FastifyReply | Promise<FastifyReply>;
}

export interface SentTo {
  readonly request: FastifyRequest;
  readonly reply: FastifyReply;
  readonly listing: Paging;
}

/** 200 with a body. */
export const shows = <Schema extends z.ZodType>(
  schema: Schema,
  description = 'What was asked for',
): AnswerForm<Shown<z.output<Schema>>> => ({
  status: 200,
  description,
  schema,
  send: (result, { reply }) => reply.send(result),
});

/** 200 with a body, or without one where there is nothing: clients of Harbor tell from it whether to create or change. */
export const showsIfAny = <Schema extends z.ZodType>(
  schema: Schema,
): AnswerForm<Shown<z.output<Schema>> | undefined> => ({
  status: 200,
  description: 'What was asked for; no body, if there is none',
  schema,
  mayBeEmpty: true,
  send: (result, { reply }) => reply.send(result),
});

/** 200 with a page of a list. */
export const lists = <Item extends z.ZodType>(
  item: Item,
  list: 'paged' | 'filtered' = 'filtered',
): AnswerForm<Page<Shown<z.output<Item>>>> => ({
  status: 200,
  description: 'A page of the list',
  schema: z.array(item),
  headers: { 'X-Total-Count': 'How many there are on all pages', Link: 'Where the pages beside are' },
  list,
  send: (page, { request, reply, listing }) => sendPage(request, reply, listing, page, (shown) => shown),
});

export interface RowsAfter<Row> {
  readonly rows: readonly Row[];
  /** How many there are in all, where that is known. */
  readonly total: number | undefined;
  /** What the parameter `after` has to be for the rows after these; undefined where there are none. */
  readonly next: string | undefined;
}

/** 200 with some rows of a list that goes on from a place in it: a list of any length costs no more than a short one. */
export const listsAfter = <Item extends z.ZodType>(
  item: Item,
): AnswerForm<RowsAfter<Shown<z.output<Item>>>> => ({
  status: 200,
  description: 'Some rows of the list',
  schema: z.array(item),
  headers: {
    'X-Total-Count': 'How many there are in all, where that is known',
    Link: 'Where the rows after these are',
  },
  send({ rows, total, next }, { request, reply }) {
    if (total !== undefined) reply.header('x-total-count', String(total));
    if (next !== undefined) {
      const [path = '', query = ''] = request.originalUrl.split('?', 2);
      const parameters = new URLSearchParams(query);
      parameters.set('after', next);
      reply.header('link', `<${path}?${parameters}>; rel="next"`);
    }
    return reply.send(rows);
  },
});

/** 200 without a body. */
export const nothing: AnswerForm<void> = {
  status: 200,
  description: 'Done',
  send: (_, { reply }) => reply.send(),
};

export interface Created {
  /** What the Location ends in. */
  readonly id: string | number;
  /** The Location, where it is not the path of the request and the id. */
  readonly location?: string;
}

const createdHeaders = { Location: 'Where it is' };

function locate({ id, location }: Created, { request, reply }: SentTo): FastifyReply {
  const [path = ''] = request.url.split('?', 1);
  return reply.code(201).header('location', location ?? `${path}/${id}`);
}

/** 201 without a body. */
export const creates: AnswerForm<Created> = {
  status: 201,
  description: 'Created',
  headers: createdHeaders,
  send: (created, at) => locate(created, at).send(),
};

/** 201 with a body. */
export const createsAndShows = <Schema extends z.ZodType>(
  schema: Schema,
): AnswerForm<Created & { readonly body: Shown<z.output<Schema>> }> => ({
  status: 201,
  description: 'Created',
  schema,
  headers: createdHeaders,
  send: (created, at) => locate(created, at).send(created.body),
});

/** 202 with a body: something has begun, and the Location says where it can be followed. */
export const begins = <Schema extends z.ZodType>(
  schema: Schema,
): AnswerForm<Created & { readonly body: Shown<z.output<Schema>> }> => ({
  status: 202,
  description: 'A job has begun',
  schema,
  headers: createdHeaders,
  send: (begun, at) => locate(begun, at).code(202).send(begun.body),
});

/** 200 with a text. */
export const says = (contentType = 'text/plain; charset=utf-8'): AnswerForm<string | Buffer> => ({
  status: 200,
  description: 'What was asked for',
  contentType,
  send: (result, { reply }) => reply.type(contentType).send(result),
});

/** A form with another status: `withStatus(202, nothing)`. */
export const withStatus = <Result>(
  status: number,
  form: AnswerForm<Result>,
  description = form.description,
): AnswerForm<Result> => ({
  ...form,
  status,
  description,
  send(result, at) {
    at.reply.code(status);
    return form.send(result, at);
  },
});
