import type { z } from 'zod';
import { flag, notUsed, section, whole } from '../fields.ts';

export const cache = {
  cache: section('Answers that are kept in memory until an event changes them.', {
    enabled: flag('Whether answers are kept. Without, each is read from the database.').default(true),
    entries: whole(
      'The most answers that are kept for each kind of question, such as where a tag points.',
      1,
      10_000_000,
    ).default(20_000),
    expire_hours: notUsed('What is kept is dropped when it changes, however old it is.'),
  }).prefault({}),
} satisfies z.core.$ZodShape;
