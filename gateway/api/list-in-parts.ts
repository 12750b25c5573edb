import { Readable } from 'node:stream';
import { z } from 'zod';
import type { AnswerForm, Shown } from './answer-forms.ts';
import { sendPage } from './paging.ts';

/** A part of a list, in parts, and how many there are in all. */
export interface PartedPage<Item> {
  readonly total: number;
  readonly parts: AsyncIterable<readonly Item[]>;
}

/**
 * 200 with a page of a list whose items are large: where everything is asked for, one part after the other is read and
 * sent, so that no more of it is in memory.
 */
export const listsInParts = <Item extends z.ZodType>(
  item: Item,
): AnswerForm<PartedPage<Shown<z.output<Item>>>> => ({
  status: 200,
  description: 'A page of the list',
  schema: z.array(item),
  headers: { 'X-Total-Count': 'How many there are on all pages', Link: 'Where the pages beside are' },
  list: 'filtered',
  async send({ total, parts }, { request, reply, listing }) {
    if (listing.limit !== undefined)
      return sendPage(
        request,
        reply,
        listing,
        { rows: (await Array.fromAsync(parts)).flat(), total },
        (row) => row,
      );
    const iterator = parts[Symbol.asyncIterator]();
    // What cannot be read at all is still refused.
    const first = await iterator.next();
    return reply
      .header('x-total-count', String(total))
      .type('application/json; charset=utf-8')
      .send(Readable.from(textOf(first, iterator), { objectMode: false }));
  },
});

async function* textOf<Item>(
  first: IteratorResult<readonly Item[]>,
  rest: AsyncIterator<readonly Item[]>,
): AsyncGenerator<string> {
  let before = '[';
  for (let next = first; !next.done; next = await rest.next()) {
    if (next.value.length === 0) continue;
    yield before + next.value.map((item) => JSON.stringify(item)).join(',');
    before = ',';
  }
  yield before === '[' ? '[]' : ']';
}
