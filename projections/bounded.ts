import { type Kysely, sql } from 'kysely';

/** What was asked takes longer than a question may; whoever asks for less is answered. */
export class QuestionTooLong extends Error {
  override readonly name = 'QuestionTooLong';
}

const queryCanceled = '57014';

/**
 * Asks `question` for five seconds at most, or for as long as the database lets any question take where that is less. It is
 * of lists whose filters and orders come from outside: none holds a connection, and what others wait for, for longer.
 * @throws QuestionTooLong
 */
export async function bounded<Database, Answer>(
  db: Kysely<Database>,
  question: (db: Kysely<Database>) => Promise<Answer>,
): Promise<Answer> {
  try {
    return await db.transaction().execute(async (inTime) => {
      await sql`
        SELECT set_config('statement_timeout', CASE
          WHEN current_setting('statement_timeout')::interval BETWEEN '1ms' AND '5s' THEN current_setting('statement_timeout')
          ELSE '5s' END, true)`.execute(inTime);
      return question(inTime);
    });
  } catch (error) {
    if ((error as { readonly code?: unknown }).code !== queryCanceled) throw error;
    throw new QuestionTooLong('a question to a list took too long', { cause: error });
  }
}
