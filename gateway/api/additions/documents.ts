import type { z } from 'zod';
import { notFound } from '../faults.ts';

/** More than any image has steps, or any chart dependencies. */
const maxItems = 10_000;

/**
 * The objects in the list `name` of a JSON document, read by `item`; none where there is no such list.
 * @throws RequestRefused 404 where it is no JSON object.
 */
export function parsedAs<Item extends z.ZodType>(
  item: Item,
  document: Uint8Array,
  name: string,
): z.output<Item>[] {
  const { [name]: list } = objectIn(document);
  if (!Array.isArray(list)) return [];
  return list.slice(0, maxItems).flatMap((each) => {
    const parsed = item.safeParse(each);
    return parsed.success ? [parsed.data] : [];
  });
}

/** @throws RequestRefused 404 where it is no JSON object. */
export function objectIn(document: Uint8Array): Readonly<Record<string, unknown>> {
  try {
    const parsed: unknown = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(document));
    if (typeof parsed === 'object' && parsed !== null) return parsed as Record<string, unknown>;
  } catch (error) {
    // A config may be anything; only its own tools have to read it.
    if (!(error instanceof SyntaxError) && !(error instanceof TypeError)) throw error;
  }
  throw notFound('the config of the artifact is no JSON object');
}
