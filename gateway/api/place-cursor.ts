import { badRequest } from './faults.ts';

/*
 * Where a list goes on that has no pages: what clients send back as `after`, made of the texts that its last row is
 * found by.
 */

export const cursorOf = (texts: readonly string[]): string =>
  Buffer.from(JSON.stringify(texts)).toString('base64url');

/** No name or digest is longer. */
const maxText = 1024;

/** The `count` texts of a cursor; undefined for what no answer has given. */
export function findTexts(cursor: string, count: number): readonly string[] | undefined {
  const texts = parsed(Buffer.from(cursor, 'base64url').toString());
  const isOurs =
    Array.isArray(texts) &&
    texts.length === count &&
    texts.every(
      (text): text is string =>
        typeof text === 'string' && text.length <= maxText && !text.includes('\0') && text.isWellFormed(),
    );
  return isOurs ? texts : undefined;
}

/** The `count` texts of a cursor. @throws RequestRefused 400 for what no answer has given. */
export function textsIn(cursor: string, count: number): readonly string[] {
  const texts = findTexts(cursor, count);
  if (texts === undefined) throw badRequest('after in query is what the Link of an answer says');
  return texts;
}

function parsed(json: string): unknown {
  try {
    return JSON.parse(json);
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}
